import type { Candidate } from './canary-choice.ts'
import { type Comparison, NO_TRAFFIC, sumOf, type TrafficHealth } from './canary-judge.ts'
import { sessionKey } from './sessions.ts'

/** The counts of one sidecar between two moments, out of reports that count from the start of its process. */
export class HealthMeter {
  #last: TrafficHealth | undefined
  #base: TrafficHealth | undefined
  /** Counted by processes that were replaced since `reset`. */
  #carried: TrafficHealth = NO_TRAFFIC

  /** From what was last reported on; from the next report when there was none. */
  reset(): void {
    this.#base = this.#last
    this.#carried = NO_TRAFFIC
  }

  /** From this report on. */
  resetAt(report: TrafficHealth): void {
    this.#last = report
    this.reset()
  }

  add(report: TrafficHealth): void {
    if (this.#last !== undefined && report.requests < this.#last.requests) {
      // Another process: it counts from nothing.
      this.#carried = this.value
      this.#base = NO_TRAFFIC
    }
    this.#last = report
    this.#base ??= report
  }

  get value(): TrafficHealth {
    const last = this.#last ?? NO_TRAFFIC
    const base = this.#base ?? last
    const part = (count: keyof TrafficHealth): number => this.#carried[count] + Math.max(0, last[count] - base[count])
    return {
      requests: part('requests'),
      denied: part('denied'),
      appErrors: part('appErrors'),
      ownErrors: part('ownErrors'),
    }
  }
}

/** A sidecar whose health is followed. */
export interface Watched extends Candidate {
  readonly key: string
  readonly meter: HealthMeter
  /** Of canaries: what was counted before the change. */
  before: TrafficHealth | undefined
  /** Of canaries: its reports are of the change. */
  measuring: boolean
}

export function watchedOf(candidates: readonly Candidate[]): ReadonlyMap<string, Watched> {
  return new Map(
    candidates.map((candidate) => {
      const key = sessionKey(candidate.spiffeId, candidate.sidecarId)
      return [key, { ...candidate, key, meter: new HealthMeter(), before: undefined, measuring: false }]
    }),
  )
}

/** The canaries of each workload beside themselves before the change, and beside the rest. */
export function compare(
  canaries: ReadonlyMap<string, Watched>,
  rest: ReadonlyMap<string, Watched>,
): readonly Comparison[] {
  const all = [...canaries.values()]
  return [...new Set(all.map(({ spiffeId }) => spiffeId))].map((spiffeId) => {
    const changed = all.filter((canary) => canary.spiffeId === spiffeId)
    const others = [...rest.values()].filter((other) => other.spiffeId === spiffeId)
    return {
      spiffeId,
      canaries: sumOf(changed.flatMap(({ measuring, meter }) => (measuring ? [meter.value] : []))),
      before: sumOf(changed.flatMap(({ before }) => before ?? [])),
      rest: sumOf(others.map(({ meter }) => meter.value)),
    }
  })
}
