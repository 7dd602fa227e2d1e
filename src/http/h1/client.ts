import type { Duplex } from 'node:stream'
import { cut } from '../cut.ts'
import {
  type ClientConnection,
  type ClientStream,
  NO_BODY,
  type RequestHead,
  type ResponseHead,
  type ResponseSink,
  type StreamFault,
  type StreamFaultCode,
  UNKNOWN_LENGTH,
} from '../exchange.ts'
import { type Headers, headerValue, noHeaders } from '../headers.ts'
import type { HttpLimits } from '../limits.ts'
import { type ProtocolFaultCode, protocolFaults } from '../protocol-fault.ts'
import type { Sweep, Sweepable } from '../sweep.ts'
import { type BodyDecoder, type BodyTarget, ChunkedDecoder, LengthDecoder, UntilCloseDecoder } from './body.ts'
import { Gather, hasBareLineFeed } from '../gather.ts'
import { type ParsedResponse, parseResponseHead } from './head.ts'
import { Outbox } from '../outbox.ts'
import { takeWebsocketAccept, WEBSOCKET_KEY, websocketKey } from '../websocket.ts'
import { chunkLine, lastChunk, requestHeadText } from './serialize.ts'

export interface ClientConnectionOptions {
  readonly limits: HttpLimits
  readonly sweep: Sweep
  /** For the key of a WebSocket whose client has none. */
  readonly randomHex: (bytes: number) => string
  /** The exchange is over and the connection can take another one. */
  readonly onRoom: (connection: H1ClientConnection) => void
  /** The upstream sent bad bytes. */
  readonly onFault: (code: ProtocolFaultCode) => void
  readonly onClosed: (connection: H1ClientConnection) => void
}

const HEAD_END = Buffer.from('\r\n\r\n')
/** Interim responses to one request. The standard sets no bound; a server that never ends them would hold us for ever. */
const MAX_INFORMATIONAL = 16

/** One HTTP/1.1 connection in the client role: one exchange at a time, never pipelined. */
export class H1ClientConnection implements ClientConnection, Sweepable {
  deadline: number = Number.POSITIVE_INFINITY
  /** Exchanges begun on this connection. */
  exchanges = 0
  readonly #socket: Duplex
  readonly #options: ClientConnectionOptions
  readonly #outbox: Outbox
  #stream: H1ClientStream | undefined
  #head: Gather | undefined
  #closing = false
  #closed = false

