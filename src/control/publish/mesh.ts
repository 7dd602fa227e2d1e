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
  /** Where the store is a copy of what others write: how far it has got. */
  readonly source?: Source
}

/** What the store is a copy of. Other control servers have copies of their own, which may be ahead of ours. */
export interface Source {
  /** Throws `store-not-synced`, to be tried again, while the store has not yet what the source has: it would say that nobody is known. */
  checkReady(): void
  /**
   * Is everything up to this revision in the store? `awaited`: not yet, it is being fetched, and `Sessions.wakeNew` follows. `beyond`: the
   * source itself has not got there.
   */
  reach(revision: number): 'known' | 'awaited' | 'beyond'
  /**
   * The source has a resource with this key that is not valid, and the store has no earlier form of it. A sidecar that knows one from another
   * server keeps it: to take a DENY away because its next form is broken would open what it closes.
   */
  isHeldBack(key: string): boolean
}
