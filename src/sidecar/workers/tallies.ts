import type { Tallies, Tally } from '../tally.ts'

/** In-flight requests, and the connections of each listener. */
const MAX_TALLIES = 512

/** Counters for `workers` threads, all zero. */
export function talliesMemory(workers: number): SharedArrayBuffer {
  return new SharedArrayBuffer(workers * MAX_TALLIES * Int32Array.BYTES_PER_ELEMENT)
}

/** A thread that has ended has nothing open. */
export function clearTallies(memory: SharedArrayBuffer, worker: number): void {
  const counters = new Int32Array(memory)
  for (let index = 0; index < MAX_TALLIES; index += 1) Atomics.store(counters, worker * MAX_TALLIES + index, 0)
}

/**
 * Tallies over several threads. Each thread writes counters of its own, and a total is their sum: who adds first and asks for the
 * total then can never exceed a bound together with the others, and what a dead thread held is forgotten at once.
 */
export class ThreadTallies implements Tallies {
  readonly #counters: Int32Array
  readonly #worker: number
  #claimed = 0

  /** `worker` counts from 0. */
  constructor(memory: SharedArrayBuffer, worker: number) {
    this.#counters = new Int32Array(memory)
    this.#worker = worker
  }

  claim(): Tally {
    if (this.#claimed >= MAX_TALLIES) throw new TypeError(`more than ${MAX_TALLIES} tallies`)
    const tally = new ThreadTally(this.#counters, this.#worker, this.#claimed)
    this.#claimed += 1
    return tally
  }
}

class ThreadTally implements Tally {
  readonly #counters: Int32Array
  readonly #own: number
  readonly #first: number

  constructor(counters: Int32Array, worker: number, index: number) {
    this.#counters = counters
    this.#own = worker * MAX_TALLIES + index
    this.#first = index
  }

  get total(): number {
    let sum = 0
    for (let at = this.#first; at < this.#counters.length; at += MAX_TALLIES) sum += Atomics.load(this.#counters, at)
    return sum
  }

  add(by: 1 | -1): void {
    Atomics.add(this.#counters, this.#own, by)
  }
}
