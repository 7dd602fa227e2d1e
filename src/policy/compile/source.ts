import { type IdPattern, matchesId, parseIdPattern } from '../../identity/match.ts'
import { parseTrustDomain, type SpiffeId, type TrustDomain } from '../../identity/spiffe-id.ts'
import { listCriterion } from '../criterion.ts'
import { parseNamespace, parseServiceAccount } from '../match/account.ts'
import { type IpBlock, matchesIpBlock, parseIpBlock } from '../match/ip.ts'
import type { SourceMatch } from '../model.ts'
import type { Query } from '../query.ts'
import { exactOf, type IdSet, isExactly, type SourceMatcher } from '../rule.ts'
import { itself, ListCompiler, type ListForm, toSet } from './lists.ts'
import type { RuleScope } from './scope.ts'
import { compileTokens } from './tokens.ts'

/** An entry of `from`. Errors are violations below `field`. */
export function compileSource(source: SourceMatch, field: string, scope: RuleScope): SourceMatcher {
  const { home, namespace, onUnknown, violations, shared } = scope
  const lists = new ListCompiler(field, onUnknown, violations, shared)
  const trustDomains = lists.add(trustDomainList, source.trustDomains, source.notTrustDomains)
  // Namespaces and accounts are names within a trust domain: whoever is of another one has none that could be compared.
  const domains = trustDomains ?? new Set([home])
  const key = JSON.stringify([namespace, ...domains])
  const namespaces = lists.add(namespaceList(domains), source.namespaces, source.notNamespaces, key)
  const accounts = accountList(domains, namespace)
  const serviceAccounts = lists.add(accounts, source.serviceAccounts, source.notServiceAccounts, key)
  const ids = lists.add(idList, source.spiffeIds, source.notSpiffeIds)
  lists.add(blockList, source.ipBlocks, source.notIpBlocks)
  const apiKeyOwners = lists.add(ownerList, source.apiKeyOwners, source.notApiKeyOwners)
  lists.add(scopeList, source.apiKeyScopes, undefined)
  const tokens = compileTokens(source, field, scope)
  return {
    criteria: [...lists.criteria, ...tokens.criteria],
    ids,
    namespaces: namespaces?.names,
    serviceAccounts: serviceAccounts?.names,
    trustDomains: trustDomains ?? (namespaces === undefined && serviceAccounts === undefined ? undefined : domains),
    principals: tokens.principals,
    apiKeyOwners,
  }
}

const trustDomainList: ListForm<string, TrustDomain, ReadonlySet<TrustDomain>> = {
  name: 'trustDomains',
  negation: 'notTrustDomains',
  parse: parseTrustDomain,
  collect: toSet,
  member: (domains, { trustDomain }) => (trustDomain === undefined ? undefined : domains.has(trustDomain)),
}

/** Names of one kind in some trust domains. */
interface NamesIn {
  readonly domains: ReadonlySet<TrustDomain>
  readonly names: ReadonlySet<string>
}

function isIn({ domains, names }: NamesIn, name: string | undefined, { trustDomain }: Query): boolean | undefined {
  return name === undefined || trustDomain === undefined || !domains.has(trustDomain) ? undefined : names.has(name)
}

function namespaceList(domains: ReadonlySet<TrustDomain>): ListForm<string, string, NamesIn> {
  return {
    name: 'namespaces',
    negation: 'notNamespaces',
    parse: parseNamespace,
    collect: (names) => ({ domains, names: new Set(names) }),
    member: inNamespaces,
  }
}

function inNamespaces(names: NamesIn, query: Query): boolean | undefined {
  return isIn(names, query.namespace, query)
}

function accountList(domains: ReadonlySet<TrustDomain>, namespace: string): ListForm<string, string, NamesIn> {
  return {
    name: 'serviceAccounts',
    negation: 'notServiceAccounts',
    parse: (name) => parseServiceAccount(name, namespace),
    collect: (names) => ({ domains, names: new Set(names) }),
    member: inAccounts,
  }
}

function inAccounts(names: NamesIn, query: Query): boolean | undefined {
  return isIn(names, query.serviceAccount, query)
}

const idList: ListForm<string, IdPattern, IdSet> = {
  name: 'spiffeIds',
  negation: 'notSpiffeIds',
  parse: parseIdPattern,
  collect: idSetOf,
  checks: ({ patterns }) => 1 + patterns.length,
  member: ({ exact, patterns }, { id }) =>
    id === undefined ? undefined : isExactly(exact, id) || patterns.some((pattern) => matchesId(pattern, id)),
  shorter: (form, negated, { exact, patterns }) =>
    patterns.length === 0 && typeof exact === 'string' ? listCriterion(form, negated, exact, isId) : undefined,
}

function isId(exact: SpiffeId, { id }: Query): boolean | undefined {
  return id === undefined ? undefined : id === exact
}

function idSetOf(patterns: readonly IdPattern[]): IdSet {
  const exact: SpiffeId[] = []
  const others: Exclude<IdPattern, { kind: 'exact' }>[] = []
  for (const pattern of patterns)
    if (pattern.kind === 'exact') exact.push(pattern.id)
    else others.push(pattern)
  return { exact: exactOf(exact), patterns: others.length === 0 ? noPatterns : others }
}

const noPatterns: IdSet['patterns'] = []

const blockList: ListForm<string, IpBlock, readonly IpBlock[]> = {
  name: 'ipBlocks',
  negation: 'notIpBlocks',
  parse: parseIpBlock,
  collect: itself,
  checks: (blocks) => blocks.length,
  member: (blocks, { ip }) => (ip === undefined ? undefined : blocks.some((block) => matchesIpBlock(block, ip))),
}

const ownerList: ListForm<string, string, ReadonlySet<string>> = {
  name: 'apiKeyOwners',
  negation: 'notApiKeyOwners',
  layer7: true,
  parse: itself,
  collect: toSet,
  member: (owners, { user: { apiKey } }) => (apiKey === undefined ? undefined : owners.has(apiKey.owner)),
}

const scopeList: ListForm<string, string, ReadonlySet<string>> = {
  name: 'apiKeyScopes',
  negation: '',
  layer7: true,
  parse: itself,
  collect: toSet,
  member: (scopes, { user: { apiKey } }) => apiKey?.scopes.some((scope) => scopes.has(scope)),
}
