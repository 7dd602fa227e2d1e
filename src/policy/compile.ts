import type { Revocations } from '../identity/revocation.ts'
import { trustDomainOf } from '../identity/spiffe-id.ts'
import { type CompiledAuthentication, compileAuthentication } from './authentication.ts'
import { compileOperations } from './compile/operation.ts'
import { compileLimits } from './compile-limits.ts'
import { compileDestinations, type Destinations, type UnusableService } from './destinations.ts'
import { type CompiledExternal, compileExternal } from './external.ts'
import type { LimitTable } from './limits.ts'
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
  type ResolvedService,
  type ResolvedWorkload,
  type ResourceViolation,
  type Revocation,
  resourceKey,
  type Violation,
} from './model.ts'
import { compileRevocations } from './revocations.ts'
import {
  brokenDenials,
  type CompiledPolicies,
  compilePolicies,
  type RuleSets,
  timedPolicies,
  violationsOf,
} from './rule-sets.ts'
import { type Schedule, scheduleOf } from './schedule.ts'

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
  readonly rules: RuleSets
  /** When the same request may be decided differently, though nothing was changed. */
  readonly schedule: Schedule
  readonly limits: LimitTable
  readonly destinations: Destinations
  readonly revocations: Revocations
  readonly authentication: CompiledAuthentication
  /** Servers that are asked about requests that the rules allow. */
  readonly external: readonly CompiledExternal[]
}

/** Something that was made, and what of: the same makes the same. */
interface Part<In, Out> {
  readonly from: readonly In[]
  readonly made: Out
}

interface Parts {
  readonly workload: ResolvedWorkload
  readonly policies: CompiledPolicies
  readonly schedule: Part<AuthorizationPolicy, Schedule>
  readonly limits: Part<RateLimit | UnreadableResource, ReturnType<typeof compileLimits>>
  readonly services: Part<ResolvedService | UnusableService, ReturnType<typeof compileDestinations>>
  readonly revocations: Part<Revocation, Revocations>
  readonly authentication: Part<RequestAuthentication | ApiKey, ReturnType<typeof compileAuthentication>>
  readonly external: Part<ExternalAuthorization, ReturnType<typeof compileServers>>
}

const partsOf = new WeakMap<CompiledPolicy, Parts>()

/**
 * Compiles the resources that govern `input.workload`; others are left out. A resource that cannot be compiled closes
 * what it governs and nothing else: a broken ALLOW allows nothing, a broken DENY denies everything, a broken RateLimit
 * limits to zero, a broken Service has no destination. Each one is in `violations`.
 *
 * `before` was made by an earlier call: what is made of the same resource objects is taken over from it, and it stays as it is.
 */
export function compilePolicy(
  input: PolicyInput,
  before?: CompiledPolicy,
): {
  policy: CompiledPolicy
  violations: readonly ResourceViolation[]
} {
  const known = before === undefined ? undefined : partsOf.get(before)
  const parts = compileParts(
    input,
    known !== undefined && sameWorkload(known.workload, input.workload) ? known : undefined,
  )
  const { policies, limits, services, authentication, external } = parts
  // Whom it would have refused nobody can tell, and a server that is not asked might have denied: nothing goes on.
  const refusing = [...authentication.made.violations, ...external.made.violations]
  const closing = [
    ...sorted(input.unreadable ?? [])
      .filter(closesEverything)
      .map(({ kind, metadata }) => resourceKey({ kind, ...metadata })),
    ...brokenDenials(policies),
    ...new Set(refusing.map(({ resource }) => resourceKey(resource))),
  ]
  const policy: CompiledPolicy = {
    closed: closing.length === 0 ? undefined : { code: 'policy-broken', detail: closing.join(', ') },
    rules: policies.sets,
    schedule: parts.schedule.made,
    limits: limits.made.table,
    destinations: services.made.destinations,
    revocations: parts.revocations.made,
    authentication: authentication.made.authentication,
    external: external.made.external,
  }
  partsOf.set(policy, parts)
  return {
    policy,
    violations: [...violationsOf(policies), ...limits.made.violations, ...services.made.violations, ...refusing],
  }
}

