interface Entry<T> {
  readonly value: T
  readonly untilMs: number
  readonly bytes: number
}

/** Most entries of a cache. */
const MAX_ENTRIES = 4096

/** What was found out a moment ago, each entry until a time of its own; bounded in number and in bytes, the oldest goes first. */
export class BoundedCache<T> {
  readonly #entries = new Map<string, Entry<T>>()
  readonly #maxBytes: number
  #bytes = 0

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  get size(): number {
    return this.#entries.size
  }

  find(key: string, nowMs: number): T | undefined {
    const entry = this.#entries.get(key)
    return entry !== undefined && nowMs < entry.untilMs ? entry.value : undefined
  }

  add(key: string, value: T, untilMs: number, bytes: number): void {
    this.#delete(key)
    for (const oldest of this.#entries.keys()) {
      if (this.#entries.size < MAX_ENTRIES && this.#bytes + bytes <= this.#maxBytes) break
      this.#delete(oldest)
    }
    this.#entries.set(key, { value, untilMs, bytes })
    this.#bytes += bytes
  }

  clear(): void {
    this.#entries.clear()
    this.#bytes = 0
  }

  #delete(key: string): void {
    this.#bytes -= this.#entries.get(key)?.bytes ?? 0
    this.#entries.delete(key)
  }
}
