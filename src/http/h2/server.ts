import type { Duplex } from 'node:stream'
import type { BodyBudget } from '../body-budget.ts'
import {
  type Ending,
  NO_BODY,
  opensTunnel,
  type RequestHandler,
  type RequestSink,
  type ResponseHead,
  type ServerStream,
} from '../exchange.ts'
import { type Headers, noHeaders } from '../headers.ts'
import type { HttpLimits } from '../limits.ts'
import { protocolFaults } from '../protocol-fault.ts'
import type { Sweep } from '../sweep.ts'
import { type ConnectionOwner, H2Connection } from './connection.ts'
import { errorOf, faultText, type H2FaultCode, isH2Fault, type MessageFaultCode } from './fault.ts'
import { errorCodes } from './frame.ts'
import { type ParsedRequest, parseRequest, parseTrailers } from './message.ts'
import type { H2Stream, StreamLoss, StreamReceiver } from './stream.ts'

export interface H2ServerOptions {
  readonly limits: HttpLimits
  readonly sweep: Sweep
  readonly budget: BodyBudget
  readonly handler: RequestHandler
  /** Bad bytes: for the log and the counters. Streams and connection are answered and ended by themselves. */
  readonly onFault: (code: MessageFaultCode) => void
  /** The client takes our certificate for none, or goes away for another reason: the error of its GOAWAY, and what it says. */
  readonly onGoingAway?: (error: number, debug: string) => void
  readonly onClosed: () => void
}

/** One HTTP/2 connection in the server role (RFC 9113, RFC 8441), over TLS or with prior knowledge. */
export class H2ServerConnection implements ConnectionOwner {
  readonly #options: H2ServerOptions
  readonly #connection: H2Connection
  #requests = 0

  constructor(socket: Duplex, options: H2ServerOptions) {
    const { limits, sweep, budget } = options
    this.#options = options
    this.#connection = new H2Connection(socket, { role: 'server', limits, sweep, budget }, this)
  }

  /** Tells the client to open no more streams. Without effect on those that are on their way. */
  retire(): void {
    this.#connection.retire()
  }

  /** Takes no more streams; ends with the last one that is open. */
  close(): void {
    this.#connection.close()
  }

  destroy(ending?: Ending): void {
    this.#connection.destroy(ending)
  }

