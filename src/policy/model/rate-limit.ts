import type { OperationMatch } from './authorization.ts'
import type { Metadata } from './name.ts'

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
