import type { AuthorizationPolicy, ResolvedResource } from './model.ts'

/**
 * How long a resource stays in force without word from the control server. `always`: it takes something away, so that without it more
 * would be allowed. `bounded`: it gives something, which somebody may have taken back meanwhile.
 */
export type Lasting = 'always' | 'bounded'

/** A new action is a decision to be made here. */
const actions: Readonly<Record<AuthorizationPolicy['spec']['action'], Lasting>> = {
  ALLOW: 'bounded',
  AUDIT: 'always',
  DENY: 'always',
}

/** A new kind is a decision to be made here. */
const kinds: {
  readonly [K in ResolvedResource['kind']]: Lasting | ((resource: Extract<ResolvedResource, { kind: K }>) => Lasting)
} = {
  ApiKey: 'bounded',
  AuthorizationPolicy: ({ spec }) => actions[spec.action],
  ExternalAuthorization: 'always',
  RateLimit: 'always',
  RequestAuthentication: 'always',
  Revocation: 'always',
  Service: 'bounded',
  Workload: 'bounded',
}

export function lastingOf<K extends ResolvedResource['kind']>(
  resource: Extract<ResolvedResource, { kind: K }> & { readonly kind: K },
): Lasting {
  const decision = kinds[resource.kind]
  return typeof decision === 'function' ? decision(resource) : decision
}
