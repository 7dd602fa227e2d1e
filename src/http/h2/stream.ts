import type { StreamFaultCode } from '../exchange.ts'
import type { Headers } from '../headers.ts'

/** What one stream means: a request that came, or one that was sent. Called by its connection, in the order of the frames. */
export interface StreamReceiver {
  /** A whole field block after the one that opened the stream: a response head, or trailers. `ended`: nothing follows. */
  onFields(fields: string[], overflowed: boolean, ended: boolean): void
  /** Content. False: it is not taken before `stream.resume()`; what comes until then is bounded by the stream's window. */
  onData(slice: Buffer): boolean
  /** END_STREAM, behind the last content. */
  onEnd(): void
  /** The stream is over before its time: reset by the peer, or lost with its connection. Nothing follows. */
  onLost(how: StreamLoss): void
  /** `stream.data` takes more, after it returned false. */
  onWritable(): void
  /** Its deadline has passed: move it, or end the stream. */
  onExpired(): void
}

export interface StreamLoss {
  readonly message: string
  /** The peer said that it did not look at the request. */
  readonly unprocessed: boolean
  /** Where we have ended the whole connection: why. */
  readonly code?: StreamFaultCode | undefined
  /** The peer reset it with NO_ERROR: what has come is not spoilt. */
  readonly withoutError?: boolean
}

/** What a stream asks of its connection. */
export interface StreamCarrier {
  /** The fields of the connection's last head that was well-formed. */
  lastHead: readonly string[]
  sendData(stream: H2Stream, slice: Buffer): boolean
  sendEnd(stream: H2Stream, trailers: Headers): void
  resetStream(stream: H2Stream, error: number): void
  blameStream(stream: H2Stream, error: number): void
  resumeStream(stream: H2Stream): void
}

/** The transport of one stream (RFC 9113 section 5): its windows, its halves, and what waits for room. */
export class H2Stream {
  readonly id: number
  readonly #connection: StreamCarrier
  receiver: StreamReceiver | undefined
  /** The table's. */
  next: H2Stream | undefined
  /** Bytes that the peer lets us send; may be negative after a change of its settings. */
  sendWindow: number
  /** Bytes that we let the peer send. */
  receiveWindow: number
  /** What `receiveWindow` is when everything that came was taken: it grows while the reader keeps up. */
  window: number
  /** The reader did not keep up since the peer got window back last. */
  throttled = false
  /** Bytes that came and that the peer got no window back for. */
  uncredited = 0
  /** Of these, what counts in the process's budget. */
  held = 0
  /** Of these, what the connection's window waits for. */
  owed = 0
  paused = false
  /** The time of the sweep before it was paused. */
  pausedAt = 0
  /** No more content comes; the peer ended its half. */
  remoteEnded = false
  localEnded = false
  /** When our half has ended, nothing more of the other one is wanted. */
  refusesRest = false
  /** A head of ours was sent. */
  answered = false
  closed = false
  /** On the sweep's time line. */
  deadline: number = Number.POSITIVE_INFINITY
  /** What no window or socket had room for; `data` is not called again before it is empty. */
  queue: Buffer[] | undefined
  /** Trailers of an end that waits behind the queue. */
  endsWith: Headers | undefined

  constructor(connection: StreamCarrier, id: number, sendWindow: number, receiveWindow: number) {
    this.#connection = connection
    this.id = id
    this.sendWindow = sendWindow
    this.receiveWindow = receiveWindow
    this.window = receiveWindow
  }

  get lastHead(): readonly string[] {
    return this.#connection.lastHead
  }

  set lastHead(fields: readonly string[]) {
    this.#connection.lastHead = fields
  }

  /** Sends content. False: full, wait for `receiver.onWritable()`. */
  data(slice: Buffer): boolean {
    return this.closed || this.localEnded ? true : this.#connection.sendData(this, slice)
  }

  /** Ends our half, behind what waits. */
  end(trailers: Headers): void {
    if (!this.closed && !this.localEnded) this.#connection.sendEnd(this, trailers)
  }

  /** RST_STREAM: both halves are over, and nothing of them is heard again. */
  reset(error: number): void {
    if (!this.closed) this.#connection.resetStream(this, error)
  }

  /** RST_STREAM for what the peer did: counts as a reset of its own. */
  blame(error: number): void {
    if (!this.closed) this.#connection.blameStream(this, error)
  }

  /** Content is taken again. */
  resume(): void {
    if (!this.closed && this.paused) this.#connection.resumeStream(this)
  }
}
