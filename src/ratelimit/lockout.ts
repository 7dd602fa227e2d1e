import type { Buckets, BucketStore } from './buckets.ts'
import { take } from './gcra.ts'
import { type LimitPlan, planLimit } from './plan.ts'

/** A source that fails so often ... */
export const LOCKOUT_FAILURES = 10
/** ... within so long ... */
export const LOCKOUT_WINDOW_MS = 60_000
/** ... is refused for so long. */
export const LOCKOUT_MS = 60_000
/** What a source has proved stays good for it during a lock for so long. */
export const PROVEN_MS = 3_600_000

const failures: LimitPlan = planLimit({
  scope: 'api-keys',
  name: 'failures',
  key: 'identity',
  requests: LOCKOUT_FAILURES,
  perMs: LOCKOUT_WINDOW_MS,
  burst: LOCKOUT_FAILURES,
})
const proofs: LimitPlan = planLimit({
  scope: 'api-keys',
  name: 'proofs',
  key: 'identity',
  requests: 1,
  perMs: PROVEN_MS,
  burst: 1,
})

/** Whose buckets a lockout needs, for `BucketKeeper.retain`. */
export const lockoutPlans: readonly LimitPlan[] = [failures, proofs]

/**
 * Locks out sources that keep failing, within the bounds of the buckets. Three things keep a lock from being a weapon: it ends
 * by itself; who has proved one thing from this source within the hour goes on with that; and sources beyond the bound of the
 * buckets share one, in which a proof of anybody counts for all of them.
 */
export class Lockout {
  readonly #now: () => number
  readonly #store: BucketStore

  /** `clockMonotonic` in milliseconds, and the same for all who share the buckets. */
  constructor(clockMonotonic: () => number, store: BucketStore) {
    this.#now = clockMonotonic
    this.#store = store
  }

  /** Whole seconds for which `source` is locked out, 0 when it is not. */
  lockedForS(source: string): number {
    return this.#alone(() => {
      const now = this.#now()
      const left = this.#of(failures).read(source, now) - LOCKOUT_WINDOW_MS - now
      return left <= 0 ? 0 : Math.ceil(left / 1000)
    })
  }

  /** Whether `source` has proved `thing` within the hour: a lock does not keep it from doing so again. */
  hasProved(source: string, thing: string): boolean {
    return this.#alone(() => {
      const now = this.#now()
      return this.#of(proofs).read(proofKey(source, thing), now) > now
    })
  }

  /** Counts a failure of `source`; true when it is the one that locks it out. Who is locked out already gets no longer lock. */
  failed(source: string): boolean {
    return this.#alone(() => {
      const now = this.#now()
      const buckets = this.#of(failures)
      const before = buckets.read(source, now)
      if (before - LOCKOUT_WINDOW_MS > now) return false
      const { emissionIntervalMs, toleranceMs } = failures
      const { allowed, tat } = take(before, now, emissionIntervalMs, toleranceMs)
      const used = !allowed || !take(tat, now, emissionIntervalMs, toleranceMs).allowed
      buckets.write(source, used ? now + LOCKOUT_WINDOW_MS + LOCKOUT_MS : tat)
      return used
    })
  }

  proved(source: string, thing: string): void {
    this.#alone(() => {
      const now = this.#now()
      const buckets = this.#of(proofs)
      buckets.read(proofKey(source, thing), now)
      buckets.write(proofKey(source, thing), now + PROVEN_MS)
    })
  }

  #of(plan: LimitPlan): Buckets {
    return this.#store.of(plan)
  }

  #alone<T>(work: () => T): T {
    this.#store.enter()
    try {
      return work()
    } finally {
      this.#store.leave()
    }
  }
}

function proofKey(source: string, thing: string): string {
  return `${source} ${thing}`
}
