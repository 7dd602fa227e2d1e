import { addTo, type Drawer, type Filed, filedIn, findInDrawer, removeFrom, type Search } from './drawer.ts'
import { filingOf, type Place } from './filing.ts'
import { alterPath, findPath, type PathIndex } from './path-index.ts'
import { alterMap, type Change, type Edit, newEdit, type OwnedMap } from './persistent.ts'
import type { Query } from './query.ts'
import { byPlace, type CompiledRule } from './rule.ts'

/** First by host, then by port, then by path; the drawer does the rest. Absent: nothing is filed there. */
export interface Hosts {
  readonly edit: Edit
  exact: OwnedMap<string, Ports> | undefined
  /** By what a host ends with, from a dot on. */
  suffix: OwnedMap<string, Ports> | undefined
  any: Ports | undefined
}

export interface Ports {
  readonly edit: Edit
  one: OwnedMap<number, PathIndex<Drawer>> | undefined
  any: PathIndex<Drawer> | undefined
}

/**
 * The rules of one action, filed by host, port, path and caller. Filing narrows the candidates, and all conditions but the path are
 * then checked on each candidate, so that a wrong drawer can hide a rule but never widen one. An index never changes: an edit makes another
 * one, which shares with it what is the same in both.
 */
export class RuleIndex {
  static readonly empty: RuleIndex = new RuleIndex([], undefined, undefined)

  /** In the order of their policies. */
  readonly rules: readonly CompiledRule[]
  readonly requests: Hosts | undefined
  /** For TCP connections, which have neither host nor path: filed by port and caller. */
  readonly connections: Hosts | undefined

  private constructor(rules: readonly CompiledRule[], requests: Hosts | undefined, connections: Hosts | undefined) {
    this.rules = rules
    this.requests = requests
    this.connections = connections
  }

  /** Without `removed`, which are in it, and with `added`, which are not. */
  edited(removed: readonly CompiledRule[], added: readonly CompiledRule[]): RuleIndex {
    if (removed.length === 0 && added.length === 0) return this
    const edit = newEdit()
    let requests = this.requests
    let connections = this.connections
    const alter = (rule: CompiledRule, change: (filed: Filed) => Change<Drawer>): void => {
      const filing = filingOf(rule)
      for (const place of filing.requests) requests = alterPlace(requests, place, edit, change)
      for (const place of filing.connections) connections = alterPlace(connections, place, edit, change)
    }
    for (const rule of removed) alter(rule, (filed) => (drawer) => removeFrom(drawer, filed, edit))
    for (const rule of added) alter(rule, (filed) => (drawer) => addTo(drawer, filed, edit))
    return new RuleIndex(merged(this.rules, new Set(removed), added), requests, connections)
  }

  /** The rule that ends the search: one that matches, always the same for the same rules and query. */
  find(search: Search): CompiledRule | undefined {
    const { query } = search
    const hosts = query.isConnection ? this.connections : this.requests
    return hosts === undefined ? undefined : findInHosts(hosts, query, findInDrawer, search)
  }

  /** Calls `check` with rules for the host, port and path of a query, whoever may call, until it answers. */
  findSimilar<R>(query: Query, check: (rule: CompiledRule) => R | undefined): R | undefined {
    const hosts = query.isConnection ? this.connections : this.requests
    return hosts === undefined ? undefined : findInHosts(hosts, query, findAmongAll, check)
  }
}

function merged(
  rules: readonly CompiledRule[],
  removed: ReadonlySet<CompiledRule>,
  added: readonly CompiledRule[],
): readonly CompiledRule[] {
  const coming = added.toSorted(byPlace)
  const all: CompiledRule[] = []
  let next = 0
  for (const rule of rules) {
    if (removed.has(rule)) continue
    while (next < coming.length && byPlace(coming[next]!, rule) < 0) all.push(coming[next++]!)
    all.push(rule)
  }
  return next === 0 && all.length === 0 ? coming : [...all, ...coming.slice(next)]
}

function alterPlace(
  hosts: Hosts | undefined,
  { filed, hosts: names, ports, paths }: Place,
  edit: Edit,
  change: (filed: Filed) => Change<Drawer>,
): Hosts | undefined {
  const own: Hosts =
    hosts?.edit === edit ? hosts : { edit, exact: hosts?.exact, suffix: hosts?.suffix, any: hosts?.any }
  const inDrawer = change(filed)
  const inPaths: Change<PathIndex<Drawer>> = (before) => {
    let index = before
    for (const path of paths) index = alterPath(index, path, edit, inDrawer)
    return index
  }
  const inPorts: Change<Ports> = (before) => alterPorts(before, ports, edit, inPaths)
  if (names === undefined) own.any = inPorts(own.any)
  else
    for (const name of names) {
      if (name.kind === 'suffix') own.suffix = alterMap(own.suffix, name.suffix, edit, inPorts)
      else own.exact = alterMap(own.exact, name.host, edit, inPorts)
    }
  return own.exact === undefined && own.suffix === undefined && own.any === undefined ? undefined : own
}

function alterPorts(
  ports: Ports | undefined,
  numbers: Iterable<number> | undefined,
  edit: Edit,
  change: Change<PathIndex<Drawer>>,
): Ports | undefined {
  const own: Ports = ports?.edit === edit ? ports : { edit, one: ports?.one, any: ports?.any }
  if (numbers === undefined) own.any = change(own.any)
  else for (const port of numbers) own.one = alterMap(own.one, port, edit, change)
  return own.one === undefined && own.any === undefined ? undefined : own
}

type Probe<C, R> = (drawer: Drawer, context: C) => R | undefined

function findInHosts<C, R>(hosts: Hosts, query: Query, probe: Probe<C, R>, context: C): R | undefined {
  const { host, port, path = '' } = query
  const found = host === undefined ? undefined : findByHost(hosts, host, port, path, probe, context)
  return found ?? findInPorts(hosts.any, port, path, probe, context)
}

function findByHost<C, R>(
  hosts: Hosts,
  host: string,
  port: number,
  path: string,
  probe: Probe<C, R>,
  context: C,
): R | undefined {
  const found = findInPorts(hosts.exact?.map.get(host), port, path, probe, context)
  if (found !== undefined || hosts.suffix === undefined) return found
  for (let dot = host.indexOf('.'); dot !== -1; dot = host.indexOf('.', dot + 1)) {
    const found = findInPorts(hosts.suffix.map.get(host.slice(dot)), port, path, probe, context)
    if (found !== undefined) return found
  }
  return undefined
}

function findInPorts<C, R>(
  ports: Ports | undefined,
  port: number,
  path: string,
  probe: Probe<C, R>,
  context: C,
): R | undefined {
  if (ports === undefined) return undefined
  const one = ports.one?.map.get(port)
  const found = one === undefined ? undefined : findPath(one, path, probe, context)
  return found ?? (ports.any === undefined ? undefined : findPath(ports.any, path, probe, context))
}

function findAmongAll<R>(drawer: Drawer, check: (rule: CompiledRule) => R | undefined): R | undefined {
  for (const { rule } of filedIn(drawer)) {
    const found = check(rule)
    if (found !== undefined) return found
  }
  return undefined
}
