import { type BucketStore, OwnBuckets } from './buckets.ts'
import { remaining, take } from './gcra.ts'
import type { LimitPlan } from './plan.ts'

export type LimitVerdict =
  /** No limit applies. */
  | { readonly limited: false; readonly limit?: never }
  | {
      readonly limited: false
      /** The one with the fewest requests left. */
      readonly limit: LimitPlan
      readonly remaining: number
      /** Until the bucket is full again. */
      readonly resetS: number
    }
  | {
      readonly limited: true
      /** The one that makes the caller wait longest. */
      readonly limit: LimitPlan
      readonly remaining: 0
      readonly resetS: number
      /** At least 1. */
      readonly retryAfterS: number
    }

const unlimited: LimitVerdict = { limited: false }

/** What a caller is told to wait for a limit that is broken: it is mended by an operator, not by waiting. */
const BROKEN_RETRY_S = 60

const ALL_CALLERS = ''

/** Asks all limits of one sidecar. Synchronous, and alone with its buckets: nothing can slip between check and take. */
export class RateLimiter {
  readonly #now: () => number
  readonly #store: BucketStore

  /** `clockMonotonic` in milliseconds, and the same for all who share the buckets. */
  constructor(clockMonotonic: () => number, store: BucketStore = new OwnBuckets()) {
    this.#now = clockMonotonic
    this.#store = store
  }

  /**
   * Takes one request from each of `limits`, or from none when one of them refuses. `principalKey` is what the caller is
   * counted by: its SPIFFE ID, or one word for everybody without.
   */
  check(limits: readonly LimitPlan[], principalKey: string): LimitVerdict {
    if (limits.length === 0) return unlimited
    this.#store.enter()
    try {
      return this.#check(limits, principalKey)
    } finally {
      this.#store.leave()
    }
  }

  #check(limits: readonly LimitPlan[], principalKey: string): LimitVerdict {
    const now = this.#now()
    let verdict = unlimited
    for (const limit of limits) {
      const refusal = this.#refusal(limit, principalKey, now)
      if (refusal !== undefined && !(verdict.limited && verdict.retryAfterS >= refusal.retryAfterS)) verdict = refusal
    }
    if (verdict.limited) return verdict
    let tightest = limits[0]!
    let fewest = Number.POSITIVE_INFINITY
    let tightestTat = now
    for (const limit of limits) {
      const { emissionIntervalMs, toleranceMs } = limit
      const buckets = this.#store.of(limit)
      const key = limit.key === 'all' ? ALL_CALLERS : principalKey
      const { tat } = take(buckets.read(key, now), now, emissionIntervalMs, toleranceMs)
      buckets.write(key, tat)
      const left = remaining(tat, now, emissionIntervalMs, toleranceMs)
      if (left >= fewest) continue
      tightest = limit
      fewest = left
      tightestTat = tat
    }
    return { limited: false, limit: tightest, remaining: fewest, resetS: seconds(tightestTat - now) }
  }

  #refusal(limit: LimitPlan, principalKey: string, now: number): Extract<LimitVerdict, { limited: true }> | undefined {
    if (limit.broken) return { limited: true, limit, remaining: 0, resetS: BROKEN_RETRY_S, retryAfterS: BROKEN_RETRY_S }
    const tat = this.#store.of(limit).read(limit.key === 'all' ? ALL_CALLERS : principalKey, now)
    const { allowed, retryAfterMs } = take(tat, now, limit.emissionIntervalMs, limit.toleranceMs)
    if (allowed) return undefined
    return {
      limited: true,
      limit,
      remaining: 0,
      resetS: seconds(tat - now),
      retryAfterS: Math.max(1, seconds(retryAfterMs)),
    }
  }
}

function seconds(ms: number): number {
  return Math.max(0, Math.ceil(ms / 1000))
}

/**
 * The header fields for a verdict, flat: name, value, name, value. `RateLimit-Policy` and `RateLimit` are structured
 * fields (draft-ietf-httpapi-ratelimit-headers-10, sections 3 and 4), `Retry-After` is RFC 9110, section 10.2.3.
 */
export function rateLimitHeaders(verdict: LimitVerdict): readonly string[] {
  if (verdict.limit === undefined) return []
  const { limit, remaining, resetS } = verdict
  const fields = ['ratelimit-policy', limit.policyField, 'ratelimit', `"${limit.name}";r=${remaining};t=${resetS}`]
  if (verdict.limited) fields.push('retry-after', String(verdict.retryAfterS))
  return fields
}
