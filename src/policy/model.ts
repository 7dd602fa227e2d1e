import type { ApiKey, ExternalAuthorization, RequestAuthentication } from './model/authentication.ts'
import type { AuthorizationPolicy } from './model/authorization.ts'
import type { Kind, Metadata, ResourceName } from './model/name.ts'
import type { RateLimit } from './model/rate-limit.ts'
import type { ResolvedService, ResolvedWorkload, Service, Workload } from './model/service.ts'
import type { Revocation, TrustDomain } from './model/trust.ts'

export * from './model/authentication.ts'
export * from './model/authorization.ts'
export * from './model/name.ts'
export * from './model/rate-limit.ts'
export * from './model/service.ts'
export * from './model/trust.ts'

/** What an operator writes, checked and with defaults filled in. */
export type Resource =
  | ApiKey
  | AuthorizationPolicy
  | ExternalAuthorization
  | RateLimit
  | RequestAuthentication
  | Revocation
  | Service
  | TrustDomain
  | Workload

/** Those that say by `spec.workloads` which workloads of their namespace they govern. */
export type GoverningResource = ApiKey | AuthorizationPolicy | ExternalAuthorization | RateLimit | RequestAuthentication

/** What goes over the wire to a sidecar. */
export type ResolvedResource = GoverningResource | Revocation | ResolvedService | ResolvedWorkload

export function nameOf<K extends Kind>(resource: {
  readonly kind: K
  readonly metadata: Metadata
}): ResourceName & { readonly kind: K } {
  return { kind: resource.kind, namespace: resource.metadata.namespace, name: resource.metadata.name }
}