  opened(stream: H2Stream, fields: string[], overflowed: boolean, ended: boolean): void {
    const { limits, handler } = this.#options
    const request = overflowed ? 'head-too-large' : parseRequest(fields, limits, ended, stream.lastHead)
    if (typeof request === 'string') {
      this.#refuse(stream, request)
      return
    }
    stream.lastHead = fields
    if (limits.maxBodyBytes > 0 && request.bodyLength > limits.maxBodyBytes) {
      this.#refuse(stream, 'body-too-large')
      return
    }
    this.#requests += 1
    if (this.#requests === limits.maxRequestsPerConnection) this.#connection.retire()
    new H2ServerStream(this.#connection, stream, request, this.#options).start(handler, ended)
  }

  greeted(): void {}

  roomChanged(): void {}

  goingAway(error: number, debug: string): void {
    this.#options.onGoingAway?.(error, debug)
  }

  faulted(code: H2FaultCode): void {
    this.#options.onFault(code)
  }

  closed(): void {
    this.#options.onClosed()
  }

  #refuse(stream: H2Stream, code: MessageFaultCode): void {
    this.#options.onFault(code)
    stream.receiver = silent
    answerFault(this.#connection, stream, code)
  }
}

/** A stream that was refused: what still comes of it is dropped. */
const silent: StreamReceiver = {
  onFields: () => {},
  onData: () => true,
  onEnd: () => {},
  onLost: () => {},
  onWritable: () => {},
  onExpired: () => {},
}

/** A malformed message is reset; a well-formed one that we do not take is answered and then reset (RFC 9113 section 8.1). */
function answerFault(connection: H2Connection, stream: H2Stream, code: MessageFaultCode): void {
  if (isH2Fault(code)) {
    stream.blame(errorOf(code))
    return
  }
  const { status, text } = protocolFaults[code]
  const body = Buffer.from(`${code}: ${text}\n`)
  const fields = ['content-type', 'text/plain; charset=utf-8', 'content-length', String(body.length)]
  stream.answered = true
  if (connection.sendHeaders(stream, [':status', String(status)], fields)) {
    stream.data(body)
    stream.end(noHeaders)
  }
  stream.reset(errorCodes.NO_ERROR)
}

/**
 * 101 does not exist here: an extended CONNECT is granted with 200 (RFC 8441 section 5). An application that answers the
 * request and leaves the protocol as it is must not be taken for one that grants it.
 */
function statusOverHttp2(status: number, upgrade: string | undefined): number {
  if (status === 101) return 200
  return upgrade !== undefined && status < 300 ? 502 : status
}

/** One exchange. After its end every call on it is without effect. */
class H2ServerStream implements ServerStream, StreamReceiver {
  readonly #connection: H2Connection
  readonly #stream: H2Stream
  readonly #request: ParsedRequest
  readonly #options: H2ServerOptions
  #sink: RequestSink | undefined
  /** Of a body with a length: bytes that are still to come. */
  #bodyLeft: number
  #bodyBytes = 0
  #responding = false
  #bodiless = false
  /** Of a response with a length: bytes that are still to be sent. */
  #left = NO_BODY
  #tunnel = false
  /** Came before the tunnel that was asked for is open. */
  #early: Buffer[] | undefined
  #over = false
  #waitedLonger = false

  constructor(connection: H2Connection, stream: H2Stream, request: ParsedRequest, options: H2ServerOptions) {
    this.#connection = connection
    this.#stream = stream
    this.#request = request
    this.#options = options
    this.#bodyLeft = request.bodyLength
    stream.receiver = this
  }

  start(handler: RequestHandler, ended: boolean): void {
    this.#sink = handler(this.#request, this)
    if (ended && !this.#over) this.#sink.requestEnd(noHeaders)
  }

  onFields(fields: string[], overflowed: boolean, ended: boolean): void {
    if (this.#over) return
    const trailers = overflowed ? 'head-too-large' : parseTrailers(fields, this.#options.limits)
    if (typeof trailers === 'string') this.#fail(trailers)
    else if (!ended || this.#tunnel || this.#request.upgrade !== undefined) this.#fail('h2-trailers')
    else if (this.#bodyLeft > 0) this.#fail('h2-content-length')
    else this.#sink!.requestEnd(trailers)
  }

  onData(slice: Buffer): boolean {
    if (this.#over) return true
    this.#touch()
    if (this.#request.upgrade !== undefined && !this.#tunnel) {
      if (this.#responding) return true
      this.#early ??= []
      this.#early.push(slice)
      return false
    }
    this.#bodyBytes += slice.length
    if (this.#bodyLeft >= 0) {
      this.#bodyLeft -= slice.length
      if (this.#bodyLeft < 0) {
        this.#fail('h2-content-length')
        return true
      }
    }
    const { maxBodyBytes } = this.#options.limits
    // What comes for a TCP connection before it is granted is none of a message either.
    if (maxBodyBytes > 0 && this.#bodyBytes > maxBodyBytes && !this.#tunnel && this.#request.method !== 'CONNECT') {
      this.#fail('body-too-large')
      return true
    }
    return this.#sink!.requestData(slice)
  }

  onEnd(): void {
    if (this.#over) return
    if (this.#bodyLeft > 0) this.#fail('h2-content-length')
    // The end of a tunnel that is not open yet waits with what came before it.
    else if (this.#tunnel || this.#request.upgrade === undefined) this.#sink!.requestEnd(noHeaders)
  }

  onLost({ message, code = 'client-gone' }: StreamLoss): void {
    if (this.#over) return
    this.#over = true
    this.#sink?.requestAborted({ code, message, replay: 'never' })
  }

  onWritable(): void {
    this.#touch()
    this.#sink?.responseDrained()
  }

  onExpired(): void {
    // When only the upstream can be late, its connection has the same deadline and gives the better answer.
    if (this.#over) this.#stream.reset(errorCodes.CANCEL)
    else if (this.#tunnel) this.#tunnelTimedOut()
    else if (this.#stream.remoteEnded && !this.#responding && !this.#waitedLonger) {
      this.#waitedLonger = true
      this.#touch()
    } else this.#fail('request-timed-out')
  }

  #tunnelTimedOut(): void {
    this.abort()
    const message = 'no byte came or went within tunnelIdleTimeoutMs'
    this.#sink?.requestAborted({ code: 'timed-out', message, replay: 'never' })
  }

  informational(status: number, headers: Headers): void {
    if (!this.#over && !this.#responding) this.#send(status, headers)
  }

  respond(head: ResponseHead): void {
    if (this.#over || this.#responding) return
    this.#responding = true
    this.#stream.answered = true
    const { status, headers, bodyLength } = head
    const { method } = this.#request
    this.#bodiless = method === 'HEAD' || status === 204 || status === 304
    this.#tunnel = opensTunnel(this.#request, status)
    const declared = bodyLength >= 0 && !this.#tunnel && status !== 204
    if (declared && !this.#bodiless) this.#left = bodyLength
    const fields = declared ? [...headers, 'content-length', String(bodyLength)] : headers
    if (!this.#send(statusOverHttp2(status, this.#request.upgrade), fields)) return
    this.#touch()
    const early = this.#early
    this.#early = undefined
    if (this.#tunnel && this.#request.upgrade !== undefined) {
      let more = true
      for (const slice of early ?? []) more = this.#sink?.requestData(slice) ?? true
      if (this.#stream.remoteEnded) this.#sink?.requestEnd(noHeaders)
      if (more) this.#stream.resume()
    }
  }

  data(slice: Buffer): boolean {
    if (this.#over || this.#bodiless || slice.length === 0) return true
    if (this.#left !== NO_BODY) {
      this.#left -= slice.length
      if (this.#left < 0) {
        this.#truncate()
        return true
      }
    }
    this.#touch()
    return this.#stream.data(slice)
  }

  end(trailers: Headers): void {
    if (this.#over) return
    if (this.#left > 0) {
      this.#truncate()
      return
    }
    // RFC 9113 section 8.1: who has answered in full need not read the rest.
    this.#stream.refusesRest = !this.#tunnel
    this.#stream.end(trailers)
    if (!this.#tunnel || this.#stream.remoteEnded) this.#over = true
  }

  /** For a TCP connection this is a reset (RFC 9113 section 8.5). */
  abort(): void {
    if (this.#over) return
    this.#over = true
    this.#stream.reset(this.#request.method === 'CONNECT' ? errorCodes.CONNECT_ERROR : errorCodes.INTERNAL_ERROR)
  }

  resumeRequest(): void {
    this.#stream.resume()
  }

  #send(status: number, headers: Headers): boolean {
    if (this.#connection.sendHeaders(this.#stream, [':status', String(status)], headers)) return true
    this.#over = true
    this.#stream.reset(errorCodes.INTERNAL_ERROR)
    this.#sink?.requestAborted({ code: 'client-gone', message: 'the client takes no head that large', replay: 'never' })
    return false
  }

  #touch(): void {
    const { sweep, limits } = this.#options
    this.#stream.deadline = sweep.in(this.#tunnel ? limits.tunnelIdleTimeoutMs : limits.requestIdleTimeoutMs)
  }

  /** The client broke its message or its time: it is told so when there is still an answer to give. */
  #fail(code: MessageFaultCode): void {
    this.#over = true
    this.#options.onFault(code)
    if (this.#responding && !isH2Fault(code)) this.#stream.reset(errorCodes.CANCEL)
    else answerFault(this.#connection, this.#stream, code)
    this.#sink?.requestAborted({ code: 'client-gone', message: faultText(code), replay: 'never' })
  }

  /** The upstream half did not keep to the length that it declared. */
  #truncate(): void {
    this.abort()
  }
}
