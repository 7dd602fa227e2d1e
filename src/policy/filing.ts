import type { IdPattern } from '../identity/match.ts'
import { unreachable } from '../lib/unreachable.ts'
import type { Criterion } from './criterion.ts'
import type { CallerKey, Filed } from './drawer.ts'
import type { HostPattern } from './match/host.ts'
import type { PathPattern } from './match/path.ts'
import { type CompiledRule, type OperationMatcher, type SourceMatcher, takesUnknownAs, textsOf } from './rule.ts'

/** One operation of a rule, and where it is filed: under each host, port, path and caller. */
export interface Place {
  readonly filed: Filed
  /** Absent: any. */
  readonly hosts: readonly HostPattern[] | undefined
  readonly ports: ReadonlySet<number> | undefined
  readonly paths: readonly PathPattern[]
}

/** Where a rule is looked for. */
export interface Filing {
  readonly requests: readonly Place[]
  /** For TCP connections. */
  readonly connections: readonly Place[]
}

/**
 * Most places in which one rule is filed. One with more hosts times ports times paths times callers than this is filed by path
 * only, and its other conditions are checked when it is found: slower for that rule, but memory stays bounded.
 */
const WIDEST = 512

const everyPath: readonly PathPattern[] = [{ kind: 'prefix', prefix: '' }]
const everybody: readonly CallerKey[] = [{ by: 'anybody' }]

/** The same for the same rule, whenever it is asked. */
export function filingOf(rule: CompiledRule): Filing {
  // It never matches, and is told of only.
  if (rule.unknown) return { requests: [], connections: [] }
  return { requests: requestPlaces(rule), connections: connectionPlaces(rule) }
}

function requestPlaces(rule: CompiledRule): readonly Place[] {
  const operations: readonly (OperationMatcher | undefined)[] = rule.to ?? [undefined]
  const places = operations.map((to, operation) => ({
    to,
    operation,
    hosts: to?.hosts,
    ports: to?.ports,
    paths: to === undefined ? everyPath : pathsOf(to),
  }))
  const count = (total: number, { hosts, ports, paths }: (typeof places)[number]): number =>
    total + (hosts?.length ?? 1) * (ports?.size ?? 1) * paths.length
  const width = places.reduce(count, 0)
  const callers = narrowed(callersOf(rule.from, callerKeys), width)
  return places.map(({ to, operation, hosts, ports, paths }) => ({
    filed: { kind: 'one', rule, rest: restOf(rule, withoutPaths(to)), to, operation, callers },
    hosts: width > WIDEST ? undefined : hosts,
    ports: width > WIDEST ? undefined : ports,
    paths,
  }))
}

/** A connection has neither host nor path nor user: filed by port and workload, where it can match at all. */
function connectionPlaces(rule: CompiledRule): readonly Place[] {
  const { from, to, when, action } = rule
  const possible = ({ criteria }: Pick<SourceMatcher, 'criteria'>): boolean =>
    takesUnknownAs(action) || criteria.every(({ layer7 }) => !layer7)
  const sources = from?.filter(possible)
  const operations = (to ?? [undefined]).map((to, operation) => ({ to, operation }))
  const places = operations.filter(({ to }) => to === undefined || possible(to))
  if (!possible({ criteria: when }) || sources?.length === 0) return []
  const width = places.reduce((total, { to }) => total + (to?.ports?.size ?? 1), 0)
  const callers = narrowed(callersOf(sources, workloadKeys), width)
  return places.map(({ to, operation }) => ({
    filed: { kind: 'one', rule, rest: restOf(rule, to?.criteria), to, operation, callers },
    hosts: undefined,
    ports: width > WIDEST ? undefined : to?.ports,
    paths: everyPath,
  }))
}

/** A place is found by path: what is filed there need not look at it again. */
function withoutPaths(to: OperationMatcher | undefined): readonly Criterion[] | undefined {
  return to?.criteria.filter(({ name }) => name !== 'paths')
}

/** `undefined` with several sources, of which one is enough, and with a window, which is no criterion. */
function restOf(
  { from, when, window }: CompiledRule,
  ofOperation: readonly Criterion[] = [],
): readonly Criterion[] | undefined {
  if (window !== undefined || (from !== undefined && from.length !== 1)) return undefined
  return [...ofOperation, ...(from?.[0]?.criteria ?? []), ...when]
}

/** gRPC methods are paths; where both are given, either would do. */
function pathsOf({ paths, grpc }: OperationMatcher): readonly PathPattern[] {
  if (paths !== undefined) return [...Array.from(textsOf(paths.exact), exactly), ...paths.others]
  if (grpc === undefined) return everyPath
  return [
    ...Array.from(grpc.methods, exactly),
    ...Array.from(grpc.services, (prefix) => ({ kind: 'prefix' as const, prefix })),
  ]
}

function exactly(path: string): PathPattern {
  return { kind: 'exact', path }
}

function narrowed(callers: readonly CallerKey[], width: number): readonly CallerKey[] {
  return width * callers.length > WIDEST ? everybody : callers
}

type KeysOf = (source: SourceMatcher) => readonly CallerKey[]

function callersOf(from: readonly SourceMatcher[] | undefined, keysOf: KeysOf): readonly CallerKey[] {
  const keys = from?.flatMap(keysOf) ?? everybody
  return keys.some(({ by }) => by === 'anybody') ? everybody : keys
}

/** A source is found by the narrowest of its conditions. */
function callerKeys(source: SourceMatcher): readonly CallerKey[] {
  const { ids, serviceAccounts, namespaces } = source
  const isNarrow = ids !== undefined || serviceAccounts !== undefined || namespaces !== undefined
  // Everybody, or a trust domain: whom a token or key is about says more.
  return (isNarrow ? undefined : userKeys(source)) ?? workloadKeys(source)
}

function workloadKeys({ ids, serviceAccounts, namespaces, trustDomains }: SourceMatcher): readonly CallerKey[] {
  if (ids !== undefined) return [...keys('id', textsOf(ids.exact)), ...ids.patterns.map(prefixKey)]
  if (serviceAccounts !== undefined) return keys('serviceAccount', serviceAccounts)
  if (namespaces !== undefined) return keys('namespace', namespaces)
  return trustDomains === undefined ? everybody : keys('trustDomain', trustDomains)
}

function userKeys({ apiKeyOwners, principals }: SourceMatcher): readonly CallerKey[] | undefined {
  if (apiKeyOwners !== undefined) return keys('owner', apiKeyOwners)
  if (principals === undefined || principals.any) return undefined
  return [...keys('principal', principals.exact), ...keys('principal', principals.issuers)]
}

function keys(by: Exclude<CallerKey['by'], 'anybody'>, values: Iterable<string>): CallerKey[] {
  return Array.from(values, (value) => ({ by, value }))
}

/** What is before the first star. */
function prefixKey(pattern: Exclude<IdPattern, { kind: 'exact' }>): CallerKey {
  switch (pattern.kind) {
    case 'prefix':
      return { by: 'idPrefix', value: pattern.prefix }
    case 'glob':
      return { by: 'idPrefix', value: pattern.literals[0]! }
    default:
      return unreachable(pattern)
  }
}