  constructor(socket: Duplex, options: ClientConnectionOptions) {
    this.#socket = socket
    this.#options = options
    this.#outbox = new Outbox(socket)
    options.sweep.add(this)
    socket.on('data', (bytes: Buffer) => this.#onData(bytes))
    socket.on('drain', () => this.#stream?.drained())
    socket.on('end', () => this.#onEnd())
    socket.on('error', (error) => this.#onError(error))
    socket.on('close', () => this.#onClose())
  }

  /** Requests that can be sent now: one or none. */
  get room(): number {
    return this.#stream === undefined && !this.#closing && !this.#closed ? 1 : 0
  }

  /** Exchanges under way. */
  get load(): number {
    return this.#stream === undefined ? 0 : 1
  }

  request(head: RequestHead, sink: ResponseSink): ClientStream {
    if (this.room === 0) throw new Error('request on a connection that has no room')
    const key = lacksWebsocketKey(head) ? websocketKey(this.#options.randomHex) : undefined
    const stream = new H1ClientStream(this, this.#socket, this.#outbox, head, key, sink, this.exchanges > 0)
    this.#stream = stream
    this.exchanges += 1
    this.touch()
    this.#outbox.text(requestHeadText(key === undefined ? head : withWebsocketKey(head, key)))
    this.#outbox.flushLater()
    return stream
  }

  /** Closes after the exchange under way. */
  close(): void {
    this.#closing = true
    if (this.#stream === undefined) this.#socket.destroy()
  }

  destroy(): void {
    this.#closing = true
    this.#socket.destroy()
  }

  expired(): void {
    if (this.#stream === undefined) this.#socket.destroy()
    else this.#end('timed-out', `no byte came or went within ${this.#idleTimeout}`)
  }

  touch(): void {
    this.deadline = this.#options.sweep.in(this.#options.limits[this.#idleTimeout])
  }

  get #idleTimeout(): 'tunnelIdleTimeoutMs' | 'requestIdleTimeoutMs' {
    return this.#stream?.tunnel === true ? 'tunnelIdleTimeoutMs' : 'requestIdleTimeoutMs'
  }

  #onData(input: Buffer): void {
    let at = 0
    const bytes = input
    while (at < bytes.length && !this.#socket.destroyed) {
      const stream = this.#stream
      if (stream === undefined || this.#outbox.written === stream.beginsAt) {
        // A response that nobody asked for could be taken for the answer to the next request. That it came before the
        // request was written shows it, too.
        this.#options.onFault('response-unexpected')
        this.#end('upstream-gone', protocolFaults['response-unexpected'].text)
        return
      }
      let end: number | ProtocolFaultCode
      stream.received = true
      if (stream.awaitsHead) end = this.#receiveHead(stream, bytes, at)
      else {
        end = stream.receive(bytes, at)
        if (typeof end === 'number' && stream.complete) {
          this.#finish(stream, end < bytes.length)
          if (end < bytes.length) return
        }
      }
      if (typeof end === 'string') {
        this.#malformed(end)
        return
      }
      at = end
    }
    if (this.#stream !== undefined) this.touch()
  }

  #receiveHead(stream: H1ClientStream, bytes: Buffer, at: number): number | ProtocolFaultCode {
    const { limits } = this.#options
    if (this.#head === undefined) {
      const end = bytes.indexOf(HEAD_END, at)
      if (end >= 0) {
        if (end + HEAD_END.length - at > limits.maxHeadBytes) return 'head-too-large'
        return this.#takeHead(stream, bytes.toString('latin1', at, end + 2), bytes, end + HEAD_END.length)
      }
      this.#head = new Gather()
    }
    const head = this.#head
    const had = head.length
    const slice = bytes.subarray(at, at + limits.maxHeadBytes - had)
    head.add(slice, limits.maxHeadBytes)
    const end = head.find(HEAD_END)
    if (end < 0) {
      if (head.length >= limits.maxHeadBytes) return 'head-too-large'
      return hasBareLineFeed(head.view(), had) ? 'bare-line-feed' : at + slice.length
    }
    this.#head = undefined
    return this.#takeHead(stream, head.take().toString('latin1', 0, end + 2), bytes, at + (end + HEAD_END.length - had))
  }

  #takeHead(stream: H1ClientStream, text: string, bytes: Buffer, end: number): number | ProtocolFaultCode {
    const response = parseResponseHead(text, this.#options.limits)
    if (typeof response === 'string') return response
    if (response.close) this.#closing = true
    const fault = stream.takeHead(response, this.#options.limits)
    if (fault !== undefined) return fault
    if (stream.complete) {
      this.#finish(stream, end < bytes.length)
      return bytes.length
    }
    return end
  }

  /** The response is complete: the connection goes back before the sink hears of it, so that its next request finds it. */
  #finish(stream: H1ClientStream, hasMore: boolean): void {
    if (this.#stream !== stream) return
    this.#stream = undefined
    if (hasMore) this.#options.onFault('response-unexpected')
    if (hasMore || this.#closing || !stream.requestDone) {
      this.#closing = true
      this.#socket.destroy()
    } else {
      this.deadline = this.#options.sweep.in(this.#options.limits.connectionIdleTimeoutMs)
      // The last slice may have paused it, and who took it is done.
      this.#socket.resume()
      this.#options.onRoom(this)
    }
    stream.finish()
  }

  #malformed(code: ProtocolFaultCode): void {
    this.#options.onFault(code)
    this.#end('upstream-malformed', `${code}: ${protocolFaults[code].text}`)
  }

  #onEnd(): void {
    const stream = this.#stream
    if (stream !== undefined && stream.endsWithConnection) {
      this.#closing = true
      stream.upstreamEnded()
      if (!stream.tunnel) this.#finish(stream, false)
      return
    }
    this.#end('upstream-gone', 'the upstream closed the connection before the response was complete')
  }

  #onError(error: Error): void {
    this.#end('upstream-gone', `the upstream connection failed: ${error.message}`)
  }

  #onClose(): void {
    this.#closed = true
    this.#options.sweep.remove(this)
    this.#end('upstream-gone', 'the upstream connection closed before the response was complete')
    this.#options.onClosed(this)
  }

  #end(code: StreamFaultCode, message: string): void {
    const stream = this.#stream
    this.#break()
    stream?.fail(code, message)
  }

  /** For the stream: its owner gave up. */
  aborted(): void {
    this.#break()
  }

  /** The other end of a tunnel must not take what it got for the whole. */
  #break(): void {
    const tunnel = this.#stream?.tunnel === true
    this.#stream = undefined
    this.#closing = true
    if (tunnel) cut(this.#socket)
    else this.#socket.destroy()
  }

  /** For the stream: both halves of a tunnel have ended. The socket closes when it has sent what is left. */
  tunnelEnded(): void {
    this.touch()
    this.#stream = undefined
    this.#closing = true
  }
}

/** RFC 8441 section 5: over HTTP/2 there is none. Whoever speaks HTTP/1.1 without one hears so from the application. */
function lacksWebsocketKey({ upgrade, version, headers }: RequestHead): boolean {
  return upgrade === 'websocket' && version === 'HTTP/2' && headerValue(headers, WEBSOCKET_KEY) === undefined
}

function withWebsocketKey(head: RequestHead, key: string): RequestHead {
  return { ...head, headers: [...head.headers, WEBSOCKET_KEY, key] }
}

class H1ClientStream implements ClientStream, BodyTarget {
  readonly #connection: H1ClientConnection
  readonly #socket: Duplex
  readonly #outbox: Outbox
  readonly #head: RequestHead
  /** The key that we made in place of the client. */
  readonly #websocketKey: string | undefined
  readonly #sink: ResponseSink
  readonly #reused: boolean
  #left: number
  #over = false
  #blocked = false
  #informational = 0
  #decoder: BodyDecoder | undefined
  #trailers: Headers = noHeaders
  awaitsHead = true
  /** Whether any byte of response has come. */
  received = false
  /** What had been written on the connection before the request. */
  readonly beginsAt: number
  requestDone = false
  complete = false
  endsWithConnection = false
  tunnel = false

  constructor(
    connection: H1ClientConnection,
    socket: Duplex,
    outbox: Outbox,
    head: RequestHead,
    websocketKey: string | undefined,
    sink: ResponseSink,
    reused: boolean,
  ) {
    this.#connection = connection
    this.#socket = socket
    this.#outbox = outbox
    this.#head = head
    this.#websocketKey = websocketKey
    this.#sink = sink
    this.#reused = reused
    this.beginsAt = outbox.written
    this.#left = Math.max(0, head.bodyLength)
  }

  takeHead(response: ParsedResponse, limits: HttpLimits): ProtocolFaultCode | undefined {
    const { status } = response
    let headers: Headers = response.headers
    if (status < 200 && status !== 101) {
      if (++this.#informational > MAX_INFORMATIONAL) return 'response-unexpected'
      this.#sink.informational(status, headers)
      return undefined
    }
    this.awaitsHead = false
    const bodyLength = response.chunked ? UNKNOWN_LENGTH : response.contentLength
    if (status === 101) {
      if (this.#head.upgrade === undefined || response.upgrade !== this.#head.upgrade) return 'response-unexpected'
      if (this.#websocketKey !== undefined) {
        const rest = takeWebsocketAccept(headers, this.#websocketKey)
        if (rest === undefined) return 'websocket-accept-wrong'
        headers = rest
      }
      this.tunnel = true
      this.endsWithConnection = true
      this.#decoder = new UntilCloseDecoder()
    } else {
      if (this.#head.upgrade !== undefined) this.requestDone = true
      if (this.#head.method === 'HEAD' || status === 204 || status === 304 || bodyLength === 0) this.complete = true
      else if (bodyLength === UNKNOWN_LENGTH) this.#decoder = new ChunkedDecoder(limits)
      else if (bodyLength === NO_BODY) {
        // RFC 9112 section 6.3 item 8: the body ends with the connection.
        this.endsWithConnection = true
        this.#decoder = new UntilCloseDecoder()
      } else this.#decoder = new LengthDecoder(bodyLength)
    }
    const head: ResponseHead = {
      status,
      headers,
      bodyLength: this.endsWithConnection ? UNKNOWN_LENGTH : bodyLength,
      close: false,
    }
    this.#sink.responseHead(head)
    return undefined
  }

  receive(bytes: Buffer, at: number): number | ProtocolFaultCode {
    if (this.#decoder === undefined) return bytes.length
    return this.#decoder.feed(bytes, at, this)
  }

  bodyData(slice: Buffer): void {
    if (!this.#over && !this.#sink.responseData(slice)) this.#socket.pause()
  }

  bodyEnd(trailers: Headers): void {
    this.#trailers = trailers
    this.complete = true
  }

  upstreamEnded(): void {
    this.complete = true
    if (!this.tunnel) return
    if (!this.#over) this.#sink.responseEnd(noHeaders)
    if (this.requestDone) this.#connection.tunnelEnded()
  }

  /** Tells the sink that the response is complete. */
  finish(): void {
    if (this.#over) return
    this.#over = true
    this.#sink.responseEnd(this.#trailers)
  }

  fail(code: StreamFaultCode, message: string): void {
    if (this.#over) return
    this.#over = true
    const replayable = this.#reused && !this.received && code === 'upstream-gone'
    this.#sink.responseAborted({ code, message, replay: replayable ? 'idempotent' : 'never' })
  }

  drained(): void {
    this.#connection.touch()
    if (!this.#blocked) return
    this.#blocked = false
    if (!this.#over) this.#sink.requestDrained()
  }

  resumeResponse(): void {
    if (!this.#over) this.#socket.resume()
  }

  data(slice: Buffer): boolean {
    if (this.#over || this.requestDone || slice.length === 0) return true
    if (this.tunnel) this.#outbox.bytes(slice)
    else if (this.#head.bodyLength === UNKNOWN_LENGTH) {
      this.#outbox.text(chunkLine(slice.length))
      this.#outbox.bytes(slice)
      this.#outbox.text('\r\n')
    } else {
      this.#left -= slice.length
      if (this.#left < 0) throw new Error('request body is longer than its head declared')
      this.#outbox.bytes(slice)
    }
    this.#connection.touch()
    this.#outbox.flushLater()
    this.#blocked = this.#outbox.full
    return !this.#blocked
  }

  end(trailers: Headers): void {
    if (this.#over || this.requestDone) return
    if (this.tunnel) {
      this.requestDone = true
      this.#outbox.flush()
      this.#socket.end()
      if (this.complete) this.#connection.tunnelEnded()
      return
    }
    if (this.#left > 0) throw new Error('request body is shorter than its head declared')
    if (this.#head.bodyLength === UNKNOWN_LENGTH) this.#outbox.text(lastChunk(trailers))
    this.requestDone = true
    this.#outbox.flushLater()
  }

  abort(_fault: StreamFault): void {
    if (this.#over) return
    this.#over = true
    this.#connection.aborted()
  }
}
