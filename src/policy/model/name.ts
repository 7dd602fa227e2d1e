export const apiVersion = 'outrider.mesh/v1'

export const kinds = [
  'ApiKey',
  'AuthorizationPolicy',
  'ExternalAuthorization',
  'RateLimit',
  'RequestAuthentication',
  'Revocation',
  'Service',
  'TrustDomain',
  'Workload',
] as const
export type Kind = (typeof kinds)[number]

/** The namespace of a resource that names none. */
export const defaultNamespace = 'default'

export interface ResourceName {
  readonly kind: Kind
  readonly namespace: string
  readonly name: string
}

/** `kind/namespace/name`: unique, and safe as a map key because no part may hold a slash. */
export function resourceKey(name: { kind: string; namespace: string; name: string }): string {
  return `${name.kind}/${name.namespace}/${name.name}`
}

export interface Metadata {
  readonly name: string
  readonly namespace: string
}

/** One thing that is wrong with a resource. */
export interface Violation {
  /** Field path from the document's root: `spec.rules[0].from[1].spiffeIds[2]`. */
  readonly field: string
  /** Stable, see docs/reference/errors.md. */
  readonly code: string
  readonly message: string
}

export interface ResourceViolation extends Violation {
  readonly resource: ResourceName
}

/** Names a resource of another kind by namespace and name. */
export interface Reference {
  readonly namespace: string
  readonly name: string
}

/** A `Reference` in which `*` stands for every namespace or every name. */
export type ReferencePattern = Reference

export function matchesReference(pattern: ReferencePattern, { namespace, name }: Reference): boolean {
  return (
    (pattern.namespace === '*' || pattern.namespace === namespace) && (pattern.name === '*' || pattern.name === name)
  )
}
