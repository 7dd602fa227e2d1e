import type { Duplex } from 'node:stream'
import type { BodyBudget } from '../body-budget.ts'
import {
  type ClientConnection,
  type ClientStream,
  type Ending,
  NO_BODY,
  opensTunnel,
  type RequestHead,
  type ResponseSink,
  type StreamFaultCode,
  UNKNOWN_LENGTH,
} from '../exchange.ts'
import { type Headers, noHeaders } from '../headers.ts'
import type { HttpLimits } from '../limits.ts'
import type { Sweep } from '../sweep.ts'
import { type ConnectionOwner, H2Connection } from './connection.ts'
import { faultText, type H2FaultCode, type MessageFaultCode } from './fault.ts'
import { errorCodes } from './frame.ts'
import { parseResponse, parseTrailers } from './message.ts'
import type { H2Stream, StreamLoss, StreamReceiver } from './stream.ts'

export interface H2ClientOptions {
  readonly limits: HttpLimits
  readonly sweep: Sweep
  readonly budget: BodyBudget
  readonly scheme: 'http' | 'https'
  /** Exchanges at once, where the server would take more. */
  readonly maxExchanges?: number
  /** There is room for requests where there was none: the server has greeted, or exchanges are over. */
  readonly onRoom: (connection: H2ClientConnection) => void
  /** It takes no more requests: told to close, or the server goes away. It closes when the last exchange is over. */
  readonly onLeaving: (connection: H2ClientConnection) => void
  /** Called before `onLeaving`: the error of the server's GOAWAY, and what it says. */
  readonly onGoingAway?: (error: number, debug: string) => void
  /** The upstream sent bad bytes. */
  readonly onFault: (code: MessageFaultCode) => void
  readonly onClosed: (connection: H2ClientConnection) => void
}

/** Interim responses to one request: as in HTTP/1.1. */
const MAX_INFORMATIONAL = 16

/** One HTTP/2 connection in the client role: as many exchanges at once as the server allows. */
export class H2ClientConnection implements ClientConnection, ConnectionOwner {
  readonly #options: H2ClientOptions
  readonly #connection: H2Connection
  /** Exchanges begun on this connection. */
  exchanges = 0
  #closing = false
  /** Nothing can be sent now, so that room is news. */
  #full = true

  constructor(socket: Duplex, options: H2ClientOptions) {
    const { limits, sweep, budget } = options
    this.#options = options
    this.#connection = new H2Connection(socket, { role: 'client', limits, sweep, budget }, this)
  }

