import type { Clock, Timer } from '../lib/clock.ts'
import { mergeSnapshots, type MetricSnapshot } from '../telemetry/merge.ts'
import { sidecarMetrics } from '../telemetry/names.ts'
import type { HealthReport } from '../wire/outrider/policy/v1/HealthReport.ts'

export interface HealthReporterOptions {
  /** What every thread has counted so far. */
  readonly counted: () => Promise<readonly MetricSnapshot[]>
  /** Revision of the policy in force. */
  readonly revision: () => number
  readonly send: (report: HealthReport) => void
  readonly clock: Clock
  readonly onFailed: (thrown: unknown) => void
}

/** The control server is believed, but not to keep us busy with counting. */
const LEAST_MS = 250

/** Tells the control server what becomes of our requests, while it asks for that. */
export class HealthReporter {
  readonly #options: HealthReporterOptions
  #everyMs = 0
  /** Counts how often the pace was set: a report that was begun at another one is the last of its kind. */
  #pace = 0
  #timer: Timer | undefined

  constructor(options: HealthReporterOptions) {
    this.#options = options
  }

  /** Reports at once, and then so often, in milliseconds; 0: no more. */
  every(everyMs: number): void {
    const next = everyMs === 0 ? 0 : Math.max(LEAST_MS, everyMs)
    if (next === this.#everyMs) return
    this.#everyMs = next
    this.#pace += 1
    this.#timer?.cancel()
    if (next > 0) void this.#report(this.#pace)
  }

  close(): void {
    this.every(0)
  }

  async #report(pace: number): Promise<void> {
    const { counted, revision, send, clock, onFailed } = this.#options
    try {
      // Before the counts: what is counted meanwhile may be of a later one, and never of an earlier one.
      const inForce = revision()
      const report = healthOf(
        mergeSnapshots([sidecarMetrics.requests, sidecarMetrics.connectionsRefused], await counted()),
      )
      if (pace === this.#pace) send({ revision: inForce, ...report })
    } catch (thrown) {
      onFailed(thrown)
    }
    if (pace === this.#pace) this.#timer = clock.after(this.#everyMs, () => void this.#report(pace))
  }
}

/** Statuses of refusals that are the policy's, and not a failure. */
const DENIALS = new Set(['401', '403', '429'])
/** Refusals of TCP connections that are the policy's. */
const REFUSED_BY_POLICY = new Set(['denied-by-rule', 'no-allow-rule'])

export function healthOf(snapshot: MetricSnapshot): Required<Omit<HealthReport, 'revision'>> {
  let [requests, denied, appErrors, ownErrors] = [0, 0, 0, 0]
  for (const { labels, value } of snapshot.get(sidecarMetrics.requests.name) ?? []) {
    const { response_code: status = '', refusal } = labels
    requests += value
    if (refusal !== 'none' && DENIALS.has(status)) denied += value
    else if (Number(status) >= 500) {
      if (refusal === 'none') appErrors += value
      else ownErrors += value
    }
  }
  for (const { labels, value } of snapshot.get(sidecarMetrics.connectionsRefused.name) ?? []) {
    if (!REFUSED_BY_POLICY.has(labels['reason'] ?? '')) continue
    requests += value
    denied += value
  }
  return { requests, denied, appErrors, ownErrors }
}
