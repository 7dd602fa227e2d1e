import type { Duplex } from 'node:stream'
import { atEndOfTurn } from './end-of-turn.ts'

/** Writes up to this are copied into one buffer; the parts of larger ones are handed over as they are. */
export const COPY_BYTES: number = 16 * 1024
/** A body of so few bytes goes with its head as one text: one call of the runtime writes both. */
const TEXT_BYTES = 512
/** What waits for the end of the turn is written at this size. */
export const FLUSH_BYTES: number = 64 * 1024

/**
 * Gathers what one connection writes within one turn of the event loop into one write: one TLS record and one system
 * call instead of one for each head, chunk line and slice.
 */
export class Outbox {
  readonly #socket: Duplex
  #text = ''
  #parts: (Buffer | string)[] = []
  #bytes = 0
  #scheduled = false
  /** Bytes handed to the socket since the connection began. */
  written = 0

  constructor(socket: Duplex) {
    this.#socket = socket
  }

  /** latin1 text: heads and chunk lines. */
  text(text: string): void {
    this.#text += text
    this.#bytes += text.length
  }

  bytes(slice: Buffer): void {
    if (slice.length <= TEXT_BYTES && this.#parts.length === 0) {
      this.#text += slice.toString('latin1')
      this.#bytes += slice.length
      return
    }
    if (this.#text !== '') {
      this.#parts.push(this.#text)
      this.#text = ''
    }
    this.#parts.push(slice)
    this.#bytes += slice.length
  }

  /** Writes at the end of this turn, together with whatever is added until then. */
  flushLater(): void {
    if (this.#bytes >= FLUSH_BYTES) {
      this.flush()
    } else if (!this.#scheduled) {
      this.#scheduled = true
      atEndOfTurn(this)
    }
  }

  /** Whether what was added since the last `resume` is more than the socket wants to hold. */
  get full(): boolean {
    return this.#socket.writableNeedDrain || this.#bytes >= FLUSH_BYTES
  }

  flush(): void {
    this.#scheduled = false
    const size = this.#bytes
    if (size === 0) return
    const text = this.#text
    const parts = this.#parts
    this.#text = ''
    this.#bytes = 0
    this.written += size
    if (parts.length === 0) {
      this.#socket.write(text, 'latin1')
      return
    }
    this.#parts = []
    if (text !== '') parts.push(text)
    if (parts.length === 1) this.#socket.write(parts[0]!)
    else writeParts(this.#socket, parts, size)
  }
}

/** One write for parts that have `size` bytes together. */
export function writeParts(socket: Duplex, parts: readonly (Buffer | string)[], size: number): void {
  if (size <= COPY_BYTES) {
    socket.write(join(parts, size))
    return
  }
  socket.cork()
  for (const part of parts) {
    if (typeof part === 'string') socket.write(part, 'latin1')
    else socket.write(part)
  }
  socket.uncork()
}

function join(parts: readonly (Buffer | string)[], size: number): Buffer {
  const joined = Buffer.allocUnsafe(size)
  let at = 0
  for (const part of parts) at += typeof part === 'string' ? joined.write(part, at, 'latin1') : part.copy(joined, at)
  return joined
}
