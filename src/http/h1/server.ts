import type { Duplex } from 'node:stream'
import { cut } from '../cut.ts'
import {
  type Ending,
  opensTunnel,
  type RequestHead,
  type RequestHandler,
  type RequestSink,
  type ResponseHead,
  type ServerStream,
  type StreamFault,
  UNKNOWN_LENGTH,
} from '../exchange.ts'
import { type Headers, headerValue, noHeaders } from '../headers.ts'
import type { HttpLimits } from '../limits.ts'
import { type ProtocolFaultCode, protocolFaults } from '../protocol-fault.ts'
import type { Sweep, Sweepable } from '../sweep.ts'
import { type BodyDecoder, type BodyTarget, ChunkedDecoder, LengthDecoder, UntilCloseDecoder } from './body.ts'
import { Gather, hasBareLineFeed } from '../gather.ts'
import { type ParsedRequest, parseRequestHead } from './head.ts'
import { Outbox } from '../outbox.ts'
import {
  type BodyFraming,
  chunkLine,
  informationalText,
  lastChunk,
  responseFraming,
  responseHeadText,
} from './serialize.ts'
import { CR, LF } from '../syntax.ts'
import { WEBSOCKET_ACCEPT, WEBSOCKET_KEY, websocketAccept } from '../websocket.ts'

export interface ServerConnectionOptions {
  readonly limits: HttpLimits
  readonly sweep: Sweep
  readonly handler: RequestHandler
  /** Bad bytes: for the log and the counters. The connection answers and closes by itself. */
  readonly onFault: (code: ProtocolFaultCode) => void
  readonly onClosed: (connection: H1ServerConnection) => void
}

const HEAD_END = Buffer.from('\r\n\r\n')
/** RFC 9112 section 2.2: a server should ignore at least one empty line before the request line. More is an attack. */
const MAX_EMPTY_LINES = 1
/**
 * How long a closed connection still reads, so that the client gets to read its last response before a reset, and how
 * much. RFC 9112 section 9.6.
 */
const LINGER_MS = 1000
const LINGER_BYTES = 1024 * 1024

/**
 * One HTTP/1.1 connection in the server role: one exchange at a time, pipelined requests wait unread. What is held for it
 * is bounded by `maxHeadBytes` and one socket read.
 */
export class H1ServerConnection implements Sweepable {
  deadline: number
  readonly #socket: Duplex
  readonly #options: ServerConnectionOptions
  readonly #outbox: Outbox
  #head: Gather | undefined
  #emptyLines = 0
  #stream: H1ServerStream | undefined
  /** Read, but of a request after the one under way. */
  #rest: Buffer | undefined
  #receiving = false
  #requests = 0
  /** The next response head says that it is the last one. */
  #retired = false
  /** No request comes after the present one, whatever its response said. */
  #closing = false
  #lingering = false
  #lingered = 0

