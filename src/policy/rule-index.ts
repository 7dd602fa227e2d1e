import type { SpiffeId } from '../identity/spiffe-id.ts'
import { unreachable } from '../lib/unreachable.ts'
import type { PathPattern } from './match/path.ts'
import { PathIndex } from './path-index.ts'
import type { Query } from './query.ts'
import { type CompiledRule, matchesRule } from './rule.ts'

/**
 * Most places in which one rule is filed. A rule with more ports times paths times callers than this is filed by path
 * only, and its other conditions are checked when it is found: slower for that rule, but memory stays bounded.
 */
const WIDEST = 512

/** The pattern of an operation that names no path, and of every one for TCP connections. */
const everyPath: readonly PathPattern[] = [{ kind: 'prefix', prefix: '' }]

/**
 * The rules of one action, filed by port, path and caller. Filing narrows the candidates; all conditions are
 * then checked on each candidate, so that a wrong drawer can hide a rule but never widen one.
 */
export class RuleIndex {
  /** In the order of their policies. */
  readonly rules: readonly CompiledRule[]
  readonly #byPort = new Map<number, PathIndex<Drawer>>()
  readonly #anyPort = drawers()
  readonly #byPath: boolean

  constructor(rules: readonly CompiledRule[], asked: 'requests' | 'connections') {
    this.rules = rules
    this.#byPath = asked === 'requests'
    for (const rule of rules) this.#file(rule)
  }

  #file(rule: CompiledRule): void {
    const operations = (rule.to ?? [undefined]).map((to) => ({
      ports: to?.ports,
      paths: (this.#byPath ? to?.paths : undefined) ?? everyPath,
    }))
    const places = sum(operations, ({ ports, paths }) => paths.length * (ports?.size ?? 1))
    const byPort = places <= WIDEST
    const keys = callerKeys(rule)
    const narrow = places * keys.length <= WIDEST ? keys : everyCaller
    for (const { ports, paths } of operations) {
      const indexes = byPort && ports !== undefined ? [...ports].map((port) => this.#portIndex(port)) : [this.#anyPort]
      for (const index of indexes)
        for (const path of paths) {
          const drawer = index.at(path)
          for (const key of narrow) drawer.add(key, rule)
        }
    }
  }

  #portIndex(port: number): PathIndex<Drawer> {
    const index = this.#byPort.get(port) ?? drawers()
    this.#byPort.set(port, index)
    return index
  }

  /** A rule that matches: always the same one for the same rules and query. */
  find(query: Query): CompiledRule | undefined {
    if (this.rules.length === 0) return undefined
    const probe = (drawer: Drawer): CompiledRule | undefined => drawer.find(query)
    const { port, path = '' } = query
    return this.#byPort.get(port)?.find(path, probe) ?? this.#anyPort.find(path, probe)
  }
}

function sum<T>(items: readonly T[], of: (item: T) => number): number {
  return items.reduce((total, item) => total + of(item), 0)
}

function drawers(): PathIndex<Drawer> {
  return new PathIndex(() => new Drawer())
}

interface CallerKey {
  readonly by: 'anybody' | 'id' | 'prefix' | 'namespace' | 'trustDomain'
  readonly value: string
}

const everyCaller: readonly CallerKey[] = [{ by: 'anybody', value: '' }]

/** A rule is found by the narrowest condition of each of its sources. */
function callerKeys(rule: CompiledRule): readonly CallerKey[] {
  if (rule.from === undefined) return everyCaller
  const keys = (by: CallerKey['by'], values: Iterable<string>): CallerKey[] =>
    Array.from(values, (value) => ({ by, value }))
  return rule.from.flatMap(({ ids, namespaces, trustDomains }) => {
    if (ids !== undefined && ids.patterns.every((pattern) => pattern.kind === 'prefix'))
      return [
        ...keys('id', ids.exact),
        ...keys(
          'prefix',
          ids.patterns.map(({ prefix }) => prefix),
        ),
      ]
    if (namespaces !== undefined) return keys('namespace', namespaces)
    return trustDomains === undefined ? everyCaller : keys('trustDomain', trustDomains)
  })
}

/** The rules filed under one port and path pattern, by caller. Absent: none is filed that way. */
class Drawer {
  #anybody: CompiledRule[] | undefined
  #byId: Map<string, CompiledRule[]> | undefined
  #byPrefix: Map<string, CompiledRule[]> | undefined
  #byNamespace: Map<string, CompiledRule[]> | undefined
  #byTrustDomain: Map<string, CompiledRule[]> | undefined

  add({ by, value }: CallerKey, rule: CompiledRule): void {
    switch (by) {
      case 'anybody':
        this.#anybody ??= []
        this.#anybody.push(rule)
        return
      case 'id':
        this.#byId = append(this.#byId, value, rule)
        return
      case 'prefix':
        this.#byPrefix = append(this.#byPrefix, value, rule)
        return
      case 'namespace':
        this.#byNamespace = append(this.#byNamespace, value, rule)
        return
      case 'trustDomain':
        this.#byTrustDomain = append(this.#byTrustDomain, value, rule)
        return
      default:
        unreachable(by)
    }
  }

  find(query: Query): CompiledRule | undefined {
    return (query.id === undefined ? undefined : this.#findCaller(query.id, query)) ?? first(this.#anybody, query)
  }

  #findCaller(id: SpiffeId, query: Query): CompiledRule | undefined {
    const { namespace, trustDomain } = query
    return (
      first(this.#byId?.get(id), query) ??
      (this.#byPrefix === undefined ? undefined : findByPrefix(this.#byPrefix, id, query)) ??
      (namespace === undefined ? undefined : first(this.#byNamespace?.get(namespace), query)) ??
      (trustDomain === undefined ? undefined : first(this.#byTrustDomain?.get(trustDomain), query))
    )
  }
}

/** Prefixes end with a slash: each slash of the ID ends one that may be filed. */
function findByPrefix(
  byPrefix: ReadonlyMap<string, CompiledRule[]>,
  id: SpiffeId,
  query: Query,
): CompiledRule | undefined {
  for (let slash = id.indexOf('/', 'spiffe://'.length); slash !== -1; slash = id.indexOf('/', slash + 1)) {
    const found = first(byPrefix.get(id.slice(0, slash + 1)), query)
    if (found !== undefined) return found
  }
  return undefined
}

function append(
  map: Map<string, CompiledRule[]> | undefined,
  key: string,
  rule: CompiledRule,
): Map<string, CompiledRule[]> {
  if (map === undefined) return new Map([[key, [rule]]])
  const list = map.get(key)
  if (list === undefined) map.set(key, [rule])
  else list.push(rule)
  return map
}

function first(list: readonly CompiledRule[] | undefined, query: Query): CompiledRule | undefined {
  return list?.find((rule) => matchesRule(rule, query))
}
