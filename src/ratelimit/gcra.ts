/** What a bucket says to one request. The time of the next state is in `tat`. */
export interface Take {
  readonly allowed: boolean
  /** Theoretical arrival time after this request, in milliseconds of the caller's clock; unchanged by a refusal. */
  readonly tat: number
  /** When the same request would be allowed, in milliseconds from now; 0 when it is. */
  readonly retryAfterMs: number
}

/**
 * The generic cell rate algorithm (ITU-T I.371, annex A): a bucket is one number, the theoretical arrival time of the
 * next request. A request that comes more than `toleranceMs` before it is refused and changes nothing.
 */
export function take(tat: number, nowMs: number, emissionIntervalMs: number, toleranceMs: number): Take {
  const earliest = tat - toleranceMs
  if (nowMs < earliest) return { allowed: false, tat, retryAfterMs: earliest - nowMs }
  return { allowed: true, tat: Math.max(tat, nowMs) + emissionIntervalMs, retryAfterMs: 0 }
}

/** How many requests a bucket with this `tat` would take at once. */
export function remaining(tat: number, nowMs: number, emissionIntervalMs: number, toleranceMs: number): number {
  return Math.max(0, Math.floor((toleranceMs - Math.max(0, tat - nowMs)) / emissionIntervalMs) + 1)
}
