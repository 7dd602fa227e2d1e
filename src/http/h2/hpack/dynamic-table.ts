/** What an entry takes beside its name and value, in octets (RFC 7541 section 4.1). */
export const ENTRY_OVERHEAD = 32

/** The size of the table before any SETTINGS (RFC 9113 section 6.5.2). */
export const INITIAL_TABLE_SIZE = 4096

/** Places of a ring, a power of two, that holds every entry of a table of `size` octets. */
export function ringPlaces(size: number): number {
  return 2 ** Math.ceil(Math.log2(Math.max(1, size / ENTRY_OVERHEAD)))
}

/** The decoder's dynamic table (RFC 7541 section 2.3.2), a ring: an entry is found by its number, which only grows. */
export class DynamicTable {
  #names: string[]
  #values: string[]
  #mask: number
  #next = 0
  #count = 0
  #used = 0
  #size: number

  constructor(size: number) {
    const places = ringPlaces(size)
    this.#names = Array.from({ length: places }, () => '')
    this.#values = Array.from({ length: places }, () => '')
    this.#mask = places - 1
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
    const places = ringPlaces(size)
    if (places <= this.#mask + 1) return
    const names = Array.from({ length: places }, () => '')
    const values = Array.from({ length: places }, () => '')
    for (let place = this.#count; place > 0; place -= 1) {
      names[this.#count - place] = this.name(place)
      values[this.#count - place] = this.value(place)
    }
    this.#names = names
    this.#values = values
    this.#mask = places - 1
    this.#next = this.#count
  }
}
