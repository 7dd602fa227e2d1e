import type { Clock, Timer } from '../lib/clock.ts'
import { describeError } from '../lib/errors.ts'
import type { Logger } from '../telemetry/log.ts'

/** What is done again and again, by the name that the log has for it. */
export type Chores = Readonly<Record<string, () => unknown>>

const EVERY_MS = 10 * 60 * 1000

/** Does all of it every ten minutes. One that fails is logged and keeps none of the others from being done. Returns the way out. */
export function housekeeping(chores: Chores, clock: Clock, log: Logger): () => void {
  let timer: Timer
  const arm = (): void => {
    timer = clock.after(EVERY_MS, () => {
      for (const [chore, work] of Object.entries(chores)) {
        try {
          work()
        } catch (thrown) {
          log.error({ chore, error: describeError(thrown) }, 'housekeeping failed')
        }
      }
      arm()
    })
  }
  arm()
  return () => timer.cancel()
}
