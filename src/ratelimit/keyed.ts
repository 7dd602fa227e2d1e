/** Buckets looked at for each new key that finds the map full. */
const SWEEP = 8

/**
 * The buckets of one limit, by key, bounded. Only buckets that are full again are forgotten, which loses nothing; a key
 * that finds no room shares the overflow bucket with others like it: never unlimited, never unbounded.
 */
export class KeyedBuckets {
  readonly #tats = new Map<string, number>()
  readonly #maxKeys: number
  #overflow = Number.NEGATIVE_INFINITY
  /** Where the sweep goes on: it comes around to every key before it sees one twice. */
  #hand: MapIterator<[string, number]> = this.#tats.entries()

  constructor(maxKeys: number) {
    this.#maxKeys = maxKeys
  }

  get size(): number {
    return this.#tats.size
  }

  /** The theoretical arrival time of `key`; of a key not seen before, that of a full bucket. */
  read(key: string, nowMs: number): number {
    return this.#tats.get(key) ?? (this.#hasRoom(nowMs) ? Number.NEGATIVE_INFINITY : this.#overflow)
  }

  /** Follows a `read` of the same key at the same time. */
  write(key: string, tat: number): void {
    if (this.#tats.size < this.#maxKeys || this.#tats.has(key)) this.#tats.set(key, tat)
    else this.#overflow = tat
  }

  #hasRoom(nowMs: number): boolean {
    for (let looks = 0; looks < SWEEP && this.#tats.size >= this.#maxKeys; looks += 1) {
      let next = this.#hand.next()
      if (next.done === true) {
        this.#hand = this.#tats.entries()
        next = this.#hand.next()
      }
      if (next.done !== true && next.value[1] <= nowMs) this.#tats.delete(next.value[0])
    }
    return this.#tats.size < this.#maxKeys
  }
}
