import type { Duplex } from 'node:stream'

/** Slices up to this are copied into one write with what stands before them; larger ones are handed over as they are. */
const COPY_BYTES = 16 * 1024
/** What waits for the end of the turn is written at this size. */
const FLUSH_BYTES = 64 * 1024

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
    else if (size <= COPY_BYTES) this.#socket.write(join(parts, size))
    else {
      this.#socket.cork()
      for (const part of parts) {
        if (typeof part === 'string') this.#socket.write(part, 'latin1')
        else this.#socket.write(part)
      }
      this.#socket.uncork()
    }
  }
}

function join(parts: readonly (Buffer | string)[], size: number): Buffer {
  const joined = Buffer.allocUnsafe(size)
  let at = 0
  for (const part of parts) at += typeof part === 'string' ? joined.write(part, at, 'latin1') : part.copy(joined, at)
  return joined
}

/** One immediate for all connections that have something to write in this turn. */
let waiting: Outbox[] = []

function atEndOfTurn(outbox: Outbox): void {
  if (waiting.length === 0) setImmediate(flushWaiting)
  waiting.push(outbox)
}

function flushWaiting(): void {
  const due = waiting
  waiting = []
  for (const outbox of due) outbox.flush()
}
