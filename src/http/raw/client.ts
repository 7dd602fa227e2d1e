import type { Duplex } from 'node:stream'
import {
  type ClientConnection,
  type ClientStream,
  type RequestHead,
  type ResponseSink,
  type StreamFaultCode,
  UNKNOWN_LENGTH,
} from '../exchange.ts'
import { noHeaders } from '../headers.ts'
import type { Sweep } from '../sweep.ts'
import { RawSocket } from './socket.ts'

export interface RawClientOptions {
  readonly sweep: Sweep
  /** Without a byte in either direction, in milliseconds. */
  readonly idleTimeoutMs: number
  readonly onClosed: (connection: RawClientConnection) => void
}

/** A TCP connection in the client role: it carries one exchange, a CONNECT, which it grants itself because it is open. */
export class RawClientConnection implements ClientConnection, ClientStream {
  /** Exchanges begun on this connection: 0 or 1. */
  exchanges = 0
  readonly #socket: RawSocket
  #sink: ResponseSink | undefined
  #closed = false

  constructor(socket: Duplex, options: RawClientOptions) {
    this.#socket = new RawSocket(socket, options.sweep, options.idleTimeoutMs, {
      onBytes: (slice) => this.#sink?.responseData(slice) ?? false,
      onEnded: () => this.#sink?.responseEnd(noHeaders),
      onDrained: () => this.#sink?.requestDrained(),
      onGone: (how, message) => this.#onGone(how === 'gone' ? 'upstream-gone' : how, message),
      onClosed: () => options.onClosed(this),
    })
  }

  /** Requests that can be sent now: one or none. */
  get room(): number {
    return this.exchanges === 0 && !this.#closed ? 1 : 0
  }

  /** Exchanges under way. */
  get load(): number {
    return this.exchanges > 0 && !this.#closed ? 1 : 0
  }

  request({ method }: RequestHead, sink: ResponseSink): ClientStream {
    if (this.room === 0 || method !== 'CONNECT')
      throw new Error('a raw connection carries one CONNECT and nothing else')
    this.exchanges = 1
    this.#sink = sink
    // The caller must have the stream before the sink hears of it.
    queueMicrotask(() => this.#grant())
    return this
  }

  /** Closes when its exchange ends; at once without one. */
  close(): void {
    if (this.exchanges === 0) this.#socket.destroy()
  }

  /** Resets the connection; its exchange is aborted. */
  destroy(): void {
    this.#socket.destroy()
  }

  data(slice: Buffer): boolean {
    return this.#socket.write(slice)
  }

  end(): void {
    this.#socket.end()
  }

  abort(): void {
    this.#sink = undefined
    this.#socket.cut()
  }

  resumeResponse(): void {
    this.#socket.resume()
  }

  #grant(): void {
    if (this.#sink === undefined) return
    this.#sink.responseHead({ status: 200, headers: noHeaders, bodyLength: UNKNOWN_LENGTH, close: false })
    this.#socket.start()
  }

  #onGone(code: StreamFaultCode, message: string): void {
    const sink = this.#sink
    this.#sink = undefined
    this.#closed = true
    sink?.responseAborted({ code, message, replay: 'never' })
  }
}
