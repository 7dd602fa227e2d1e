const HOLDER = 0
const WAITING = 1
/** A holder is done in a microsecond: to look again so often costs less than to sleep. */
const SPINS = 100
/** So often somebody who sleeps looks by himself: a holder that died wakes nobody. */
const LOOK_AGAIN_MS = 10

/** What a lock needs of shared memory. */
export const LOCK_BYTES = 8

/**
 * Mutual exclusion between threads that share `memory` (LOCK_BYTES, all zero at first). For a few instructions that cannot
 * throw: whoever waits blocks its event loop.
 */
export class ThreadLock {
  readonly #words: Int32Array
  readonly #holder: number

  /** `holder` is a number from 1, another one in each thread. */
  constructor(memory: SharedArrayBuffer, holder: number) {
    this.#words = new Int32Array(memory)
    this.#holder = holder
  }

  enter(): void {
    if (Atomics.compareExchange(this.#words, HOLDER, 0, this.#holder) !== 0) this.#wait()
  }

  leave(): void {
    free(this.#words)
  }

  #wait(): void {
    const words = this.#words
    for (let spin = 0; spin < SPINS; spin += 1) {
      if (Atomics.compareExchange(words, HOLDER, 0, this.#holder) === 0) return
    }
    Atomics.add(words, WAITING, 1)
    for (;;) {
      const held = Atomics.compareExchange(words, HOLDER, 0, this.#holder)
      if (held === 0) break
      Atomics.wait(words, HOLDER, held, LOOK_AGAIN_MS)
    }
    Atomics.sub(words, WAITING, 1)
  }
}

/** Opens the lock when it is held by `holder`, a thread that has ended. */
export function releaseLock(memory: SharedArrayBuffer, holder: number): void {
  const words = new Int32Array(memory)
  if (Atomics.load(words, HOLDER) === holder) free(words)
}

function free(words: Int32Array): void {
  Atomics.store(words, HOLDER, 0)
  if (Atomics.load(words, WAITING) > 0) Atomics.notify(words, HOLDER, 1)
}
