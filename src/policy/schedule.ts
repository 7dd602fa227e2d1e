import type { AuthorizationPolicy, AuthorizationRule, Condition } from './model.ts'

/** When the decision about one and the same request may become another one, though nobody changed a policy. */
export interface Schedule {
  /** Whether any rule depends on the time: a request that does not say it is decided as if there were none of those. */
  readonly asksForTime: boolean
  /** The beginnings and ends of policies, rising. Milliseconds since 1970. */
  readonly boundariesMs: readonly number[]
  /** A rule has a condition on the time, which may change with every minute. */
  readonly everyMinute: boolean
}

const MINUTE_MS = 60_000

export const noSchedule: Schedule = { asksForTime: false, boundariesMs: [], everyMinute: false }

/** Whether the time has a part in what `policy` does. */
export function isTimed({ spec }: AuthorizationPolicy): boolean {
  return spec.notBeforeMs !== undefined || spec.notAfterMs !== undefined || spec.rules.some(isTimedRule)
}

function isTimedRule({ when }: AuthorizationRule): boolean {
  return when?.some(isTimedCondition) === true
}

/** An expression may call the time by other means than its name, but not without it. */
function isTimedCondition(condition: Condition): boolean {
  return 'time' in condition || ('cel' in condition && /\bnow\b/.test(condition.cel))
}

/** Of the policies for which `isTimed` holds. */
export function scheduleOf(timed: readonly AuthorizationPolicy[]): Schedule {
  if (timed.length === 0) return noSchedule
  const boundaries = timed.flatMap(({ spec: { notBeforeMs, notAfterMs } }) =>
    [notBeforeMs ?? [], notAfterMs ?? []].flat(),
  )
  return {
    asksForTime: true,
    boundariesMs: [...new Set(boundaries)].toSorted((a, b) => a - b),
    everyMinute: timed.some(({ spec }) => spec.rules.some(isTimedRule)),
  }
}

/** The first moment after `nowMs` at which a decision may become another one; `undefined` when there is none. */
export function nextChangeMs({ boundariesMs, everyMinute }: Schedule, nowMs: number): number | undefined {
  const boundary = boundariesMs[firstAfter(boundariesMs, nowMs)]
  if (!everyMinute) return boundary
  const minute = (Math.floor(nowMs / MINUTE_MS) + 1) * MINUTE_MS
  return boundary === undefined ? minute : Math.min(boundary, minute)
}

function firstAfter(rising: readonly number[], value: number): number {
  let low = 0
  let high = rising.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (rising[middle]! <= value) low = middle + 1
    else high = middle
  }
  return low
}
