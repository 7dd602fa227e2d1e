import { type IdPattern, parseIdPattern } from '../identity/match.ts'
import type { Revocations } from '../identity/revocation.ts'
import { parseTrustDomain, type SpiffeId, type TrustDomain, trustDomainOf } from '../identity/spiffe-id.ts'
import { OutriderError } from '../lib/errors.ts'
import { brokenPlan, planLimit } from '../ratelimit/plan.ts'
import { type CompiledAuthentication, compileAuthentication } from './authentication.ts'
import { compileDestinations, type Destinations, type UnusableService } from './destinations.ts'
import { type CompiledExternal, compileExternal } from './external.ts'
import { type CompiledLimit, LimitTable } from './limits.ts'
import { parseMethod } from './match/method.ts'
import { parsePath } from './match/path.ts'
import { parsePort } from './match/port.ts'
import { type IdPrefix, parseNamespace, type SourceMatcher } from './match/source.ts'
import {
  type Action,
  type ApiKey,
  type AuthorizationPolicy,
  type AuthorizationRule,
  type ExternalAuthorization,
  type GoverningResource,
  type Metadata,
  nameOf,
  type OperationMatch,
  type RateLimit,
  type RequestAuthentication,
  type ResolvedResource,
  type ResolvedService,
  type ResolvedWorkload,
  type ResourceViolation,
  type Revocation,
  resourceKey,
  type SourceMatch,
  type Violation,
} from './model.ts'
import { compileRevocations } from './revocations.ts'
import { type CompiledRule, checksOf, connectionRules, type OperationMatcher } from './rule.ts'
import { RuleIndex } from './rule-index.ts'

/** A resource that came over the wire and could not be read, with what could be made out about it. */
export interface UnreadableResource {
  /** Perhaps a kind that this version does not know. */
  readonly kind: string
  readonly metadata: Metadata
  /** Of an AuthorizationPolicy, when it could be read. */
  readonly action?: Action
}

/** Everything that one workload's sidecar was sent. */
export interface PolicyInput {
  readonly workload: ResolvedWorkload
  readonly policies: readonly AuthorizationPolicy[]
  readonly limits: readonly RateLimit[]
  readonly services: readonly ResolvedService[]
  readonly revocations?: readonly Revocation[]
  readonly authentications?: readonly RequestAuthentication[]
  readonly apiKeys?: readonly ApiKey[]
  readonly external?: readonly ExternalAuthorization[]
  /** What they govern is closed. */
  readonly unreadable?: readonly UnreadableResource[]
}

/** What `decide`, the limiter and the resolver read. Replaced as a whole, never changed. */
export interface CompiledPolicy {
  /** Present: every request is denied, whatever the rules say. */
  readonly closed: { readonly code: 'policy-broken' | 'policy-missing'; readonly detail: string } | undefined
  readonly deny: RuleIndex
  readonly allow: RuleIndex
  /** The same rules for TCP connections: see `connectionRules`. */
  readonly connections: { readonly deny: RuleIndex; readonly allow: RuleIndex }
  readonly limits: LimitTable
  readonly destinations: Destinations
  readonly revocations: Revocations
  readonly authentication: CompiledAuthentication
  /** Servers that are asked about requests that the rules allow. */
  readonly external: readonly CompiledExternal[]
}

/**
 * Compiles the resources that govern `input.workload`; others are left out. A resource that cannot be compiled closes
 * what it governs and nothing else: a broken ALLOW allows nothing, a broken DENY denies everything, a broken RateLimit
 * limits to zero, a broken Service has no destination. Each one is in `violations`.
 */
