import { namespaceOf, parseSpiffeId, serviceAccountOf } from '../../identity/spiffe-id.ts'
import type { AuthorizationRule, Condition, OperationMatch, SourceMatch, ValueMatch } from '../model.ts'
import { domainOf, isWithin } from './covers.ts'
import {
  coversGrpcMethod,
  coversHost,
  coversId,
  coversIpBlock,
  coversPath,
  coversRequestPrincipal,
  coversValue,
} from './patterns.ts'

/** Why an entry or a rule matches nothing. */
export interface Contradiction {
  /** Below the rule: `from[0].spiffeIds`. */
  readonly field: string
  readonly message: string
  /** It is about something that a TCP connection does not have: there it is unknown, and holds in DENY and AUDIT. */
  readonly layer7: boolean
}

/** Conditions of a rule that cannot hold together: each of them alone keeps it from matching, but for `layer7`. */
export function contradictionsOf(rule: AuthorizationRule): readonly Contradiction[] {
  const from = inEveryEntry(rule.from, 'from', sourceContradiction)
  const to = inEveryEntry(rule.to, 'to', operationContradiction)
  const when = (rule.when ?? []).flatMap((condition, index) => {
    const message = 'header' in condition || 'claim' in condition ? valuesContradiction(condition) : undefined
    return message === undefined ? [] : [{ field: `when[${index}]`, message, layer7: true }]
  })
  return [...from, ...to, ...when]
}

interface Found {
  readonly key: string
  readonly message: string
  readonly layer7: boolean
}

/** A list matches when one entry does: it contradicts itself when every entry does. */
function inEveryEntry<T>(
  entries: readonly T[] | undefined,
  list: string,
  contradictionIn: (entry: T) => Found | undefined,
): readonly Contradiction[] {
  const found = (entries ?? []).map(contradictionIn)
  const [first] = found
  if (first === undefined || found.includes(undefined)) return []
  const field = `${list}[0].${first.key}`
  return [{ field, message: first.message, layer7: found.some((one) => one?.layer7 === true) }]
}

type Pair<T> = readonly [
  key: string,
  wanted: readonly T[] | undefined,
  unwanted: readonly T[] | undefined,
  covers?: (wide: T, narrow: T) => boolean,
]

/** All that is wanted is unwanted as well. */
function excluded<T>([, wanted, unwanted, covers]: Pair<T>): boolean {
  return wanted !== undefined && unwanted !== undefined && isWithin(wanted, unwanted, covers)
}

function sourceContradiction(source: SourceMatch): Found | undefined {
  const own: readonly Pair<string>[] = [
    ['spiffeIds', source.spiffeIds, source.notSpiffeIds, coversId],
    ['trustDomains', source.trustDomains, source.notTrustDomains],
    ['namespaces', source.namespaces, source.notNamespaces],
    ['serviceAccounts', source.serviceAccounts, source.notServiceAccounts],
    ['ipBlocks', source.ipBlocks, source.notIpBlocks, coversIpBlock],
  ]
  const [key] = own.find(excluded) ?? []
  if (key !== undefined) return { key, message: `everything in ${key} is in its not... list too`, layer7: false }
  const names = namesContradiction(source)
  if (names !== undefined) return names
  const user: readonly Pair<string>[] = [
    ['requestPrincipals', source.requestPrincipals, source.notRequestPrincipals, coversRequestPrincipal],
    ['apiKeyOwners', source.apiKeyOwners, source.notApiKeyOwners],
  ]
  const [userKey] = user.find(excluded) ?? []
  if (userKey !== undefined)
    return { key: userKey, message: `everything in ${userKey} is in its not... list too`, layer7: true }
  for (const [index, claim] of (source.claims ?? []).entries()) {
    const message = valuesContradiction(claim)
    if (message !== undefined) return { key: `claims[${index}]`, message, layer7: true }
  }
  return undefined
}

/** SPIFFE IDs, none of which is of the namespaces, service accounts or trust domains beside them. */
function namesContradiction({ spiffeIds, namespaces, serviceAccounts, trustDomains }: SourceMatch): Found | undefined {
  if (spiffeIds === undefined) return undefined
  if (trustDomains !== undefined && !spiffeIds.some((id) => trustDomains.some((domain) => domain === domainOf(id))))
    return { key: 'spiffeIds', message: noneOf('trustDomains'), layer7: false }
  if (namespaces !== undefined && !spiffeIds.some((id) => mayBe(namespaceIn(id), namespaces)))
    return { key: 'spiffeIds', message: noneOf('namespaces'), layer7: false }
  if (serviceAccounts === undefined || spiffeIds.some((id) => id.includes('*'))) return undefined
  // An account without a namespace is of the policy's, which is not known here: its name has to do.
  const accounts = spiffeIds.map((id) => serviceAccountOf(parseSpiffeId(id))?.split('/')[1])
  const wanted = serviceAccounts.map((account) => account.split('/').at(-1))
  return accounts.some((account) => account !== undefined && wanted.includes(account))
    ? undefined
    : { key: 'spiffeIds', message: noneOf('serviceAccounts'), layer7: false }
}

function noneOf(what: string): string {
  return `none of these SPIFFE IDs is of the ${what} beside them`
}

function mayBe(namespace: string | undefined, namespaces: readonly string[]): boolean {
  return namespace === '*' || (namespace !== undefined && namespaces.includes(namespace))
}

/** The namespace in a SPIFFE ID or pattern; `*` when it may be any, `undefined` when there is none. */
function namespaceIn(id: string): string | undefined {
  if (!id.includes('*')) return namespaceOf(parseSpiffeId(id))
  const [, , , kind, name] = id.split('/')
  if (kind === '*') return '*'
  return kind === 'ns' ? name : undefined
}

function operationContradiction(operation: OperationMatch): Found | undefined {
  const { ports, notPorts } = operation
  if (excluded(['ports', ports, notPorts]))
    return { key: 'ports', message: 'everything in ports is in its not... list too', layer7: false }
  const pairs: readonly Pair<string>[] = [
    ['hosts', operation.hosts, operation.notHosts, coversHost],
    ['methods', operation.methods, operation.notMethods],
    ['paths', operation.paths, operation.notPaths, coversPath],
    ['grpcMethods', operation.grpcMethods, operation.notGrpcMethods, coversGrpcMethod],
  ]
  const [key] = pairs.find(excluded) ?? []
  return key === undefined
    ? undefined
    : { key, message: `everything in ${key} is in its not... list too`, layer7: true }
}

function valuesContradiction({ values, notValues }: ValueMatch): string | undefined {
  return excluded(['values', values, notValues, coversValue]) ? 'everything in values is in notValues too' : undefined
}

/** Does it ask for something that a TCP connection does not have? */
export function isLayer7Condition(condition: Condition): boolean {
  return 'header' in condition || 'claim' in condition || 'cel' in condition
}
