import type { Duplex } from 'node:stream'
import {
  opensTunnel,
  type RequestHandler,
  type RequestHead,
  type RequestSink,
  type ResponseHead,
  type ServerStream,
  type StreamFaultCode,
  UNKNOWN_LENGTH,
} from '../exchange.ts'
import { noHeaders } from '../headers.ts'
import type { Sweep } from '../sweep.ts'
import { RawSocket } from './socket.ts'

export interface RawServerOptions {
  /** `host:port` that the CONNECT is for. */
  readonly authority: string
  readonly sweep: Sweep
  /** Without a byte in either direction, in milliseconds. */
  readonly idleTimeoutMs: number
  readonly handler: RequestHandler
  readonly onClosed: (connection: RawServerConnection) => void
}

/**
 * A TCP connection in the server role: it is one exchange, a CONNECT whose bodies are what the two ends send. Granted by any
 * response of 2xx; any other resets the connection without a byte. What is held until then is bounded by two socket reads.
 */
export class RawServerConnection implements ServerStream {
  readonly #options: RawServerOptions
  readonly #socket: RawSocket
  #sink: RequestSink | undefined
  #granted = false
  /** Read before the exchange was granted. */
  readonly #held: Buffer[] = []
  #ended = false
  #gone = false

  constructor(socket: Duplex, options: RawServerOptions) {
    this.#options = options
    this.#socket = new RawSocket(socket, options.sweep, options.idleTimeoutMs, {
      onBytes: (slice) => this.#onBytes(slice),
      onEnded: () => this.#onEnded(),
      onDrained: () => this.#sink?.responseDrained(),
      onGone: (how, message) => this.#onGone(how === 'gone' ? 'client-gone' : how, message),
      onClosed: () => options.onClosed(this),
    })
  }

  /** Calls the handler. */
  start(): void {
    const head: RequestHead = {
      method: 'CONNECT',
      authority: this.#options.authority,
      target: '',
      headers: noHeaders,
      bodyLength: UNKNOWN_LENGTH,
      upgrade: undefined,
      acceptsTrailers: false,
      version: 'TCP',
    }
    this.#socket.start()
    this.#sink = this.#options.handler(head, this)
    this.#flow()
  }

  /** One exchange is all that there is: nothing comes after it that could be refused. */
  retire(): void {}

  /** Ends with its exchange. */
  close(): void {}

  /** Resets the connection; its exchange is aborted. */
  destroy(): void {
    this.#socket.destroy()
  }

  informational(): void {}

  respond({ status }: ResponseHead): void {
    if (this.#granted) return
    if (opensTunnel({ method: 'CONNECT' }, status)) {
      this.#granted = true
      this.#flow()
    } else this.abort()
  }

  data(slice: Buffer): boolean {
    return !this.#granted || this.#socket.write(slice)
  }

  end(): void {
    if (this.#granted) this.#socket.end()
  }

  abort(): void {
    this.#gone = true
    this.#socket.cut()
  }

  resumeRequest(): void {
    if (this.#granted) this.#socket.resume()
  }

  #onBytes(slice: Buffer): boolean {
    if (this.#granted && this.#sink !== undefined) return this.#sink.requestData(slice)
    this.#held.push(slice)
    return false
  }

  #onEnded(): void {
    this.#ended = true
    if (this.#granted) this.#sink?.requestEnd(noHeaders)
  }

  #onGone(code: StreamFaultCode, message: string): void {
    this.#gone = true
    this.#sink?.requestAborted({ code, message, replay: 'never' })
  }

  /** Passes on what was held, once there is a sink and leave to. */
  #flow(): void {
    const sink = this.#sink
    if (sink === undefined || !this.#granted || this.#gone) return
    let more = true
    for (const slice of this.#held.splice(0)) more = sink.requestData(slice)
    if (this.#ended) sink.requestEnd(noHeaders)
    else if (more) this.#socket.resume()
  }
}
