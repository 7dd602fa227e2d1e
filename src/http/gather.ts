import { CR, LF } from './syntax.ts'

/**
 * Collects the bytes of one head, line or section that come in several reads. Grows by doubling, so that a peer that
 * sends one byte at a time costs linear work, and never beyond `maxBytes`.
 */
export class Gather {
  #bytes: Buffer = Buffer.alloc(0)
  #length = 0
  /** Where the search for the end goes on. */
  #searched = 0

  get length(): number {
    return this.#length
  }

  /** Adds a copy of `slice`. Returns false, and adds nothing, when that is more than `maxBytes` in all. */
  add(slice: Buffer, maxBytes: number): boolean {
    const length = this.#length + slice.length
    if (length > maxBytes) return false
    if (length > this.#bytes.length) {
      const grown = Buffer.allocUnsafe(Math.min(maxBytes, Math.max(length, 2 * this.#bytes.length, 512)))
      this.#bytes.copy(grown, 0, 0, this.#length)
      this.#bytes = grown
    }
    slice.copy(this.#bytes, this.#length)
    this.#length = length
    return true
  }

  /** Index of `pattern` in what was gathered, or -1. Each byte is searched once. */
  find(pattern: Buffer): number {
    const found = this.view().indexOf(pattern, this.#searched)
    if (found < 0) this.#searched = Math.max(0, this.#length - pattern.length + 1)
    return found
  }

  view(): Buffer {
    return this.#bytes.subarray(0, this.#length)
  }

  /** Hands out what was gathered and begins anew. */
  take(): Buffer {
    const taken = this.view()
    this.#bytes = Buffer.alloc(0)
    this.#length = 0
    this.#searched = 0
    return taken
  }
}

/** Whether `bytes` has, from `start` on, a LF that no CR precedes: then the CRLF CRLF that ends a head may never come. */
export function hasBareLineFeed(bytes: Buffer, start: number): boolean {
  for (let at = bytes.indexOf(LF, start); at >= 0; at = bytes.indexOf(LF, at + 1)) {
    if (bytes[at - 1] !== CR) return true
  }
  return false
}
