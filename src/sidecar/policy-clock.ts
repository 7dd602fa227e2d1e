import type { Clock, Timer } from '../lib/clock.ts'
import type { Watch } from '../lib/watch.ts'
import type { CompiledPolicy } from '../policy/compile.ts'
import { nextChangeMs } from '../policy/schedule.ts'

/** The wall clock may be set: it is looked at so often at least while something is to come. */
const LONGEST_WAIT_MS = 60_000

/** Calls `changed` when time alone may have changed what the policy decides: a policy began or ended, a minute of a rule is over. */
export class PolicyClock {
  readonly #policy: Watch<CompiledPolicy>
  readonly #clock: Clock
  readonly #changed: () => void
  readonly #unsubscribe: () => void
  #timer: Timer | undefined

  constructor(policy: Watch<CompiledPolicy>, clock: Clock, changed: () => void) {
    this.#policy = policy
    this.#clock = clock
    this.#changed = changed
    this.#unsubscribe = policy.subscribe(() => this.#arm())
    this.#arm()
  }

  close(): void {
    this.#unsubscribe()
    this.#timer?.cancel()
  }

  #arm(): void {
    this.#timer?.cancel()
    const armedAtMs = this.#clock.now()
    const dueMs = nextChangeMs(this.#policy.current.schedule, armedAtMs)
    if (dueMs === undefined) return
    this.#timer = this.#clock.after(Math.min(dueMs - armedAtMs, LONGEST_WAIT_MS), () => {
      const nowMs = this.#clock.now()
      this.#arm()
      // Set back, what was over may be to come again.
      if (nowMs >= dueMs || nowMs < armedAtMs) this.#changed()
    })
  }
}
