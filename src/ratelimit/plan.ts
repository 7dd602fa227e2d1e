/** One limit, prepared. */
export interface LimitPlan {
  /**
   * Names the limit's state: a new policy with the same ID goes on with the buckets of the old one, so that a policy
   * change does not hand everybody a fresh burst.
   */
  readonly id: string
  /** Names the limit for logs and metrics: `RateLimit/namespace/resource/limit`. */
  readonly label: string
  readonly name: string
  readonly key: 'identity' | 'all'
  /** Time that pays for one request. */
  readonly emissionIntervalMs: number
  /** How far ahead of its pace a caller may run. */
  readonly toleranceMs: number
  /** Refuses every request: the limit that was meant could not be compiled. */
  readonly broken: boolean
  /** Value of the `ratelimit-policy` field. */
  readonly policyField: string
}

export interface LimitDefinition {
  /** Names the limit among all limits of one limiter. */
  readonly scope: string
  /** A DNS label, so that it needs no escape in a header field. */
  readonly name: string
  readonly key: 'identity' | 'all'
  readonly requests: number
  readonly perMs: number
  readonly burst: number
}

/**
 * By how much of an interval, and at most by how many milliseconds, a request may come early. Without it the sum of
 * intervals that are no binary fraction (1000 / 3 ms) refuses the last request of a burst.
 */
const ROUNDING = 0.001
const MAX_ROUNDING_MS = 0.01

export function planLimit({ scope, name, key, requests, perMs, burst }: LimitDefinition): LimitPlan {
  const emissionIntervalMs = perMs / requests
  const windowS = Math.ceil(perMs / 1000)
  const quota = Math.floor((requests * windowS * 1000) / perMs)
  return {
    label: `${scope}/${name}`,
    id: `${scope}/${name} ${key} ${requests}/${perMs}+${burst}`,
    name,
    key,
    emissionIntervalMs,
    toleranceMs: emissionIntervalMs * (burst - 1) + Math.min(MAX_ROUNDING_MS, emissionIntervalMs * ROUNDING),
    broken: false,
    policyField: `"${name}";q=${quota};w=${windowS}`,
  }
}

/** The plan in place of limits that could not be compiled: it lets nothing through. */
export function brokenPlan(scope: string): LimitPlan {
  return {
    label: scope,
    id: `${scope} broken`,
    name: 'broken',
    key: 'all',
    emissionIntervalMs: Number.POSITIVE_INFINITY,
    toleranceMs: 0,
    broken: true,
    policyField: '"broken";q=0;w=1',
  }
}