function compileParts(input: PolicyInput, before: Parts | undefined): Parts {
  const { workload, unreadable = [] } = input
  const { namespace } = workload.metadata
  const ofKind = (wanted: string): UnreadableResource[] => unreadable.filter(({ kind }) => kind === wanted)
  const policies = compilePolicies(
    governing(input.policies, workload),
    trustDomainOf(workload.spec.spiffeId),
    before?.policies,
  )
  const authentications = governing(input.authentications ?? [], workload)
  const apiKeys = governing(input.apiKeys ?? [], workload)
  return {
    workload,
    policies,
    schedule: part(before?.schedule, timedPolicies(policies), scheduleOf),
    limits: part(before?.limits, [...ofKind('RateLimit'), ...governing(input.limits, workload)], compileLimits),
    services: part<ResolvedService | UnusableService, ReturnType<typeof compileDestinations>>(
      before?.services,
      [...input.services, ...ofKind('Service')],
      (services) => destinationsOf(services, namespace),
    ),
    revocations: part(before?.revocations, input.revocations ?? [], compileRevocations),
    authentication: part(before?.authentication, [...authentications, ...apiKeys], () =>
      compileAuthentication(sorted(authentications), sorted(apiKeys)),
    ),
    external: part(before?.external, governing(input.external ?? [], workload), compileServers),
  }
}

function part<In, Out>(
  before: Part<In, Out> | undefined,
  from: readonly In[],
  make: (from: readonly In[]) => Out,
): Part<In, Out> {
  const same = before?.from.length === from.length && from.every((item, index) => item === before.from[index])
  return same ? before : { from, made: make(from) }
}

function destinationsOf(
  services: readonly (ResolvedService | UnusableService)[],
  namespace: string,
): ReturnType<typeof compileDestinations> {
  const usable = services.filter((service) => service.spec !== undefined)
  const unusable = services.filter((service) => service.spec === undefined)
  return compileDestinations(usable, unusable, namespace)
}

function compileServers(servers: readonly ExternalAuthorization[]): ReturnType<typeof compileExternal> {
  const violations: ResourceViolation[] = []
  const asked = compileExternal(sorted(servers), (server) => {
    const found: Violation[] = []
    const to = compileOperations(server.spec.to, 'spec', true, found)
    violations.push(...found.map((violation) => ({ ...violation, resource: nameOf(server) })))
    return to
  })
  return { external: asked.external, violations: [...violations, ...asked.violations] }
}

/** Another one would be governed by others, and have other rules of its own trust domain. */
function sameWorkload(a: ResolvedWorkload, b: ResolvedWorkload): boolean {
  return (
    a.metadata.namespace === b.metadata.namespace &&
    a.metadata.name === b.metadata.name &&
    a.spec.spiffeId === b.spec.spiffeId
  )
}

/** What is unknown may have been meant to deny: only a resource that cannot deny leaves the rest open. */
function closesEverything({ kind, action }: UnreadableResource): boolean {
  if (kind === 'AuthorizationPolicy') return action !== 'ALLOW'
  return kind !== 'RateLimit' && kind !== 'Service' && kind !== 'ApiKey'
}

/** The order does not depend on the order of arrival, so that all sidecars do the same. */
function sorted<T extends { readonly metadata: Metadata }>(resources: readonly T[]): readonly T[] {
  const key = ({ metadata }: T): string => `${metadata.namespace}/${metadata.name}`
  return resources.toSorted((a, b) => (key(a) < key(b) ? -1 : 1))
}

/** The server sends only what governs the workload; a server that errs must not widen a policy's reach. */
function governing<T extends GoverningResource>(resources: readonly T[], { metadata }: ResolvedWorkload): readonly T[] {
  return resources.filter(
    ({ metadata: { namespace }, spec: { workloads } }) =>
      namespace === metadata.namespace && (workloads.length === 0 || workloads.includes(metadata.name)),
  )
}
