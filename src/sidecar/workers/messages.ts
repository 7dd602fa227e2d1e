import type { KeyObject } from 'node:crypto'
import type { SidecarConfig } from '../../config/sidecar.ts'
import type { PortSharing } from '../../lib/listen.ts'
import type { BundleParts } from '../../identity/bundle.ts'
import type { Svid } from '../../identity/svid.ts'
import type { Tables } from '../../ratelimit/tables.ts'
import type { LogLevel } from '../../telemetry/log.ts'
import type { MetricSnapshot } from '../../telemetry/merge.ts'
import type { KeySetStates } from '../authentication/key-sets.ts'
import type { ConnectionRecord } from '../connections.ts'
import type { HeldChanges } from '../snapshot/changes.ts'
import type { TlsFailureRecord } from '../tls-failures.ts'
import type { OpenPorts } from '../traffic.ts'
import type { AuthorityUses } from '../trust-report.ts'

/*
 * Everything that crosses between the main thread and its workers. All of it is plain data that structured clone copies; key
 * objects and shared memory it passes on.
 */

/** Memory that all threads of a group see. */
export interface SharedMemory {
  /** Of the rate limits' tables. */
  readonly lock: SharedArrayBuffer
  readonly tallies: SharedArrayBuffer
  readonly loads: SharedArrayBuffer
  /** DPoP proofs that were used. */
  readonly usedProofs: SharedArrayBuffer
}

/** What a worker begins with. */
export interface WorkerStart {
  /** From 1. */
  readonly worker: number
  readonly workers: number
  /** Without the join token: that is the main thread's. */
  readonly config: SidecarConfig
  readonly ports: PortSharing
  readonly logLevel: LogLevel
  readonly memory: SharedMemory
  /** Makes digests of callers that no caller can foresee. */
  readonly digestSecret: string
  readonly credentials: SentCredentials
  readonly policy: SentPolicy
  readonly keySets: KeySetStates
}

export interface SentCredentials {
  readonly svid: Omit<Svid, 'chainDer' | 'privateKey'>
  readonly chainDer: readonly Uint8Array[]
  readonly privateKey: KeyObject
  readonly bundles: readonly BundleParts[]
}

/** Resources, which each worker compiles for itself, and the buckets of the rate limits among them. */
export interface SentPolicy extends HeldChanges {
  /** Rises with every policy that is sent. */
  readonly order: number
  /** Of the policy that this one changes; absent: it is the whole. */
  readonly base: number | undefined
  readonly tables: Tables
}

/** What a worker writes into: both belong to the main thread. */
export type Log = 'log' | 'access-log'

export type Question = Answer['about']

export type Answer =
  | { readonly about: 'life' }
  | { readonly about: 'metrics'; readonly metrics: MetricSnapshot }
  | { readonly about: 'authority-uses'; readonly uses: AuthorityUses }
  | { readonly about: 'api-key-uses'; readonly uses: ReadonlyMap<string, number> }
  | { readonly about: 'connections'; readonly connections: readonly ConnectionRecord[] }
  | { readonly about: 'tls-failures'; readonly failures: readonly TlsFailureRecord[] }

export type ToWorker =
  | { readonly kind: 'credentials'; readonly credentials: SentCredentials }
  | { readonly kind: 'policy'; readonly policy: SentPolicy }
  | { readonly kind: 'key-sets'; readonly keySets: KeySetStates }
  | { readonly kind: 'log-level'; readonly level: LogLevel }
  | { readonly kind: 'written'; readonly log: Log; readonly failure: string | undefined }
  | { readonly kind: 'question'; readonly id: number; readonly about: Question }
  | { readonly kind: 'drain' }

export type FromWorker =
  | { readonly kind: 'open'; readonly ports: OpenPorts }
  /** It could not open its ports. */
  | { readonly kind: 'failed'; readonly code: string; readonly message: string; readonly place: string | undefined }
  | { readonly kind: 'in-force'; readonly order: number }
  /** A token names a key that is none of those that are published there. */
  | { readonly kind: 'keys-wanted'; readonly uri: string }
  /** Whole lines. The next ones of this log come after `written`. */
  | { readonly kind: 'lines'; readonly log: Log; readonly lines: string }
  | { readonly kind: 'answer'; readonly id: number; readonly answer: Answer }
  | { readonly kind: 'drained'; readonly inTime: boolean }
