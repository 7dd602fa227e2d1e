import { remaining, take } from './gcra.ts'
import { KeyedBuckets } from './keyed.ts'
import type { LimitPlan } from './plan.ts'

export interface RateLimiterOptions {
  /** Buckets per limit; default 10 000. Callers beyond them share one. */
  readonly maxKeys?: number
}

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

/** Holds the buckets of all limits of one sidecar. Synchronous: nothing can slip between check and take. */
export class RateLimiter {
  readonly #now: () => number
  readonly #maxKeys: number
  readonly #buckets = new Map<string, KeyedBuckets>()

  /** `clockMonotonic` in milliseconds. */
  constructor(clockMonotonic: () => number, { maxKeys = 10_000 }: RateLimiterOptions = {}) {
    this.#now = clockMonotonic
    this.#maxKeys = maxKeys
  }

  /**
   * Takes one request from each of `limits`, or from none when one of them refuses. `principalKey` is what the caller is
   * counted by: its SPIFFE ID, or one word for everybody without.
   */
  check(limits: readonly LimitPlan[], principalKey: string): LimitVerdict {
    if (limits.length === 0) return unlimited
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
      const buckets = this.#bucketsOf(limit)
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
    const tat = this.#bucketsOf(limit).read(limit.key === 'all' ? ALL_CALLERS : principalKey, now)
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

  #bucketsOf(limit: LimitPlan): KeyedBuckets {
    let buckets = this.#buckets.get(limit.id)
    if (buckets === undefined) {
      buckets = new KeyedBuckets(limit.key === 'all' ? 1 : this.#maxKeys)
      this.#buckets.set(limit.id, buckets)
    }
    return buckets
  }

  /** Forgets the buckets of every limit that is not among `limits`; call it with all limits of a new policy. */
  retain(limits: readonly LimitPlan[]): void {
    const kept = new Set(limits.map(({ id }) => id))
    for (const id of this.#buckets.keys()) if (!kept.has(id)) this.#buckets.delete(id)
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
