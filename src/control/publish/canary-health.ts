import { NO_TRAFFIC, type TrafficHealth } from './canary-judge.ts'

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
