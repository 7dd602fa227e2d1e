import type { SpiffeId } from '../../identity/spiffe-id.ts'
import type { AppProtocol } from '../../lib/app-protocol.ts'
import type { Metadata, Reference, ReferencePattern } from './name.ts'

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