export function compilePolicy(input: PolicyInput): {
  policy: CompiledPolicy
  violations: readonly ResourceViolation[]
} {
  const { workload, services } = input
  const violations: ResourceViolation[] = []
  const unreadable = sorted(input.unreadable ?? [])
  const closing = unreadable.filter(closesEverything).map(resourceLabel)
  const rules: Record<Action, CompiledRule[]> = { ALLOW: [], DENY: [], AUDIT: [] }
  const trustDomain = trustDomainOf(workload.spec.spiffeId)

  for (const policy of governing(input.policies, workload)) {
    const found: Violation[] = []
    const compiled = compileRules(policy, trustDomain, found)
    violations.push(...blame(policy, found))
    if (found.length === 0) rules[policy.spec.action].push(...compiled)
    else if (policy.spec.action === 'DENY') closing.push(resourceLabel(policy))
  }

  const limits: CompiledLimit[] = unreadable.filter(({ kind }) => kind === 'RateLimit').map(brokenLimit)
  for (const resource of governing(input.limits, workload)) {
    const found: Violation[] = []
    const compiled = compileLimits(resource, found)
    violations.push(...blame(resource, found))
    limits.push(...(found.length === 0 ? compiled : [brokenLimit(resource)]))
  }

  const unusable: UnusableService[] = unreadable.filter(({ kind }) => kind === 'Service')
  const reachable = compileDestinations(services, unusable, workload.metadata.namespace)
  violations.push(...reachable.violations)

  const accepted = compileAuthentication(
    governing(input.authentications ?? [], workload),
    governing(input.apiKeys ?? [], workload),
  )
  violations.push(...accepted.violations)
  // Whom it would have refused nobody can tell: nothing goes on.
  closing.push(...new Set(accepted.violations.map(({ resource }) => resourceKey(resource))))

  const servers = governing(input.external ?? [], workload)
  const asked = compileExternal(servers, (resource) => {
    const found: Violation[] = []
    const to = compileOperations(resource.spec.to, 'spec', found)
    violations.push(...blame(resource, found))
    if (found.length > 0) closing.push(resourceLabel(resource))
    return to
  })
  violations.push(...asked.violations)
  // A server that is not asked might have denied.
  closing.push(...asked.violations.map(({ resource }) => resourceKey(resource)))

  const policy: CompiledPolicy = {
    closed: closing.length === 0 ? undefined : { code: 'policy-broken', detail: closing.join(', ') },
    deny: new RuleIndex(rules.DENY),
    allow: new RuleIndex(rules.ALLOW),
    connections: {
      deny: new RuleIndex(connectionRules('DENY', rules.DENY)),
      allow: new RuleIndex(connectionRules('ALLOW', rules.ALLOW)),
    },
    limits: new LimitTable(limits),
    destinations: reachable.destinations,
    revocations: compileRevocations(input.revocations ?? []),
    authentication: accepted.authentication,
    external: asked.external,
  }
  return { policy, violations }
}

/** What is unknown may have been meant to deny: only a resource that cannot deny leaves the rest open. */
function closesEverything({ kind, action }: UnreadableResource): boolean {
  if (kind === 'AuthorizationPolicy') return action !== 'ALLOW'
  return kind !== 'RateLimit' && kind !== 'Service' && kind !== 'ApiKey'
}

function brokenLimit(resource: { readonly kind: string; readonly metadata: Metadata }): CompiledLimit {
  return { plan: brokenPlan(resourceLabel(resource)), to: undefined }
}

function resourceLabel({ kind, metadata }: { readonly kind: string; readonly metadata: Metadata }): string {
  return resourceKey({ kind, ...metadata })
}

function blame(resource: ResolvedResource, found: readonly Violation[]): readonly ResourceViolation[] {
  return found.map((violation) => ({ ...violation, resource: nameOf(resource) }))
}

/** The order does not depend on the order of arrival, so that all sidecars name the same rule for the same request. */
function sorted<T extends { readonly metadata: Metadata }>(resources: readonly T[]): readonly T[] {
  const key = ({ metadata }: T): string => `${metadata.namespace}/${metadata.name}`
  return resources.toSorted((a, b) => (key(a) < key(b) ? -1 : 1))
}

/** The server sends only what governs the workload; a server that errs must not widen a policy's reach. */
function governing<T extends GoverningResource>(resources: readonly T[], { metadata }: ResolvedWorkload): readonly T[] {
  return sorted(
    resources.filter(
      ({ metadata: { namespace }, spec: { workloads } }) =>
        namespace === metadata.namespace && (workloads.length === 0 || workloads.includes(metadata.name)),
    ),
  )
}

function compileRules(policy: AuthorizationPolicy, home: TrustDomain, violations: Violation[]): CompiledRule[] {
  const resource = nameOf(policy)
  return policy.spec.rules.flatMap((rule, index) => {
    if (policy.spec.action === 'ALLOW' && rule.unknown === true) return []
    const field = `spec.rules[${index}]`
    const from = compileSources(rule, home, field, violations)
    const to = compileOperations(rule.to, field, violations)
    return { ref: { policy: resource, rule: rule.name ?? `rules[${index}]` }, from, to, checks: checksOf({ from, to }) }
  })
}

