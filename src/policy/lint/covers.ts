import { trustDomainOf, parseSpiffeId } from '../../identity/spiffe-id.ts'
import type {
  AuthorizationPolicy,
  AuthorizationRule,
  ClaimMatch,
  Condition,
  OperationMatch,
  SourceMatch,
  ValueMatch,
} from '../model.ts'
import {
  coversGrpcMethod,
  coversHost,
  coversId,
  coversIpBlock,
  coversPath,
  coversRequestPrincipal,
  coversValue,
} from './patterns.ts'

/** One rule and the policy that it stands in. */
export interface PlacedRule {
  readonly policy: AuthorizationPolicy
  readonly rule: AuthorizationRule
  readonly index: number
}

/**
 * Does `wide` match whenever `narrow` does, for every workload that `narrow` governs? A `true` is proven, also for requests of
 * which something is unknown; `false` may mean that it was not seen. `wide` is of the same action as `narrow`, or a DENY rule: what
 * is unknown is false in ALLOW alone.
 */
export function coversRule(wide: PlacedRule, narrow: PlacedRule): boolean {
  return (
    wide.rule.unknown !== true &&
    (wide.policy.spec.dryRun !== true || narrow.policy.spec.dryRun === true) &&
    coversWorkloads(wide.policy, narrow.policy) &&
    coversWindow(wide.policy, narrow.policy) &&
    coversEntries(wide.rule.from, narrow.rule.from, coversSource) &&
    coversEntries(wide.rule.to, narrow.rule.to, coversOperation) &&
    (wide.rule.when ?? []).every((condition) =>
      (narrow.rule.when ?? []).some((other) => coversCondition(condition, other)),
    )
  )
}

function coversWorkloads(wide: AuthorizationPolicy, narrow: AuthorizationPolicy): boolean {
  if (wide.metadata.namespace !== narrow.metadata.namespace) return false
  const [all, some] = [wide.spec.workloads, narrow.spec.workloads]
  return all.length === 0 || (some.length > 0 && some.every((name) => all.includes(name)))
}

function coversWindow({ spec: wide }: AuthorizationPolicy, { spec: narrow }: AuthorizationPolicy): boolean {
  return (
    (wide.notBeforeMs ?? Number.NEGATIVE_INFINITY) <= (narrow.notBeforeMs ?? Number.NEGATIVE_INFINITY) &&
    (wide.notAfterMs ?? Number.POSITIVE_INFINITY) >= (narrow.notAfterMs ?? Number.POSITIVE_INFINITY)
  )
}

function coversEntries<T>(
  wide: readonly T[] | undefined,
  narrow: readonly T[] | undefined,
  covers: (wide: T, narrow: T) => boolean,
): boolean {
  if (wide === undefined) return true
  return narrow?.every((entry) => wide.some((other) => covers(other, entry))) === true
}

type Covers<T> = (wide: T, narrow: T) => boolean
type List<T> = readonly T[] | undefined

/** A list that is absent holds everything. */
function coversList<T>(wide: List<T>, narrow: List<T>, covers: Covers<T> = Object.is): boolean {
  return wide === undefined || (narrow !== undefined && isWithin(narrow, wide, covers))
}

/** Lists of what is not wanted: the wide rule must exclude nothing that the narrow one does not exclude. */
function excludesNoMore<T>(wide: List<T>, narrow: List<T>, covers: Covers<T> = Object.is): boolean {
  return wide === undefined || (narrow !== undefined && isWithin(wide, narrow, covers))
}

/** Is everything of `narrow` in something of `wide`? */
export function isWithin<T>(narrow: readonly T[], wide: readonly T[], covers: Covers<T> = Object.is): boolean {
  return narrow.every((value) => wide.some((other) => covers(other, value)))
}

