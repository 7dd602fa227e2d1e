import type { SpiffeId, TrustDomain } from '../../identity/spiffe-id.ts'
import type { Clock } from '../../lib/clock.ts'
import type { Endpoint } from '../../policy/model.ts'
import type { Store } from '../store/store.ts'
import type { Catalogue } from './catalogue.ts'

export interface AdmissionLimits {
  /** The only one that this control server gives identities in. */
  readonly trustDomain: TrustDomain
  readonly maxResources: number
}

/** What the stages of the policy path share. */
export interface Mesh {
  readonly store: Store
  /** Follows the store. */
  readonly catalogue: Catalogue
  readonly limits: AdmissionLimits
  readonly clock: Clock
  /** Inbound listeners that sidecars with this identity have reported. */
  readonly endpointsOf: (id: SpiffeId) => readonly Endpoint[]
}
