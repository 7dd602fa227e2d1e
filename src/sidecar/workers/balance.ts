import type { Clock, Timer } from '../../lib/clock.ts'
import type { Counter } from '../../telemetry/series.ts'
import type { Connections, OpenConnection } from '../connections.ts'

const PERIOD_MS = 1_000
/** A thread that is busy for a smaller part of the time needs no help. */
const BUSY = 0.4
/** Threads that differ by less are even. */
const EVEN = 0.1
/** What brings more of the difference along only changes the sides. */
const MOST_OF_GAP = 0.75

/** In shared memory the part of the time in which a thread is busy is in thousandths. */
const SCALE = 1000
const ABSENT = -1

/** How busy each of `workers` threads is; none is there yet. */
export function loadsMemory(workers: number): SharedArrayBuffer {
  const memory = new SharedArrayBuffer(workers * Int32Array.BYTES_PER_ELEMENT)
  new Int32Array(memory).fill(ABSENT)
  return memory
}

/** A thread that has ended takes nothing over. `worker` counts from 0. */
export function clearLoad(memory: SharedArrayBuffer, worker: number): void {
  Atomics.store(new Int32Array(memory), worker, ABSENT)
}

export interface BalancerOptions {
  readonly memory: SharedArrayBuffer
  /** From 0. */
  readonly worker: number
  readonly clock: Clock
  readonly connections: Connections
  /** The part of the time since the last call in which this thread was busy: 0 to 1. */
  readonly busy: () => number
  readonly moved: Counter
}

/**
 * The kernel gives each new connection to one of the threads without a look at what they have to do, and connections between
 * sidecars are few and last. So a thread that is much busier than another one asks some of its connections to be opened
 * anew, after what is under way on them: chance decides again, until it has been fair.
 */
export class Balancer {
  readonly #options: BalancerOptions
  readonly #loads: Int32Array
  /** How many requests each had at the last look. */
  #seen = new WeakMap<OpenConnection, number>()
  #timer: Timer | undefined

  constructor(options: BalancerOptions) {
    this.#options = options
    this.#loads = new Int32Array(options.memory)
    this.#schedule()
  }

  close(): void {
    this.#timer?.cancel()
  }

  #schedule(): void {
    this.#timer = this.#options.clock.after(PERIOD_MS, () => {
      this.#look()
      this.#schedule()
    })
  }

  #look(): void {
    const { worker, connections, busy, moved } = this.#options
    const own = busy()
    Atomics.store(this.#loads, worker, Math.round(own * SCALE))
    const open = [...connections.all()]
    const requests = open.map((connection) => {
      const since = connection.requests - (this.#seen.get(connection) ?? 0)
      this.#seen.set(connection, connection.requests)
      return since
    })
    for (const index of chooseMoves(requests, own, this.#least())) {
      open[index]?.retire()
      moved.inc()
    }
  }

  /** How busy the least busy one of the others is. */
  #least(): number {
    let least = Number.POSITIVE_INFINITY
    for (let other = 0; other < this.#loads.length; other += 1) {
      const load = Atomics.load(this.#loads, other)
      if (other !== this.#options.worker && load !== ABSENT) least = Math.min(least, load / SCALE)
    }
    return least
  }
}

/**
 * Which connections a thread gives away, as indices of `requests`: how many requests came on each. `own` and `least` say how
 * busy it is, and the one that has least to do.
 */
export function chooseMoves(requests: readonly number[], own: number, least: number): readonly number[] {
  const all = requests.reduce((sum, count) => sum + count, 0)
  if (own < BUSY || all === 0) return []
  const moves: number[] = []
  let gap = own - least
  const largestFirst = [...requests.entries()].toSorted(([, a], [, b]) => b - a)
  for (const [index, count] of largestFirst) {
    if (gap <= EVEN) break
    const part = (own * count) / all
    if (count === 0 || part > gap * MOST_OF_GAP) continue
    moves.push(index)
    gap -= 2 * part
  }
  return moves
}
