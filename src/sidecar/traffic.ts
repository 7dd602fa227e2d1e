import type { Address } from '../lib/address.ts'
import type { Watch } from '../lib/watch.ts'
import type { Credentials } from '../mtls/credentials.ts'
import type { BucketKeeper } from '../ratelimit/buckets.ts'
import type { MetricSnapshot } from '../telemetry/merge.ts'
import type { KeySetKeeper } from './authentication/key-sets.ts'
import type { AuthorityUses } from './trust-report.ts'
import type { Provers } from './authentication/open.ts'
import type { ConnectionRecord } from './connections.ts'
import type { Snapshot } from './snapshot/snapshot.ts'
import type { TlsFailureRecord } from './tls-failures.ts'

/** Ports that are open. */
export interface OpenPorts {
  readonly inbound: readonly { readonly address: Address; readonly appPort: number }[]
  readonly outbound: Address | undefined
  readonly outboundServices: readonly Address[]
}

export interface ServedConnection extends ConnectionRecord {
  /** From 1; the number of the thread that has it. */
  readonly worker: number
}

export interface ServedTlsFailure extends TlsFailureRecord {
  /** As of `ServedConnection`. */
  readonly worker: number
}

/** Whatever serves traffic with the identity and the policy of this process: one data plane here, or several in threads. */
export interface Traffic {
  /** Is told the limits of each policy before it is in force. */
  readonly buckets: BucketKeeper
  /** Opens the ports, and follows credentials, policy and the keys of issuers. Rejects with the first failure, and leaves nothing open. */
  open(credentials: Watch<Credentials>, snapshot: Snapshot, keySets: KeySetKeeper): Promise<OpenPorts>
  /** Calls back when every request that begins is decided with the present policy. */
  whenInForce(inForce: () => void): void
  /** Undefined when all of it serves, else what does not. */
  readonly notReady: string | undefined
  /** Undefined when all of it answers, else what does not. */
  notLive(): Promise<string | undefined>
  connections(): Promise<readonly ServedConnection[]>
  /** The last mutual TLS connections that could not be. The newest first, of each thread. */
  tlsFailures(): Promise<readonly ServedTlsFailure[]>
  /** Open mutual TLS connections that peers have opened, by the root that the SVID of one side ends at. */
  authorityUses(): Promise<AuthorityUses>
  /** What the main thread proves users with, of one memory with the threads that serve; once `open` was called. */
  provers(): Provers
  /** Which API keys were good since this was last asked, by the IDs of their secrets, and when last. */
  takeApiKeyUses(): Promise<ReadonlyMap<string, number>>
  /** What was counted in other threads. Rejects when one does not answer. */
  metrics(): Promise<readonly MetricSnapshot[]>
  /** Finishes what is in flight, for `drainTimeoutMs` at most. Resolves with whether all finished in time. */
  drain(): Promise<boolean>
  /** Cuts everything. */
  destroy(): Promise<void>
}