function compileSources(
  { from }: AuthorizationRule,
  home: TrustDomain,
  field: string,
  violations: Violation[],
): readonly SourceMatcher[] | undefined {
  return entries<SourceMatch, SourceMatcher>(from, `${field}.from`, violations, (source, at) => {
    const trustDomains = parsed(source.trustDomains, `${at}.trustDomains`, parseTrustDomain, violations)
    const namespaces = parsed(source.namespaces, `${at}.namespaces`, parseNamespace, violations)
    const ids = parsed(source.spiffeIds, `${at}.spiffeIds`, parseIdPattern, violations)
    return {
      ids: ids === undefined ? undefined : splitIds(ids),
      namespaces: setOf(namespaces),
      // A namespace is a name within a trust domain: the same one of a federated domain is somebody else.
      trustDomains: setOf(trustDomains ?? (namespaces === undefined ? undefined : [home])),
    }
  })
}

function splitIds(patterns: readonly IdPattern[]): SourceMatcher['ids'] {
  const exact = new Set<SpiffeId>()
  const prefixes: IdPrefix[] = []
  for (const pattern of patterns) {
    if (pattern.kind === 'exact') exact.add(pattern.id)
    else prefixes.push(pattern)
  }
  return { exact, prefixes }
}

function compileOperations(
  to: readonly OperationMatch[] | undefined,
  field: string,
  violations: Violation[],
): readonly OperationMatcher[] | undefined {
  return entries<OperationMatch, OperationMatcher>(to, `${field}.to`, violations, (operation, at) => ({
    methods: setOf(parsed(operation.methods, `${at}.methods`, parseMethod, violations)),
    paths: parsed(operation.paths, `${at}.paths`, parsePath, violations),
    ports: setOf(parsed(operation.ports, `${at}.ports`, parsePort, violations)),
  }))
}

function compileLimits({ kind, metadata, spec }: RateLimit, violations: Violation[]): CompiledLimit[] {
  return spec.limits.map(({ name, key, requests, perMs, burst, to }, index) => {
    const field = `spec.limits[${index}]`
    for (const [part, value] of Object.entries({ requests, perMs, burst }))
      if (!Number.isSafeInteger(value) || value < 1)
        violations.push({
          field: `${field}.${part === 'perMs' ? 'per' : part}`,
          code: 'number-out-of-range',
          message: `a whole number from 1, not ${value}`,
        })
    const scope = resourceLabel({ kind, metadata })
    return {
      plan: planLimit({ scope, name, key, requests, perMs, burst }),
      to: compileOperations(to, field, violations),
    }
  })
}

/** An empty list would match everything where its author may have meant nothing: it is refused. */
function entries<From extends object, To>(
  list: readonly From[] | undefined,
  field: string,
  violations: Violation[],
  compile: (entry: From, field: string) => To,
): readonly To[] | undefined {
  if (list?.length === 0) violations.push(emptyList(field))
  return list?.map((entry, index) => {
    const at = `${field}[${index}]`
    if (Object.values(entry).every((value) => value === undefined))
      violations.push({ field: at, code: 'entry-empty', message: 'an entry without a condition matches everything' })
    return compile(entry, at)
  })
}

/** Every value of a list through its parser; each failure is one violation. */
function parsed<From, To>(
  values: readonly From[] | undefined,
  field: string,
  parse: (value: From) => To,
  violations: Violation[],
): readonly To[] | undefined {
  if (values?.length === 0) violations.push(emptyList(field))
  return values?.flatMap((value, index) => {
    try {
      return [parse(value)]
    } catch (error) {
      if (!(error instanceof OutriderError)) throw error
      violations.push({ field: `${field}[${index}]`, code: error.code, message: error.message })
      return []
    }
  })
}

function emptyList(field: string): Violation {
  return { field, code: 'list-empty', message: 'an empty list matches nothing: leave it out to match everything' }
}

function setOf<T>(values: readonly T[] | undefined): ReadonlySet<T> | undefined {
  return values === undefined ? undefined : new Set(values)
}
