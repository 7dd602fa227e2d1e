import type { Clock } from './clock.ts'

/** Resolves after `ms`, or when the signal is aborted. Timers of a clock let the process end; while this waits it does not. */
export function pause(ms: number, clock: Clock, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const alive = setInterval(() => {}, 0x7fff_ffff)
    const end = (): void => {
      clearInterval(alive)
      timer.cancel()
      signal.removeEventListener('abort', end)
      resolve()
    }
    const timer = clock.after(ms, end)
    signal.addEventListener('abort', end)
  })
}
