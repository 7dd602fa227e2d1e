import { type IdPattern, matchesId, parseIdPattern } from '../../identity/match.ts'
import { parseTrustDomain, type SpiffeId } from '../../identity/spiffe-id.ts'
import { type Criterion, type CriterionForm, type Membership, within, without } from '../criterion.ts'
import { parseNamespace, parseServiceAccount } from '../match/account.ts'
import { type IpBlock, matchesIpBlock, parseIpBlock } from '../match/ip.ts'
import type { SourceMatch } from '../model.ts'
import { parseList, setOf } from '../parse-list.ts'
import type { Query } from '../query.ts'
import type { IdSet, SourceMatcher } from '../rule.ts'
import type { RuleScope } from './scope.ts'
import { compileTokens } from './tokens.ts'

/** An entry of `from`. Errors are violations below `field`. */
export function compileSource(source: SourceMatch, field: string, scope: RuleScope): SourceMatcher {
  const { home, namespace, onUnknown, violations } = scope
  const criteria: Criterion[] = []
  const read = <T>(name: keyof SourceMatch, parse: (text: string) => T): readonly T[] | undefined => {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- all lists but `claims`, which is not asked for here
    const list = source[name] as readonly string[] | undefined
    return parseList(list, `${field}.${name}`, parse, violations)
  }
  const add = <T>(
    values: T | undefined,
    make: (form: CriterionForm, member: Membership) => Criterion,
    form: Omit<CriterionForm, 'onUnknown'>,
    member: (values: T, query: Query) => boolean | undefined,
  ): void => {
    if (values !== undefined) criteria.push(make({ onUnknown, ...form }, (query) => member(values, query)))
  }
  const text = (value: string): string => value

  const trustDomains = read('trustDomains', parseTrustDomain)
  const inDomains: Both<ReadonlySet<string>> = (domains, { trustDomain }) =>
    trustDomain === undefined ? undefined : domains.has(trustDomain)
  add(setOf(trustDomains), within, { name: 'trustDomains' }, inDomains)
  add(setOf(read('notTrustDomains', parseTrustDomain)), without, { name: 'notTrustDomains' }, inDomains)

  // Namespaces and accounts are names within a trust domain: whoever is of another one has none that could be compared.
  const named = setOf(trustDomains) ?? new Set([home])
  const isNamed = ({ trustDomain }: Query): boolean => trustDomain !== undefined && named.has(trustDomain)
  const inNamespaces: Both<ReadonlySet<string>> = (namespaces, query) =>
    query.namespace === undefined || !isNamed(query) ? undefined : namespaces.has(query.namespace)
  const namespaces = setOf(read('namespaces', parseNamespace))
  add(namespaces, within, { name: 'namespaces' }, inNamespaces)
  add(setOf(read('notNamespaces', parseNamespace)), without, { name: 'notNamespaces' }, inNamespaces)

  const account = (name: string): string => parseServiceAccount(name, namespace)
  const inAccounts: Both<ReadonlySet<string>> = (accounts, query) =>
    query.serviceAccount === undefined || !isNamed(query) ? undefined : accounts.has(query.serviceAccount)
  const serviceAccounts = setOf(read('serviceAccounts', account))
  add(serviceAccounts, within, { name: 'serviceAccounts' }, inAccounts)
  add(setOf(read('notServiceAccounts', account)), without, { name: 'notServiceAccounts' }, inAccounts)

  const inIds: Both<IdSet> = ({ exact, patterns }, { id }) =>
    id === undefined ? undefined : exact.has(id) || patterns.some((pattern) => matchesId(pattern, id))
  const ids = idSetOf(read('spiffeIds', parseIdPattern))
  const notIds = idSetOf(read('notSpiffeIds', parseIdPattern))
  add(ids, within, { name: 'spiffeIds', checks: 1 + (ids?.patterns.length ?? 0) }, inIds)
  add(notIds, without, { name: 'notSpiffeIds', checks: 1 + (notIds?.patterns.length ?? 0) }, inIds)

  const inBlocks: Both<readonly IpBlock[]> = (blocks, { ip }) =>
    ip === undefined ? undefined : blocks.some((block) => matchesIpBlock(block, ip))
  const blocks = read('ipBlocks', parseIpBlock)
  const notBlocks = read('notIpBlocks', parseIpBlock)
  add(blocks, within, { name: 'ipBlocks', checks: blocks?.length ?? 1 }, inBlocks)
  add(notBlocks, without, { name: 'notIpBlocks', checks: notBlocks?.length ?? 1 }, inBlocks)

  const ofOwner: Both<ReadonlySet<string>> = (owners, { user: { apiKey } }) =>
    apiKey === undefined ? undefined : owners.has(apiKey.owner)
  add(setOf(read('apiKeyOwners', text)), within, { name: 'apiKeyOwners', layer7: true }, ofOwner)
  add(setOf(read('notApiKeyOwners', text)), without, { name: 'notApiKeyOwners', layer7: true }, ofOwner)
  add(setOf(read('apiKeyScopes', text)), within, { name: 'apiKeyScopes', layer7: true }, (scopes, { user }) =>
    user.apiKey?.scopes.some((scope) => scopes.has(scope)),
  )

  criteria.push(...compileTokens(source, field, scope))
  return {
    criteria,
    ids,
    namespaces,
    serviceAccounts,
    trustDomains:
      trustDomains === undefined && namespaces === undefined && serviceAccounts === undefined ? undefined : named,
  }
}

/** Whether what is asked for is in the values; `undefined` when the request does not have it. */
type Both<T> = (values: T, query: Query) => boolean | undefined

function idSetOf(patterns: readonly IdPattern[] | undefined): IdSet | undefined {
  if (patterns === undefined) return undefined
  const exact = new Set<SpiffeId>()
  const others: Exclude<IdPattern, { kind: 'exact' }>[] = []
  for (const pattern of patterns)
    if (pattern.kind === 'exact') exact.add(pattern.id)
    else others.push(pattern)
  return { exact, patterns: others }
}
