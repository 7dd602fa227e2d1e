import type { Clock, Timer } from '../lib/clock.ts'
import { describeError } from '../lib/errors.ts'
import type { Logger } from '../telemetry/log.ts'

/** What is done again and again, by the name that the log has for it. */
export type Chores = Readonly<Record<string, () => unknown>>

const EVERY_MS = 10 * 60 * 1000

/** Does all of it every ten minutes. One that fails, at once or later, is logged and keeps none of the others from being done. Returns the way out. */
export function housekeeping(chores: Chores, clock: Clock, log: Logger): () => void {
  let timer: Timer
  const failed = (chore: string, thrown: unknown): void =>
    log.error({ chore, error: describeError(thrown) }, 'housekeeping failed')
  const arm = (): void => {
    timer = clock.after(EVERY_MS, () => {
      for (const [chore, work] of Object.entries(chores)) {
        try {
          const done = work()
          if (done instanceof Promise) done.catch((thrown: unknown) => failed(chore, thrown))
        } catch (thrown) {
          failed(chore, thrown)
        }
      }
      arm()
    })
  }
  arm()
  return () => timer.cancel()
}
