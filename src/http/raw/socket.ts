import type { Duplex } from 'node:stream'
import { cut } from '../cut.ts'
import { Outbox } from '../outbox.ts'
import type { Sweep, Sweepable } from '../sweep.ts'

/** What a codec hears of its socket. After `cut`, and when both halves have ended, only `onClosed` is called. */
export interface RawEvents {
  /** `false` stops reading until `resume`. */
  onBytes(slice: Buffer): boolean
  /** The other end sends no more; it may still read. */
  onEnded(): void
  /** Written bytes were taken, after `write` has returned false. */
  onDrained(): void
  /** The connection ended before both of its halves did. */
  onGone(how: 'gone' | 'timed-out', message: string): void
  onClosed(): void
}

/** A socket of which each half is a stream of bytes that ends by itself: what both raw codecs are made on. */
export class RawSocket implements Sweepable {
  deadline: number = Number.POSITIVE_INFINITY
  readonly #socket: Duplex
  readonly #outbox: Outbox
  readonly #sweep: Sweep
  readonly #idleTimeoutMs: number
  readonly #events: RawEvents
  #blocked = false
  #readEnded = false
  #writeEnded = false
  #cut = false

  constructor(socket: Duplex, sweep: Sweep, idleTimeoutMs: number, events: RawEvents) {
    this.#socket = socket
    this.#outbox = new Outbox(socket)
    this.#sweep = sweep
    this.#idleTimeoutMs = idleTimeoutMs
    this.#events = events
    sweep.add(this)
    socket.on('error', (error) => this.#gone('gone', error.message))
    socket.on('close', () => {
      sweep.remove(this)
      this.#gone('gone', 'the connection was closed')
      events.onClosed()
    })
  }

  /** Begins to read, and to wait for bytes no longer than the idle time-out. */
  start(): void {
    this.#touch()
    this.#socket.on('data', (slice: Buffer) => {
      this.#touch()
      if (!this.#cut && !this.#events.onBytes(slice)) this.#socket.pause()
    })
    this.#socket.on('end', () => {
      this.#readEnded = true
      if (!this.#cut) this.#events.onEnded()
    })
    this.#socket.on('drain', () => {
      this.#touch()
      if (!this.#blocked || this.#cut) return
      this.#blocked = false
      this.#events.onDrained()
    })
  }

  resume(): void {
    if (!this.#readEnded) this.#socket.resume()
  }

  /** `false`: the socket is full, and `onDrained` follows. */
  write(slice: Buffer): boolean {
    if (this.#cut || this.#writeEnded || slice.length === 0) return true
    this.#touch()
    this.#outbox.bytes(slice)
    this.#outbox.flushLater()
    this.#blocked = this.#outbox.full
    return !this.#blocked
  }

  /** Sends what is left, and a FIN. The other half goes on. */
  end(): void {
    if (this.#cut || this.#writeEnded) return
    this.#writeEnded = true
    this.#outbox.flush()
    this.#socket.end()
  }

  /** Resets the connection. */
  cut(): void {
    this.#cut = true
    cut(this.#socket)
  }

  /** As `cut`, and says so with `onGone`. */
  destroy(): void {
    this.#gone('gone', 'the connection was closed here')
  }

  expired(): void {
    this.#gone('timed-out', 'no byte came or went within tunnelIdleTimeoutMs')
  }

  #touch(): void {
    this.deadline = this.#sweep.in(this.#idleTimeoutMs)
  }

  #gone(how: 'gone' | 'timed-out', message: string): void {
    if (this.#cut) return
    this.cut()
    if (!this.#readEnded || !this.#writeEnded) this.#events.onGone(how, message)
  }
}
