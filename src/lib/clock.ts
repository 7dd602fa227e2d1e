/**
 * Time as an argument. Everything that waits or compares times takes a `Clock`, so that tests own the time.
 */
export interface Clock {
  /** Wall-clock time in milliseconds since the Unix epoch: certificate validity, log times. May jump. */
  now(): number
  /** Monotonic time in milliseconds from an arbitrary start: time-outs, rate limits, durations. Never jumps back. */
  monotonic(): number
  /** Runs `task` once after `delayMs`; the timer does not keep the process alive. */
  after(delayMs: number, task: () => void): Timer
}

export interface Timer {
  cancel(): void
}

/** `setTimeout` fires at once above this (2^31 - 1 ms, some 24.8 days): longer waits are cut into pieces of it. */
const LONGEST_TIMEOUT_MS = 0x7fff_ffff

/** As `Clock.monotonic`, and the same in every thread: `performance.now()` counts from the start of its own. */
export function processMonotonic(): number {
  const [seconds, nanoseconds] = process.hrtime()
  return seconds * 1e3 + nanoseconds / 1e6
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after(delayMs, task) {
    let left = Math.max(0, delayMs)
    let handle: NodeJS.Timeout
    const arm = (): void => {
      const piece = Math.min(left, LONGEST_TIMEOUT_MS)
      left -= piece
      handle = setTimeout(left > 0 ? arm : task, piece)
      handle.unref()
    }
    arm()
    return { cancel: () => clearTimeout(handle) }
  },
}
