import type { Random } from './random.ts'

export interface BackoffOptions {
  /** First delay in milliseconds. */
  readonly initialMs: number
  /** No delay is longer than this, in milliseconds. */
  readonly maxMs: number
  /** Part of the delay that is random: 0.2 means +-20 %. */
  readonly jitter: number
}

/** Exponential back-off with jitter: doubles from `initialMs` to `maxMs`; `reset` after a success. */
export class Backoff {
  readonly #options: BackoffOptions
  readonly #random: Random
  #attempt = 0

  constructor(options: BackoffOptions, random: Random) {
    this.#options = options
    this.#random = random
  }

  /** The delay in milliseconds before the next attempt. */
  next(): number {
    const { initialMs, maxMs, jitter } = this.#options
    const base = Math.min(maxMs, initialMs * 2 ** Math.min(this.#attempt, 30))
    this.#attempt += 1
    return Math.min(maxMs, base * (1 - jitter + 2 * jitter * this.#random()))
  }

  reset(): void {
    this.#attempt = 0
  }
}