  constructor(socket: Duplex, options: ServerConnectionOptions) {
    this.#socket = socket
    this.#options = options
    this.#outbox = new Outbox(socket)
    this.deadline = options.sweep.in(options.limits.headTimeoutMs)
    options.sweep.add(this)
    socket.on('data', (bytes: Buffer) => this.#onData(bytes))
    socket.on('drain', () => this.#onDrain())
    socket.on('end', () => this.#onEnd())
    socket.on('error', () => socket.destroy())
    socket.on('close', () => this.#onClose())
  }

  /** Whether no exchange is open. */
  get idle(): boolean {
    return this.#stream === undefined
  }

  /** The next response is the last one. A connection between requests stays open for it: no request meets a closed door. */
  retire(): void {
    this.#retired = true
  }

  /** Finishes the exchange under way, then closes. A connection between requests closes at once. */
  close(): void {
    this.#closing = true
    if (this.#stream === undefined && this.#head === undefined) this.#shutDown()
  }

  /** With an ending, the exchange under way ends by that. */
  destroy(ending?: Ending): void {
    const stream = this.#stream
    if (ending !== undefined) {
      this.#stream = undefined
      stream?.gone({ code: ending.code, message: ending.message, replay: 'never' })
    }
    this.#socket.destroy()
  }

  expired(): void {
    if (this.#lingering) this.#socket.destroy()
    else if (this.#stream?.tunnel === true) this.#tunnelTimedOut(this.#stream)
    else if (this.#stream?.awaitsUpstream() === true) this.touch()
    else if (this.#stream !== undefined) this.#fail('request-timed-out')
    else if (this.#head !== undefined || this.#requests === 0) this.#fail('head-timed-out')
    else this.#shutDown()
  }

  #tunnelTimedOut(stream: H1ServerStream): void {
    this.#stream = undefined
    stream.gone({ code: 'timed-out', message: 'no byte came or went within tunnelIdleTimeoutMs', replay: 'never' })
    this.cut()
  }

  #onData(bytes: Buffer): void {
    if (this.#lingering) {
      this.#lingered += bytes.length
      if (this.#lingered > LINGER_BYTES) this.#socket.destroy()
      return
    }
    this.#receive(bytes)
  }

  #onDrain(): void {
    if (this.#stream === undefined) this.#takeNext()
    else this.#stream.drained()
  }

  /** The client ended its side. Without a tunnel that is an abort: whoever still wants the answer keeps its side open. */
  #onEnd(): void {
    const stream = this.#stream
    if (stream?.tunnel === true) stream.clientEnded()
    else if (stream?.wantsBody === true) this.#fail('body-incomplete')
    else if (stream !== undefined && !this.#lingering) this.#socket.destroy()
    else this.#socket.end()
  }

  #onClose(): void {
    this.#options.sweep.remove(this)
    const stream = this.#stream
    this.#stream = undefined
    stream?.gone({ code: 'client-gone', message: 'the client closed the connection', replay: 'never' })
    this.#options.onClosed(this)
  }

  /** Takes heads and bodies out of `bytes` until they are used up or a request waits for its response. */
  #receive(input: Buffer): void {
    this.#receiving = true
    let bytes = input
    let at = 0
    while (at < bytes.length && !this.#lingering && !this.#socket.destroyed) {
      const stream = this.#stream
      if (stream === undefined) {
        // Who asks and does not read the answers waits.
        if (this.#outbox.full) {
          this.#putOff(bytes, at)
          break
        }
        at = this.#receiveHead(bytes, at)
        if (this.#rest !== undefined) {
          bytes = this.#rest
          this.#rest = undefined
          at = 0
        }
      } else if (stream.wantsBody) {
        const end = stream.receive(bytes, at)
        if (typeof end === 'string') return this.#receiveFailed(end)
        at = end
      } else {
        this.#putOff(bytes, at)
        break
      }
    }
    this.#receiving = false
    if (this.#stream !== undefined) this.touch()
  }

  /** What is left is of a request that comes later. */
  #putOff(bytes: Buffer, at: number): void {
    this.#rest = at === 0 ? bytes : bytes.subarray(at)
    this.#socket.pause()
  }

  #takeNext(): void {
    const rest = this.#rest
    if (rest === undefined) return
    this.#rest = undefined
    this.#socket.resume()
    this.#receive(rest)
  }

  #receiveFailed(code: ProtocolFaultCode): void {
    this.#receiving = false
    this.#fail(code)
  }

  /** Returns where the head ended; everything is used up while it is incomplete. */
  #receiveHead(bytes: Buffer, start: number): number {
    const { limits } = this.#options
    let at = start
    if (this.#head === undefined) {
      while (bytes[at] === CR && bytes[at + 1] === LF) {
        if (++this.#emptyLines > MAX_EMPTY_LINES) return this.#failHead('empty-line-preamble', bytes)
        at += 2
      }
      const end = bytes.indexOf(HEAD_END, at)
      if (end >= 0) {
        if (end + HEAD_END.length - at > limits.maxHeadBytes) return this.#failHead('head-too-large', bytes)
        this.#open(bytes.toString('latin1', at, end + 2))
        return end + HEAD_END.length
      }
      if (at === bytes.length) return at
      this.#head = new Gather()
      this.deadline = this.#options.sweep.in(limits.headTimeoutMs)
    }
    const head = this.#head
    const had = head.length
    const slice = bytes.subarray(at, at + limits.maxHeadBytes - had)
    head.add(slice, limits.maxHeadBytes)
    const end = head.find(HEAD_END)
    if (end < 0) {
      if (head.length >= limits.maxHeadBytes) return this.#failHead('head-too-large', bytes)
      if (hasBareLineFeed(head.view(), had)) return this.#failHead('bare-line-feed', bytes)
      return at + slice.length
    }
    const whole = head.take()
    this.#head = undefined
    if (whole[0] === CR && whole[1] === LF) {
      // An empty line that came in two reads: begin anew, where empty lines are counted.
      this.#rest = Buffer.concat([whole, bytes.subarray(at + slice.length)])
      return bytes.length
    }
    this.#open(whole.toString('latin1', 0, end + 2))
    return at + (end + HEAD_END.length - had)
  }

  #failHead(code: ProtocolFaultCode, bytes: Buffer): number {
    this.#fail(code)
    return bytes.length
  }

  #open(text: string): void {
    const { limits, handler } = this.#options
    this.#emptyLines = 0
    const request = parseRequestHead(text, limits)
    if (typeof request === 'string') return this.#fail(request)
    if (limits.maxBodyBytes > 0 && request.bodyLength > limits.maxBodyBytes) return this.#fail('body-too-large')
    this.#requests += 1
    if (this.#requests === limits.maxRequestsPerConnection || request.close) this.#retired = true
    const stream = new H1ServerStream(this, this.#socket, this.#outbox, request, limits)
    this.#stream = stream
    stream.start(handler)
  }

  /** The connection says why in its answer, when there is still an answer to give, and closes. */
  #fail(code: ProtocolFaultCode): void {
    if (this.#lingering || this.#socket.destroyed) return
    this.#options.onFault(code)
    const stream = this.#stream
    this.#stream = undefined
    this.#head = undefined
    const answered = stream?.responding ?? false
    stream?.gone({ code: 'client-gone', message: protocolFaults[code].text, replay: 'never' })
    if (answered) {
      this.cut()
      return
    }
    const { status, text } = protocolFaults[code]
    const body = Buffer.from(`${code}: ${text}\n`)
    const head = { status, headers: plainText, bodyLength: body.length, close: true }
    this.#outbox.text(responseHeadText(head, 'length', undefined, true))
    if (stream?.method !== 'HEAD') this.#outbox.bytes(body)
    this.#shutDown()
  }

  /** Sends what is left, however slowly the client takes it, ends our side and reads on for a moment. */
  #shutDown(): void {
    if (this.#lingering) return
    this.#lingering = true
    this.#rest = undefined
    this.touch()
    this.#outbox.flush()
    this.#socket.end(() => {
      this.deadline = this.#options.sweep.in(LINGER_MS)
    })
    this.#socket.resume()
  }

  /** For the stream: something moved, the idle deadline begins anew. */
  touch(): void {
    const { sweep, limits } = this.#options
    this.deadline = sweep.in(this.#stream?.tunnel === true ? limits.tunnelIdleTimeoutMs : limits.requestIdleTimeoutMs)
  }

  /** For the stream: whether the response that begins now is the last one. */
  get closing(): boolean {
    return this.#retired || this.#closing
  }

  /** For the stream: breaks the response off. */
  cut(): void {
    cut(this.#socket)
  }

  /** For the stream: the response is complete. `reusable` is false when the request is not. */
  finished(reusable: boolean): void {
    this.#stream = undefined
    if (this.#closing || !reusable) {
      this.#shutDown()
      return
    }
    this.deadline = this.#options.sweep.in(this.#options.limits.connectionIdleTimeoutMs)
    if (!this.#receiving) this.#takeNext()
  }

  /** For the stream: a tunnel takes what was read behind the request head. */
  takeRest(): Buffer | undefined {
    const rest = this.#rest
    this.#rest = undefined
    return rest
  }

  /** For the stream: bad bytes that only the stream could see. */
  fail(code: ProtocolFaultCode): void {
    this.#fail(code)
  }
}

const plainText: Headers = ['content-type', 'text/plain; charset=utf-8']

/** One exchange of a connection. After its end every call on it is without effect. */
class H1ServerStream implements ServerStream, BodyTarget {
  readonly method: string
  readonly #connection: H1ServerConnection
  readonly #socket: Duplex
  readonly #outbox: Outbox
  readonly #request: ParsedRequest
  readonly #maxBodyBytes: number
  #sink: RequestSink | undefined
  #decoder: BodyDecoder | undefined
  #bodyBytes = 0
  #requestDone: boolean
  #framing: BodyFraming | undefined
  /** Of a response with a length: bytes that are still to come. */
  #left = 0
  #responseDone = false
  #over = false
  #blocked = false
  /** The connection cannot be used again after this exchange. */
  #closes = false
  #waitedLonger = false
  tunnel = false

  constructor(
    connection: H1ServerConnection,
    socket: Duplex,
    outbox: Outbox,
    request: ParsedRequest,
    limits: HttpLimits,
  ) {
    this.#connection = connection
    this.#socket = socket
    this.#outbox = outbox
    this.#request = request
    this.method = request.method
    this.#maxBodyBytes = limits.maxBodyBytes
    // What follows CONNECT is the tunnel, when there is one.
    const connect = request.method === 'CONNECT'
    if (connect) this.#decoder = undefined
    else if (request.bodyLength === UNKNOWN_LENGTH) this.#decoder = new ChunkedDecoder(limits)
    else if (request.bodyLength > 0) this.#decoder = new LengthDecoder(request.bodyLength)
    this.#requestDone = this.#decoder === undefined && request.upgrade === undefined && !connect
  }

  start(handler: RequestHandler): void {
    const request: RequestHead = this.#request
    this.#sink = handler(request, this)
    if (this.#requestDone) this.#endRequest(noHeaders)
  }

  get wantsBody(): boolean {
    return this.#decoder !== undefined
  }

  /** Whether the response has begun. */
  get responding(): boolean {
    return this.#framing !== undefined
  }

  /**
   * True once when only the upstream can be late: its connection has the same deadline and gives the better answer.
   */
  awaitsUpstream(): boolean {
    if (this.wantsBody || this.responding || this.#waitedLonger) return false
    this.#waitedLonger = true
    return true
  }

  receive(bytes: Buffer, at: number): number | ProtocolFaultCode {
    return this.#decoder!.feed(bytes, at, this)
  }

  bodyData(slice: Buffer): void {
    this.#bodyBytes += slice.length
    if (this.#over) return
    if (this.#maxBodyBytes > 0 && this.#bodyBytes > this.#maxBodyBytes && !this.tunnel) {
      this.#connection.fail('body-too-large')
      return
    }
    if (this.#sink?.requestData(slice) === false) this.#socket.pause()
  }

  bodyEnd(trailers: Headers): void {
    this.#decoder = undefined
    // The last slice may have paused it, and nobody resumes a request that is complete.
    this.#socket.resume()
    this.#endRequest(trailers)
  }

  #endRequest(trailers: Headers): void {
    this.#requestDone = true
    if (!this.#over) this.#sink?.requestEnd(trailers)
  }

  clientEnded(): void {
    this.#decoder = undefined
    this.#endRequest(noHeaders)
    if (this.#responseDone) this.#finish()
  }

  drained(): void {
    this.#connection.touch()
    if (!this.#blocked) return
    this.#blocked = false
    this.#sink?.responseDrained()
  }

  gone(fault: StreamFault): void {
    if (this.#over) return
    this.#over = true
    this.#sink?.requestAborted(fault)
  }

  resumeRequest(): void {
    if (!this.#over && this.#decoder !== undefined) this.#socket.resume()
  }

  informational(status: number, headers: Headers): void {
    if (this.#over || this.responding || this.#request.version === 'HTTP/1.0') return
    this.#outbox.text(informationalText(status, headers))
    this.#outbox.flush()
  }

  respond(head: ResponseHead): void {
    if (this.#over || this.responding) return
    const request = this.#request
    const connected = request.method === 'CONNECT' && opensTunnel(request, head.status)
    const framing = connected ? 'none' : responseFraming(request.method, head, request.version === 'HTTP/1.1')
    this.#framing = framing
    this.#left = framing === 'length' ? Math.max(0, head.bodyLength) : 0
    // Who answers before the body has come seldom reads it to its end.
    this.#closes = head.close || this.#connection.closing || framing === 'until-close' || this.wantsBody
    const proven = head.status === 101 ? withWebsocketAccept(head, request.headers) : head
    // RFC 9110 section 9.3.6: the answer to CONNECT ends with its head, whatever it says of a body.
    const told = connected ? { ...proven, bodyLength: UNKNOWN_LENGTH } : proven
    this.#outbox.text(responseHeadText(told, framing, request.upgrade, this.#closes && !connected))
    if (connected || (head.status === 101 && request.upgrade !== undefined)) this.#openTunnel()
    else if (request.upgrade !== undefined || request.method === 'CONNECT') this.#requestDone = true
    this.#outbox.flushLater()
  }

  #openTunnel(): void {
    this.tunnel = true
    this.#framing = 'until-close'
    this.#closes = true
    this.#decoder = new UntilCloseDecoder()
    this.#connection.touch()
    this.#socket.resume()
    const rest = this.#connection.takeRest()
    if (rest !== undefined) this.bodyData(rest)
  }

  data(slice: Buffer): boolean {
    if (this.#over || slice.length === 0) return true
    switch (this.#framing) {
      case undefined:
        throw new Error('response data before its head')
      case 'none':
        return true
      case 'length':
        this.#left -= slice.length
        if (this.#left < 0) {
          this.#truncate()
          return true
        }
        this.#outbox.bytes(slice)
        break
      case 'chunked':
        this.#outbox.text(chunkLine(slice.length))
        this.#outbox.bytes(slice)
        this.#outbox.text('\r\n')
        break
      case 'until-close':
        this.#outbox.bytes(slice)
        break
    }
    this.#connection.touch()
    this.#outbox.flushLater()
    this.#blocked = this.#outbox.full
    return !this.#blocked
  }

  end(trailers: Headers): void {
    if (this.#over || this.#responseDone) return
    if (this.#framing === undefined) throw new Error('response end before its head')
    if (this.#left > 0) {
      this.#truncate()
      return
    }
    if (this.#framing === 'chunked') this.#outbox.text(lastChunk(trailers))
    this.#responseDone = true
    if (this.tunnel && !this.#requestDone) {
      // The other half of a tunnel goes on until the client ends it.
      this.#outbox.flush()
      this.#socket.end()
    } else {
      this.#outbox.flushLater()
      this.#finish()
    }
  }

  #finish(): void {
    this.#over = true
    this.#connection.finished(this.#requestDone && !this.#closes)
  }

  /** The upstream half did not keep to the length that it declared: the client must not take this for a whole response. */
  #truncate(): void {
    this.abort({ code: 'upstream-malformed', message: 'the response is not as long as it declared', replay: 'never' })
  }

  abort(_fault: StreamFault): void {
    if (this.#over) return
    this.#over = true
    this.#connection.cut()
  }
}

/** An application that speaks HTTP/2 grants a WebSocket without the proof that a client with a key waits for. */
function withWebsocketAccept(head: ResponseHead, request: Headers): ResponseHead {
  const key = headerValue(request, WEBSOCKET_KEY)
  if (key === undefined || headerValue(head.headers, WEBSOCKET_ACCEPT) !== undefined) return head
  return { ...head, headers: [...head.headers, WEBSOCKET_ACCEPT, websocketAccept(key)] }
}
