import { KeyedBuckets } from './keyed.ts'
import type { LimitPlan } from './plan.ts'

/** The buckets of one limit, each a theoretical arrival time in milliseconds. */
export interface Buckets {
  /** That of `key`; of a key not seen before, that of a full bucket. */
  read(key: string, nowMs: number): number
  /** Follows a `read` of the same key at the same time. */
  write(key: string, tat: number): void
}

/** Where a limiter has its buckets. */
export interface BucketStore {
  /** From here to `leave` nobody else reads or writes. */
  enter(): void
  leave(): void
  of(limit: LimitPlan): Buckets
}

/** Whoever owns the buckets. */
export interface BucketKeeper {
  /** Forgets the buckets of every limit that is not among `limits`; call it with all limits of a new policy. */
  retain(limits: readonly LimitPlan[]): void
}

/** The buckets of a limiter that has them to itself. */
export class OwnBuckets implements BucketStore, BucketKeeper {
  readonly #maxKeys: number
  readonly #buckets = new Map<string, KeyedBuckets>()

  /** Buckets per limit; callers beyond them share one. */
  constructor(maxKeys: number = 10_000) {
    this.#maxKeys = maxKeys
  }

  enter(): void {}

  leave(): void {}

  of(limit: LimitPlan): Buckets {
    let buckets = this.#buckets.get(limit.id)
    if (buckets === undefined) {
      buckets = new KeyedBuckets(limit.key === 'all' ? 1 : this.#maxKeys)
      this.#buckets.set(limit.id, buckets)
    }
    return buckets
  }

  retain(limits: readonly LimitPlan[]): void {
    const kept = new Set(limits.map(({ id }) => id))
    for (const id of this.#buckets.keys()) if (!kept.has(id)) this.#buckets.delete(id)
  }
}