function coversSource(wide: SourceMatch, narrow: SourceMatch): boolean {
  return (
    coversList(wide.spiffeIds, narrow.spiffeIds, coversId) &&
    excludesNoMore(wide.notSpiffeIds, narrow.notSpiffeIds, coversId) &&
    coversNames(wide, narrow) &&
    coversList(wide.ipBlocks, narrow.ipBlocks, coversIpBlock) &&
    excludesNoMore(wide.notIpBlocks, narrow.notIpBlocks, coversIpBlock) &&
    coversList(wide.requestPrincipals, narrow.requestPrincipals, coversRequestPrincipal) &&
    excludesNoMore(wide.notRequestPrincipals, narrow.notRequestPrincipals, coversRequestPrincipal) &&
    (wide.claims ?? []).every((claim) => (narrow.claims ?? []).some((other) => coversClaim(claim, other))) &&
    coversList(wide.apiKeyOwners, narrow.apiKeyOwners) &&
    excludesNoMore(wide.notApiKeyOwners, narrow.notApiKeyOwners) &&
    coversList(wide.apiKeyScopes, narrow.apiKeyScopes)
  )
}

/** Namespaces and service accounts are those of `trustDomains`, or without it of the workload's own: it is compared as it stands. */
function coversNames(wide: SourceMatch, narrow: SourceMatch): boolean {
  const sameDomains = isSameSet(wide.trustDomains, narrow.trustDomains)
  const asksForNames =
    wide.namespaces !== undefined ||
    wide.notNamespaces !== undefined ||
    wide.serviceAccounts !== undefined ||
    wide.notServiceAccounts !== undefined
  return (
    (!asksForNames || sameDomains) &&
    coversDomains(wide, narrow) &&
    excludesNoMore(wide.notTrustDomains, narrow.notTrustDomains) &&
    coversList(wide.namespaces, narrow.namespaces) &&
    excludesNoMore(wide.notNamespaces, narrow.notNamespaces) &&
    coversList(wide.serviceAccounts, narrow.serviceAccounts) &&
    excludesNoMore(wide.notServiceAccounts, narrow.notServiceAccounts)
  )
}

function coversDomains({ trustDomains: wide }: SourceMatch, { trustDomains, spiffeIds }: SourceMatch): boolean {
  if (coversList(wide, trustDomains)) return true
  return spiffeIds?.every((text) => wide?.includes(domainOf(text)) === true) === true
}

/** Of a SPIFFE ID or a pattern of one; a trust domain is never a pattern. */
export function domainOf(id: string): string {
  return trustDomainOf(parseSpiffeId(id.split('/').slice(0, 3).join('/')))
}

function isSameSet<T>(a: List<T>, b: List<T>): boolean {
  return coversList(a, b) && coversList(b, a)
}

function coversOperation(wide: OperationMatch, narrow: OperationMatch): boolean {
  return (
    coversList(wide.hosts, narrow.hosts, coversHost) &&
    excludesNoMore(wide.notHosts, narrow.notHosts, coversHost) &&
    coversList(wide.ports, narrow.ports) &&
    excludesNoMore(wide.notPorts, narrow.notPorts) &&
    coversList(wide.methods, narrow.methods) &&
    excludesNoMore(wide.notMethods, narrow.notMethods) &&
    coversList(wide.paths, narrow.paths, coversPath) &&
    excludesNoMore(wide.notPaths, narrow.notPaths, coversPath) &&
    coversList(wide.grpcMethods, narrow.grpcMethods, coversGrpcMethod) &&
    excludesNoMore(wide.notGrpcMethods, narrow.notGrpcMethods, coversGrpcMethod)
  )
}

function coversCondition(wide: Condition, narrow: Condition): boolean {
  if ('header' in wide) return 'header' in narrow && wide.header === narrow.header && coversValues(wide, narrow)
  if ('claim' in wide) return 'claim' in narrow && coversClaim(wide, narrow)
  if ('sni' in wide) return 'sni' in narrow && coversList(wide.sni, narrow.sni, coversHost)
  if ('time' in wide) return 'time' in narrow && JSON.stringify(wide.time) === JSON.stringify(narrow.time)
  return 'cel' in narrow && wide.cel === narrow.cel
}

function coversClaim(wide: ClaimMatch, narrow: ClaimMatch): boolean {
  return wide.claim === narrow.claim && coversValues(wide, narrow)
}

function coversValues(wide: ValueMatch, narrow: ValueMatch): boolean {
  return (
    coversList(wide.values, narrow.values, coversValue) &&
    excludesNoMore(wide.notValues, narrow.notValues, coversValue) &&
    coversList(wide.matches, narrow.matches)
  )
}
