import type { BundleDocument } from '../../identity/bundle-document.ts'
import type { SpiffeId, TrustDomain as TrustDomainName } from '../../identity/spiffe-id.ts'
import type { Metadata } from './name.ts'

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
