import type { Clock, Timer } from '../lib/clock.ts'

/** Something with a deadline on the sweep's time line; `Infinity` for none. */
export interface Sweepable {
  readonly deadline: number
  /** The deadline has passed: move it, or end. */
  expired(): void
}

/** How coarse deadlines are, in milliseconds. */
const PERIOD_MS = 500

/**
 * The deadlines of many connections with one timer. A timer of its own for each request costs more than parsing the request;
 * here moving a deadline is one store. A deadline fires at most two periods late and never early.
 */
export class Sweep {
  readonly #clock: Clock
  readonly #members = new Set<Sweepable>()
  #timer: Timer | undefined
  #now: number

  constructor(clock: Clock) {
    this.#clock = clock
    this.#now = clock.monotonic()
  }

  /** The time of the last sweep: what deadlines are compared with. */
  get now(): number {
    return this.#now
  }

  /** The deadline that lies `delayMs` ahead. */
  in(delayMs: number): number {
    // Without members there is no tick that keeps the time.
    if (this.#members.size === 0) this.#now = this.#clock.monotonic()
    return this.#now + delayMs + PERIOD_MS
  }

  add(member: Sweepable): void {
    this.#members.add(member)
    if (this.#timer === undefined) this.#timer = this.#clock.after(PERIOD_MS, this.#tick)
  }

  remove(member: Sweepable): void {
    this.#members.delete(member)
  }

  readonly #tick = (): void => {
    this.#timer = undefined
    this.#now = this.#clock.monotonic()
    for (const member of this.#members) if (member.deadline <= this.#now) member.expired()
    if (this.#members.size > 0) this.#timer = this.#clock.after(PERIOD_MS, this.#tick)
  }
}
