import type { Clock } from './clock.ts'

/** Something that can be asked to finish: `close` = finish what is in flight, `destroy` = stop now. */
export interface Drainable {
  /** Takes nothing new, finishes what is in flight, then resolves. */
  close(): Promise<void>
  /** Drops everything at once. */
  destroy(): void
}

/**
 * Closes `parts` together, and destroys what has not finished after `deadlineMs`.
 * Returns true when everything finished by itself.
 */
export async function drain(parts: readonly Drainable[], deadlineMs: number, clock: Clock): Promise<boolean> {
  let inTime = true
  const closed = Promise.all(parts.map((part) => part.close()))
  const timer = clock.after(deadlineMs, () => {
    inTime = false
    for (const part of parts) part.destroy()
  })
  await closed
  timer.cancel()
  return inTime
}