  /** Requests that can be sent now; 0 before the server has greeted. */
  get room(): number {
    if (this.#closing) return 0
    const { maxExchanges = Number.POSITIVE_INFINITY } = this.#options
    return Math.max(0, Math.min(this.#connection.room, maxExchanges - this.#connection.streams))
  }

  /** Exchanges under way. */
  get load(): number {
    return this.#connection.streams
  }

  request(head: RequestHead, sink: ResponseSink): ClientStream {
    if (this.room === 0) throw new Error('request on a connection that has no room')
    if (head.upgrade !== undefined && !this.#connection.takesExtendedConnect) {
      return new UnsentStream(sink, 'the upstream takes no extended CONNECT (RFC 8441)')
    }
    const stream = this.#connection.open(pseudoFields(head, this.#options.scheme), fieldsOf(head))
    if (stream === undefined) return new UnsentStream(sink, 'the head is larger than the upstream takes')
    const reused = this.exchanges > 0
    this.exchanges += 1
    this.#full = this.room === 0
    return new H2ClientStream(stream, head, sink, reused, this.#options)
  }

  /** Closes after the exchanges under way. */
  close(): void {
    this.#leave()
    this.#connection.close()
  }

  destroy(ending?: Ending): void {
    this.#closing = true
    this.#connection.destroy(ending)
  }

  opened(stream: H2Stream): void {
    stream.reset(errorCodes.PROTOCOL_ERROR)
  }

  greeted(): void {}

  roomChanged(): void {
    if (this.room === 0) this.#full = true
    else if (this.#full) {
      this.#full = false
      this.#options.onRoom(this)
    }
  }

  goingAway(error: number, debug: string): void {
    this.#options.onGoingAway?.(error, debug)
    this.#leave()
  }

  faulted(code: H2FaultCode): void {
    this.#options.onFault(code)
  }

  closed(): void {
    this.#closing = true
    this.#options.onClosed(this)
  }

  #leave(): void {
    if (this.#closing) return
    this.#closing = true
    this.#options.onLeaving(this)
  }
}

function pseudoFields({ method, authority, target, upgrade }: RequestHead, scheme: string): Headers {
  if (upgrade !== undefined) {
    const common = [':scheme', scheme, ':authority', authority, ':path', target]
    return [':method', 'CONNECT', ':protocol', upgrade, ...common]
  }
  if (method === 'CONNECT') return [':method', method, ':authority', authority]
  return [':method', method, ':scheme', scheme, ':authority', authority, ':path', target]
}

function fieldsOf({ headers, bodyLength, acceptsTrailers }: RequestHead): Headers {
  if (bodyLength < 0 && !acceptsTrailers) return headers
  const fields = [...headers]
  if (bodyLength >= 0) fields.push('content-length', String(bodyLength))
  if (acceptsTrailers) fields.push('te', 'trailers')
  return fields
}

/** A request that this upstream does not take: nothing of it was sent, and its stream was never opened. */
class UnsentStream implements ClientStream {
  #over = false

  constructor(sink: ResponseSink, message: string) {
    queueMicrotask(() => {
      if (!this.#over) sink.responseAborted({ code: 'upstream-gone', message, replay: 'never' })
    })
  }

  data(): boolean {
    return true
  }

  end(): void {}

  abort(): void {
    this.#over = true
  }

  resumeResponse(): void {}
}

class H2ClientStream implements ClientStream, StreamReceiver {
  readonly #stream: H2Stream
  readonly #head: RequestHead
  readonly #sink: ResponseSink
  readonly #reused: boolean
  readonly #options: H2ClientOptions
  #left: number
  #informational = 0
  #received = false
  #headReceived = false
  #tunnel = false
  /** Of a response with a length: bytes that are still to come. */
  #bodyLeft = NO_BODY
  #over = false

  constructor(stream: H2Stream, head: RequestHead, sink: ResponseSink, reused: boolean, options: H2ClientOptions) {
    this.#stream = stream
    this.#head = head
    this.#sink = sink
    this.#reused = reused
    this.#options = options
    this.#left = Math.max(0, head.bodyLength)
    stream.receiver = this
  }

  onFields(fields: string[], overflowed: boolean, ended: boolean): void {
    if (this.#over) return
    this.#received = true
    this.#touch()
    if (overflowed) this.#malformed('head-too-large')
    else if (this.#headReceived) this.#takeTrailers(fields, ended)
    else this.#takeHead(fields, ended)
  }

  #takeHead(fields: string[], ended: boolean): void {
    const response = parseResponse(fields, this.#options.limits, this.#stream.lastHead)
    if (typeof response === 'string') return this.#malformed(response)
    this.#stream.lastHead = fields
    const { status, headers, contentLength } = response
    if (status < 200) {
      if (ended || ++this.#informational > MAX_INFORMATIONAL) this.#malformed('response-unexpected')
      else this.#sink.informational(status, headers)
      return
    }
    this.#headReceived = true
    const granted = this.#head.upgrade !== undefined && status < 300 ? 101 : status
    this.#tunnel = opensTunnel(this.#head, granted)
    if (this.#tunnel) this.#touch()
    const bodiless = this.#head.method === 'HEAD' || status === 204 || status === 304
    if (this.#tunnel && contentLength !== NO_BODY) return this.#malformed('h2-content-length')
    if (ended && contentLength > 0 && !bodiless) return this.#malformed('h2-content-length')
    if (bodiless) this.#bodyLeft = 0
    else if (contentLength >= 0) this.#bodyLeft = contentLength
    const bodyLength = contentLength >= 0 || ended ? contentLength : UNKNOWN_LENGTH
    this.#touch()
    this.#sink.responseHead({ status: granted, headers, bodyLength, close: false })
    if (ended && !this.#over) this.#finish(noHeaders)
  }

  #takeTrailers(fields: string[], ended: boolean): void {
    const trailers = parseTrailers(fields, this.#options.limits)
    if (typeof trailers === 'string') this.#malformed(trailers)
    else if (!ended || this.#tunnel) this.#malformed('h2-trailers')
    else if (this.#bodyLeft > 0) this.#malformed('h2-content-length')
    else this.#finish(trailers)
  }

  onData(slice: Buffer): boolean {
    if (this.#over) return true
    this.#received = true
    this.#touch()
    if (!this.#headReceived) {
      this.#malformed('response-unexpected')
      return true
    }
    if (this.#bodyLeft !== NO_BODY) {
      this.#bodyLeft -= slice.length
      if (this.#bodyLeft < 0) {
        this.#malformed('h2-content-length')
        return true
      }
    }
    return this.#sink.responseData(slice)
  }

  onEnd(): void {
    if (this.#over) return
    if (!this.#headReceived) this.#malformed('response-unexpected')
    else if (this.#bodyLeft > 0) this.#malformed('h2-content-length')
    else this.#finish(noHeaders)
  }

  /** The response is complete. What is left of the request nobody wants; a tunnel's other half goes on. */
  #finish(trailers: Headers): void {
    if (!this.#tunnel || this.#stream.localEnded) this.#over = true
    if (!this.#tunnel && !this.#stream.localEnded) this.#stream.reset(errorCodes.CANCEL)
    this.#sink.responseEnd(trailers)
  }

  onLost({ message, unprocessed, withoutError, code }: StreamLoss): void {
    if (this.#over) return
    this.#over = true
    // node:http2 resets a response instead of ending it when its last byte closed the window and nobody reads the request.
    if (withoutError === true && this.#bodyLeft === 0) {
      this.#sink.responseEnd(noHeaders)
      return
    }
    const idempotent = this.#reused && !this.#received
    if (code !== undefined) {
      this.#sink.responseAborted({ code, message, replay: 'never' })
      return
    }
    const replay = unprocessed ? 'safe' : idempotent ? 'idempotent' : 'never'
    this.#sink.responseAborted({ code: 'upstream-gone', message: `the upstream stream was lost: ${message}`, replay })
  }

  onWritable(): void {
    if (this.#over) return
    this.#touch()
    this.#sink.requestDrained()
  }

  onExpired(): void {
    const { tunnelIdleTimeoutMs, requestIdleTimeoutMs } = this.#options.limits
    const [option, ms] = this.#tunnel
      ? ['tunnelIdleTimeoutMs', tunnelIdleTimeoutMs]
      : ['requestIdleTimeoutMs', requestIdleTimeoutMs]
    this.#giveUp('timed-out', `no byte came or went within ${option} (${ms} ms)`)
  }

  data(slice: Buffer): boolean {
    if (this.#over || slice.length === 0) return true
    if (this.#head.bodyLength >= 0) {
      this.#left -= slice.length
      if (this.#left < 0) throw new Error('request body is longer than its head declared')
    }
    this.#touch()
    return this.#stream.data(slice)
  }

  end(trailers: Headers): void {
    if (this.#over) return
    if (this.#left > 0) throw new Error('request body is shorter than its head declared')
    this.#stream.end(trailers)
    if (this.#stream.remoteEnded) this.#over = true
  }

  /** For a TCP connection this is a reset (RFC 9113 section 8.5). */
  abort(): void {
    if (this.#over) return
    this.#over = true
    this.#stream.reset(this.#head.method === 'CONNECT' ? errorCodes.CONNECT_ERROR : errorCodes.CANCEL)
  }

  resumeResponse(): void {
    this.#stream.resume()
  }

  #touch(): void {
    const { sweep, limits } = this.#options
    this.#stream.deadline = sweep.in(this.#tunnel ? limits.tunnelIdleTimeoutMs : limits.requestIdleTimeoutMs)
  }

  #malformed(code: MessageFaultCode): void {
    this.#options.onFault(code)
    this.#over = true
    this.#stream.reset(errorCodes.PROTOCOL_ERROR)
    this.#sink.responseAborted({ code: 'upstream-malformed', message: `${code}: ${faultText(code)}`, replay: 'never' })
  }

  #giveUp(code: StreamFaultCode, message: string): void {
    if (this.#over) return
    this.#over = true
    this.#stream.reset(errorCodes.CANCEL)
    this.#sink.responseAborted({ code, message, replay: 'never' })
  }
}
