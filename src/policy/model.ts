import type { BundleDocument } from '../identity/bundle-document.ts'
import type { SpiffeId, TrustDomain as TrustDomainName } from '../identity/spiffe-id.ts'
import type { AppProtocol } from '../lib/app-protocol.ts'

export const apiVersion = 'outrider.mesh/v1'

export const kinds = ['AuthorizationPolicy', 'RateLimit', 'Revocation', 'Service', 'TrustDomain', 'Workload'] as const
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

/** Says which requests from whom are allowed or denied. Evaluated DENY first, then ALLOW, else denied. */
export interface AuthorizationPolicy {
  readonly kind: 'AuthorizationPolicy'
  readonly metadata: Metadata
  readonly spec: {
    /** Workloads of the policy's namespace that it governs; empty: all of them. */
    readonly workloads: readonly string[]
    readonly action: 'ALLOW' | 'DENY'
    /** The policy matches when one of them does; without any it matches nothing. */
    readonly rules: readonly AuthorizationRule[]
  }
}

/** Matches when one of `from` and one of `to` match; a list that is absent matches everything. */
export interface AuthorizationRule {
  readonly name?: string
  readonly from?: readonly SourceMatch[]
  readonly to?: readonly OperationMatch[]
}

/** Every list that is present must match; a list matches when one of its values does. */
export interface SourceMatch {
  readonly spiffeIds?: readonly string[]
  /** Of the workload's own trust domain, unless `trustDomains` says otherwise. */
  readonly namespaces?: readonly string[]
  readonly trustDomains?: readonly string[]
}

/** As `SourceMatch`. */
export interface OperationMatch {
  readonly methods?: readonly string[]
  readonly paths?: readonly string[]
  readonly ports?: readonly number[]
}

/** Bounds how often a workload may be called. */
export interface RateLimit {
  readonly kind: 'RateLimit'
  readonly metadata: Metadata
  readonly spec: {
    readonly workloads: readonly string[]
    readonly limits: readonly Limit[]
  }
}

export interface Limit {
  readonly name: string
  /** `identity`: a bucket per caller; `all`: one bucket for every caller. */
  readonly key: 'identity' | 'all'
  readonly requests: number
  readonly perMs: number
  /** Requests that an idle bucket takes at once. */
  readonly burst: number
  /** Requests that count; absent: all. */
  readonly to?: readonly OperationMatch[]
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

/** A name that clients call, and who may answer to it. */
export interface Service {
  readonly kind: 'Service'
  readonly metadata: Metadata
  readonly spec: {
    /** Host names beside those made of name and namespace; lower case. */
    readonly hosts: readonly string[]
    readonly ports: readonly ServicePort[]
    /** Workloads that may serve it. */
    readonly workloads: readonly Reference[]
    /** Inbound listeners with a fixed address, beside those that sidecars report. */
    readonly endpoints: readonly Endpoint[]
  }
}

export interface ServicePort {
  readonly port: number
  /** Port of the application. */
  readonly targetPort: number
  /** As declared. */
  readonly protocol: AppProtocol
}

export interface Endpoint {
  /** IP address or host name of an inbound listener. */
  readonly address: string
  readonly port: number
  /** Port of the application behind the listener: equals a `targetPort`. */
  readonly appPort: number
}

/** Registers a workload: the identity it gets and the services it is told about. */
export interface Workload {
  readonly kind: 'Workload'
  readonly metadata: Metadata
  readonly spec: {
    readonly spiffeId: SpiffeId
    /** Lifetime of its SVIDs; absent: the issuer's default. */
    readonly ttlMs?: number
    /**
     * What its evidence must prove, all of it: `k8s:ns:payments`. Without any only a join token, which is made for one
     * Workload, gets its identity.
     */
    readonly selectors: readonly string[]
    /** Further names in its SVIDs. */
    readonly dnsNames: readonly string[]
    readonly upstreams: readonly ReferencePattern[]
  }
}

/** Ends the belief in single SVIDs, or in all of an identity, in the whole mesh. */
export interface Revocation {
  readonly kind: 'Revocation'
  readonly metadata: Metadata
  readonly spec: {
    /** Serial numbers of X.509-SVIDs, hexadecimal. */
    readonly serials: readonly string[]
    readonly spiffeIds: readonly SpiffeId[]
    /** For people. */
    readonly reason?: string
  }
}

/** A foreign trust domain whose identities are believed: where its trust bundle comes from. */
export interface TrustDomain {
  readonly kind: 'TrustDomain'
  readonly metadata: Metadata
  readonly spec: {
    readonly trustDomain: TrustDomainName
    /** Where its bundle is published; absent: `bundle` is all there is. */
    readonly bundleEndpoint?: BundleEndpoint
    /** What is believed before the endpoint has been asked. */
    readonly bundle?: BundleDocument
  }
}

/** A SPIFFE bundle endpoint. SPIFFE Federation standard, section 5. */
export type BundleEndpoint = {
  /** `https:`, without user information and fragment. */
  readonly url: string
} & (
  | {
      readonly profile: 'https_web'
      /** PEM file, on the machine of the control server, of the CAs that may certify the endpoint; absent: those of the Web. */
      readonly caFile?: string
    }
  | {
      readonly profile: 'https_spiffe'
      /** What the endpoint has to be. */
      readonly spiffeId: SpiffeId
    }
)

/** What an operator writes, checked and with defaults filled in. */
export type Resource = AuthorizationPolicy | RateLimit | Revocation | Service | TrustDomain | Workload

/** A service as a sidecar sees it: workloads resolved to identities, endpoints complete. */
export interface ResolvedService {
  readonly kind: 'Service'
  readonly metadata: Metadata
  readonly spec: {
    readonly hosts: readonly string[]
    readonly ports: readonly ServicePort[]
    /** Who may serve it: any other server is refused. */
    readonly identities: readonly SpiffeId[]
    readonly endpoints: readonly Endpoint[]
  }
}

/** A workload as its own sidecar sees it. */
export interface ResolvedWorkload {
  readonly kind: 'Workload'
  readonly metadata: Metadata
  readonly spec: { readonly spiffeId: SpiffeId }
}

/** What goes over the wire to a sidecar. */
export type ResolvedResource = AuthorizationPolicy | RateLimit | Revocation | ResolvedService | ResolvedWorkload

export function nameOf<K extends Kind>(resource: {
  readonly kind: K
  readonly metadata: Metadata
}): ResourceName & { readonly kind: K } {
  return { kind: resource.kind, namespace: resource.metadata.namespace, name: resource.metadata.name }
}
