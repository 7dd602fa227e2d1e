import type { Revocations } from '../identity/revocation.ts'
import { trustDomainOf } from '../identity/spiffe-id.ts'
import { brokenPlan, planLimit } from '../ratelimit/plan.ts'
import { type CompiledAuthentication, compileAuthentication } from './authentication.ts'
import { compileOperations } from './compile/operation.ts'
import { compileRules } from './compile-rule.ts'
import { compileDestinations, type Destinations, type UnusableService } from './destinations.ts'
import { type CompiledLimit, LimitTable } from './limits.ts'
import {
  type Action,
  type ApiKey,
  type AuthorizationPolicy,
  type ExternalAuthorization,
  type GoverningResource,
  type Metadata,
  nameOf,
  type RateLimit,
  type RequestAuthentication,
  type ResolvedResource,
  type ResolvedService,
  type ResolvedWorkload,
  type ResourceViolation,
  type Revocation,
  resourceKey,
  type Violation,
} from './model.ts'
import { compileRevocations } from './revocations.ts'
import type { CompiledRule } from './rule.ts'
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
  /** The same rules for TCP connections, which have no path. */
  readonly connections: { readonly deny: RuleIndex; readonly allow: RuleIndex }
  readonly limits: LimitTable
  readonly destinations: Destinations
  readonly revocations: Revocations
  readonly authentication: CompiledAuthentication
  /** Servers that are asked about requests that the rules allow. */
  readonly external: readonly ExternalAuthorization[]
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

  const policy: CompiledPolicy = {
    closed: closing.length === 0 ? undefined : { code: 'policy-broken', detail: closing.join(', ') },
    deny: new RuleIndex(rules.DENY, 'requests'),
    allow: new RuleIndex(rules.ALLOW, 'requests'),
    connections: { deny: new RuleIndex(rules.DENY, 'connections'), allow: new RuleIndex(rules.ALLOW, 'connections') },
    limits: new LimitTable(limits),
    destinations: reachable.destinations,
    revocations: compileRevocations(input.revocations ?? []),
    authentication: compileAuthentication(
      governing(input.authentications ?? [], workload),
      governing(input.apiKeys ?? [], workload),
    ),
    external: governing(input.external ?? [], workload),
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
      // A limit on what a request does not say counts it not.
      to: compileOperations(to, field, false, violations),
    }
  })
}
