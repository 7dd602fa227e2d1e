import type { SpiffeId } from '../identity/spiffe-id.ts'
import { unreachable } from '../lib/unreachable.ts'
import { matchesMethod } from './match/method.ts'
import type { PathPattern } from './match/path.ts'
import { matchesPort } from './match/port.ts'
import { PathIndex } from './path-index.ts'
import { type CompiledRule, matchesFrom, type OperationMatcher, type Query } from './rule.ts'

/**
 * Most places in which one rule is filed. A rule with more ports times paths times callers than this is filed by path
 * only, and its other conditions are checked when it is found: slower for that rule, but memory stays bounded.
 */
const WIDEST = 512

/** The pattern of an operation that names no path. */
const everyPath: readonly PathPattern[] = [{ kind: 'prefix', prefix: '' }]

/**
 * The rules of one action, filed by port, path and caller. Filing narrows the candidates; all conditions but the path
 * are then checked on each candidate, so that a wrong drawer can hide a rule but never widen one.
 */
export class RuleIndex {
  /** In the order of their policies. */
  readonly rules: readonly CompiledRule[]
  /** Whether a rule asks for the namespace or trust domain of a caller. */
  readonly asksForParts: boolean
  readonly #byPort = new Map<number, PathIndex<Drawer>>()
  readonly #anyPort = drawers()

  constructor(rules: readonly CompiledRule[]) {
    this.rules = rules
    this.asksForParts = rules.some(({ from }) =>
      from?.some(({ namespaces, trustDomains }) => namespaces !== undefined || trustDomains !== undefined),
    )
    for (const rule of rules) this.#file(rule)
  }

  #file(rule: CompiledRule): void {
    const operations = rule.to ?? [undefined]
    const places = sum(operations, (to) => (to?.paths ?? everyPath).length * (to?.ports?.size ?? 1))
    const byPort = places <= WIDEST
    const keys = callerKeys(rule)
    const narrow = places * keys.length <= WIDEST ? keys : everyCaller
    for (const to of operations) {
      const filed = { rule, to }
      const indexes =
        byPort && to?.ports !== undefined ? [...to.ports].map((port) => this.#portIndex(port)) : [this.#anyPort]
      for (const index of indexes)
        for (const path of to?.paths ?? everyPath) {
          const drawer = index.at(path)
          for (const key of narrow) drawer.add(key, filed)
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
    // The index of `connectionRules`, which is asked without a path, files nothing by path.
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
    if (ids !== undefined)
      return [
        ...keys('id', ids.exact),
        ...keys(
          'prefix',
          ids.prefixes.map(({ prefix }) => prefix),
        ),
      ]
    if (namespaces !== undefined) return keys('namespace', namespaces)
    return trustDomains === undefined ? everyCaller : keys('trustDomain', trustDomains)
  })
}

interface Filed {
  readonly rule: CompiledRule
  readonly to: OperationMatcher | undefined
}

/** The rules filed under one port and path pattern, by caller. Absent: none is filed that way. */
class Drawer {
  #anybody: Filed[] | undefined
  #byId: Map<string, Filed[]> | undefined
  #byPrefix: Map<string, Filed[]> | undefined
  #byNamespace: Map<string, Filed[]> | undefined
  #byTrustDomain: Map<string, Filed[]> | undefined

  add({ by, value }: CallerKey, filed: Filed): void {
    switch (by) {
      case 'anybody':
        this.#anybody ??= []
        this.#anybody.push(filed)
        return
      case 'id':
        this.#byId = append(this.#byId, value, filed)
        return
      case 'prefix':
        this.#byPrefix = append(this.#byPrefix, value, filed)
        return
      case 'namespace':
        this.#byNamespace = append(this.#byNamespace, value, filed)
        return
      case 'trustDomain':
        this.#byTrustDomain = append(this.#byTrustDomain, value, filed)
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
function findByPrefix(byPrefix: ReadonlyMap<string, Filed[]>, id: SpiffeId, query: Query): CompiledRule | undefined {
  for (let slash = id.indexOf('/', 'spiffe://'.length); slash !== -1; slash = id.indexOf('/', slash + 1)) {
    const found = first(byPrefix.get(id.slice(0, slash + 1)), query)
    if (found !== undefined) return found
  }
  return undefined
}

function append(map: Map<string, Filed[]> | undefined, key: string, filed: Filed): Map<string, Filed[]> {
  if (map === undefined) return new Map([[key, [filed]]])
  const list = map.get(key)
  if (list === undefined) map.set(key, [filed])
  else list.push(filed)
  return map
}

function first(list: readonly Filed[] | undefined, query: Query): CompiledRule | undefined {
  if (list === undefined) return undefined
  for (const { rule, to } of list) {
    if (to !== undefined && !(matchesPort(to.ports, query.port) && matchesMethod(to.methods, query.method))) continue
    if (matchesFrom(rule, query)) return rule
  }
  return undefined
}
