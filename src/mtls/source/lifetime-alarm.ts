import type { Svid } from '../../identity/svid.ts'
import type { Clock, Timer } from '../../lib/clock.ts'

/** What is wrong with an SVID that nothing has replaced: most of its lifetime is over, or all. */
export type Alarm = 'overdue' | 'expired'

/** Later than everybody renews who renews. */
const OVERDUE_AT = 0.8

/** Tells, once each per SVID, that it was not replaced at 80 % of what was left of its lifetime, and at its end. */
export class LifetimeAlarm {
  readonly #clock: Clock
  readonly #onAlarm: (alarm: Alarm, svid: Svid) => void
  #timers: readonly Timer[] = []

  constructor(clock: Clock, onAlarm: (alarm: Alarm, svid: Svid) => void) {
    this.#clock = clock
    this.#onAlarm = onAlarm
  }

  /** For an SVID that is new. */
  watch(svid: Svid): void {
    this.close()
    const leftMs = svid.notAfterMs - this.#clock.now()
    this.#timers = [
      this.#clock.after(leftMs * OVERDUE_AT, () => this.#onAlarm('overdue', svid)),
      this.#clock.after(leftMs, () => this.#onAlarm('expired', svid)),
    ]
  }

  close(): void {
    for (const timer of this.#timers) timer.cancel()
  }
}
