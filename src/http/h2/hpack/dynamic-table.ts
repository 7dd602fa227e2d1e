/** What an entry takes beside its name and value, in octets (RFC 7541 section 4.1). */
export const ENTRY_OVERHEAD = 32

/** The size of the table before any SETTINGS (RFC 9113 section 6.5.2). */
export const INITIAL_TABLE_SIZE = 4096

/** Places that a ring has at first. Most connections of a large number are idle, and never need more. */
export const FIRST_PLACES = 8

/**
 * The ring with room for twice as many entries; those with the numbers from `oldest` up to `next` find their places again.
 * Every entry counts 32 octets at least, so the size of the table bounds how far a ring can grow.
 */
export function grown<T>(ring: readonly T[], empty: T, oldest: number, next: number): T[] {
  const larger = Array.from({ length: 2 * ring.length }, () => empty)
  for (let number = oldest; number < next; number += 1) {
    larger[number & (larger.length - 1)] = ring[number & (ring.length - 1)]!
  }
  return larger
}

/** The decoder's dynamic table (RFC 7541 section 2.3.2), a ring: an entry is found by its number, which only grows. */
export class DynamicTable {
  #names: string[] = Array.from({ length: FIRST_PLACES }, () => '')
  #values: string[] = Array.from({ length: FIRST_PLACES }, () => '')
  #mask = FIRST_PLACES - 1
  #next = 0
  #count = 0
  #used = 0
  #size: number

  constructor(size: number) {
    this.#size = size
  }

  /** The most octets that the entries may take. */
  get size(): number {
    return this.#size
  }

  /** Entries; the newest has place 1. */
  get count(): number {
    return this.#count
  }

  name(place: number): string {
    return this.#names[(this.#next - place) & this.#mask]!
  }

  value(place: number): string {
    return this.#values[(this.#next - place) & this.#mask]!
  }

  /** Adds an entry at the cost of the oldest ones; one that is larger than the table empties it (RFC 7541 section 4.4). */
  insert(name: string, value: string): void {
    const size = name.length + value.length + ENTRY_OVERHEAD
    this.#evictTo(this.#size - size)
    if (size > this.#size) return
    if (this.#count > this.#mask) this.#grow()
    const at = this.#next & this.#mask
    this.#names[at] = name
    this.#values[at] = value
    this.#next += 1
    this.#count += 1
    this.#used += size
  }

  /** Takes the oldest entries away until the rest takes at most `octets`. */
  #evictTo(octets: number): void {
    while (this.#used > octets && this.#count > 0) {
      const at = (this.#next - this.#count) & this.#mask
      this.#used -= this.#names[at]!.length + this.#values[at]!.length + ENTRY_OVERHEAD
      this.#names[at] = ''
      this.#values[at] = ''
      this.#count -= 1
    }
  }

  resize(size: number): void {
    this.#evictTo(size)
    this.#size = size
  }

  #grow(): void {
    const oldest = this.#next - this.#count
    this.#names = grown(this.#names, '', oldest, this.#next)
    this.#values = grown(this.#values, '', oldest, this.#next)
    this.#mask = this.#names.length - 1
  }
}
