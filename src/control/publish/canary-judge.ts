/** What became of the requests of some sidecars. Counts. */
export interface TrafficHealth {
  readonly requests: number
  /** Refused by policy: authentication, authorization, rate limits. */
  readonly denied: number
  /** Answered with a status of 500 and above by the application, or by what was called. */
  readonly appErrors: number
  /** Refused by the sidecar itself with a status of 500 and above. */
  readonly ownErrors: number
}

/** The sidecars of one workload: with the change, the same ones before it, and those without it meanwhile. */
export interface Comparison {
  readonly spiffeId: string
  readonly canaries: TrafficHealth
  readonly before: TrafficHealth
  readonly rest: TrafficHealth
}

export type CanaryReasonCode =
  | 'canary-denials'
  | 'canary-app-errors'
  | 'canary-own-errors'
  | 'canary-max-denials'
  | 'canary-quiet'
  | 'canary-nacked'
  | 'canary-unanswered'
  | 'canary-lost'
  | 'canary-aborted'
  | 'canary-not-stored'

/** Why a change is taken back. */
export interface CanaryReason {
  readonly code: CanaryReasonCode
  readonly message: string
}

/** Of fewer requests no rate is made. */
export const MIN_REQUESTS = 20
/** Fewer bad requests than this are chance. */
export const MIN_BAD = 5
/** The canaries may have this many times the rate of the others ... */
export const RELATIVE = 1.5
/** ... and this much more, as a part of all requests. */
export const ABSOLUTE = 0.01

export const NO_TRAFFIC: TrafficHealth = { requests: 0, denied: 0, appErrors: 0, ownErrors: 0 }

const MEASURES = [
  { count: 'denied', code: 'canary-denials', word: 'denied' },
  { count: 'appErrors', code: 'canary-app-errors', word: 'answered with 5xx by the application' },
  { count: 'ownErrors', code: 'canary-own-errors', word: 'refused with 5xx by the sidecar' },
] as const

/**
 * What speaks against the change, now. For each workload and each of denials, errors of the application and errors of the
 * sidecar, the rate of the canaries may be at most `RELATIVE` times the larger one of their own rate before and the rate of the
 * rest, plus `ABSOLUTE`. Rates are made of at least `MIN_REQUESTS`, and a verdict needs `MIN_BAD` bad requests.
 */
export function judge(comparisons: readonly Comparison[], maxDenials: number | undefined): readonly CanaryReason[] {
  const reasons: CanaryReason[] = []
  const denied = comparisons.reduce((sum, { canaries }) => sum + canaries.denied, 0)
  if (maxDenials !== undefined && denied > maxDenials) {
    const message = `the canaries denied ${denied} requests, more than ${maxDenials}`
    reasons.push({ code: 'canary-max-denials', message })
  }
  for (const { spiffeId, canaries, before, rest } of comparisons) {
    for (const { count, code, word } of MEASURES) {
      const bad = canaries[count]
      const rate = rateOf(canaries, count)
      if (rate === undefined || bad < MIN_BAD) continue
      const usual = Math.max(rateOf(before, count) ?? 0, rateOf(rest, count) ?? 0)
      if (rate <= usual * RELATIVE + ABSOLUTE) continue
      const others = `before ${percent(before, count)}, without the change ${percent(rest, count)}`
      const message = `${spiffeId}: ${bad} of ${canaries.requests} requests ${word} (${percent(canaries, count)}; ${others})`
      reasons.push({ code, message })
    }
  }
  return reasons
}

/** Workloads whose canaries had too few requests to tell anything. */
export function quiet(comparisons: readonly Comparison[]): readonly CanaryReason[] {
  return comparisons
    .filter(({ canaries }) => canaries.requests < MIN_REQUESTS)
    .map(({ spiffeId, canaries: { requests } }) => ({
      code: 'canary-quiet',
      message: `${spiffeId}: ${requests} requests at the canaries, and below ${MIN_REQUESTS} nothing can be told`,
    }))
}

function rateOf(health: TrafficHealth, count: (typeof MEASURES)[number]['count']): number | undefined {
  return health.requests < MIN_REQUESTS ? undefined : health[count] / health.requests
}

function percent(health: TrafficHealth, count: (typeof MEASURES)[number]['count']): string {
  const rate = rateOf(health, count)
  return rate === undefined ? 'unknown' : `${(rate * 100).toFixed(1)} %`
}

export function sumOf(all: Iterable<TrafficHealth>): TrafficHealth {
  let sum = NO_TRAFFIC
  for (const one of all) {
    sum = {
      requests: sum.requests + one.requests,
      denied: sum.denied + one.denied,
      appErrors: sum.appErrors + one.appErrors,
      ownErrors: sum.ownErrors + one.ownErrors,
    }
  }
  return sum
}
