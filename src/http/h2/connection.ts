import type { Duplex } from 'node:stream'
import type { BodyBudget } from '../body-budget.ts'
import type { Ending, StreamFaultCode } from '../exchange.ts'
import { Gather } from '../gather.ts'
import { type Headers, noHeaders } from '../headers.ts'
import type { HttpLimits } from '../limits.ts'
import type { Sweep, Sweepable } from '../sweep.ts'
import { errorOf, type H2FaultCode, h2Faults } from './fault.ts'
import { FloodGuard, MAX_BLOCK_FRAMES, MAX_SETTINGS, MAX_UNREAD_ANSWERS, MAX_UNREAD_BYTES } from './flood.ts'
import {
  ACK,
  CONTINUATION,
  DEFAULT_WINDOW,
  ENABLE_CONNECT_PROTOCOL,
  ENABLE_PUSH,
  END_HEADERS,
  END_STREAM,
  errorCodes,
  FRAME_BYTES,
  GOAWAY,
  HEADER_TABLE_SIZE,
  HEADERS,
  INITIAL_WINDOW_SIZE,
  LARGEST_STREAM_ID,
  LARGEST_WINDOW,
  MAX_CONCURRENT_STREAMS,
  MAX_FRAME_SIZE,
  MAX_HEADER_LIST_SIZE,
  PADDED,
  PING,
  PREFACE,
  PRIORITY,
  PUSH_PROMISE,
  RST_STREAM,
  SETTINGS,
  WINDOW_UPDATE,
  WITH_PRIORITY,
} from './frame.ts'
import { FrameReader, type FrameSink } from './frame-reader.ts'
import { FrameWriter } from './frame-writer.ts'
import { HpackDecoder } from './hpack/decoder.ts'
import { HpackEncoder } from './hpack/encoder.ts'
import { RecentStreams } from './recent-streams.ts'
import { H2Stream, type StreamCarrier } from './stream.ts'
import { StreamTable } from './stream-table.ts'

/** Whose connection it is: gets what is not of one stream. */
export interface ConnectionOwner {
  /** The peer opened a stream; its receiver is to be set, or it is to be reset. Servers only. */
  opened(stream: H2Stream, fields: string[], overflowed: boolean, ended: boolean): void
  /** The peer's first SETTINGS have come. */
  greeted(): void
  /** A stream has ended, or the peer changed how many there may be. */
  roomChanged(): void
  /** The peer takes no more streams. `debug` is what it says beside the error, cut. */
  goingAway(error: number, debug: string): void
  /** The peer broke the protocol. */
  faulted(code: H2FaultCode): void
  closed(): void
}

export interface ConnectionOptions {
  readonly role: 'server' | 'client'
  readonly limits: HttpLimits
  readonly sweep: Sweep
  readonly budget: BodyBudget
}

/** Our dynamic table for what we receive, in bytes: the default, which needs no setting. */
const TABLE_BYTES = 4096
/** Of what a peer says in GOAWAY. */
const MAX_DEBUG_BYTES = 512
/** How long a connection that we ended still reads, so that the peer gets to read our last frames. */
const LINGER_MS = 1000
/** The payload of the PING behind a first GOAWAY: its answer says that the peer has read that one. */
const DRAIN_PING = Buffer.from('draining', 'latin1')

/**
 * One HTTP/2 connection in either role (RFC 9113): frames, field compression, windows, settings, floods and the end.
 * What streams mean is their receivers'. Everything that is written within one turn of the event loop leaves in one write.
 */
export class H2Connection implements FrameSink, StreamCarrier, Sweepable {
  /** Always due: streams and time-outs are looked at in each sweep. */
  readonly deadline: number = Number.NEGATIVE_INFINITY
  readonly #socket: Duplex
  readonly #options: ConnectionOptions
  readonly #owner: ConnectionOwner
  readonly #reader: FrameReader
  readonly #writer: FrameWriter
  readonly #decoder = new HpackDecoder(TABLE_BYTES)
  readonly #encoder = new HpackEncoder()
  readonly #flood: FloodGuard
  #unreadAnswers = 0
  readonly #streams = new StreamTable()
  readonly #recent = new RecentStreams()
  /** Streams that wait for the connection's window, in the order in which they are served. */
  readonly #starved = new Set<H2Stream>()
  /** Streams that wait for the socket. */
  readonly #undrained = new Set<H2Stream>()
  #sendWindow = DEFAULT_WINDOW
  #receiveWindow: number
  #uncredited = 0
  #peerInitialWindow = DEFAULT_WINDOW
  #peerMaxStreams = Number.POSITIVE_INFINITY
  #peerMaxListBytes = Number.POSITIVE_INFINITY
  lastHead: readonly string[] = noHeaders
  /** The peer takes extended CONNECT (RFC 8441 section 3). */
  takesExtendedConnect = false
  #greeted = false
  #lastPeerStream = 0
  #nextStream = 1
  /** A field block that is not complete: its stream, flags and frames so far. */
  #block: Gather | undefined
  #blockStream = 0
  #blockFlags = 0
  #blockFrames = 0
  /** The DATA frame under way. */
  #dataStream: H2Stream | undefined
  #dataFlags = 0
  #dataLength = 0
  #paddingLeft = 0
  /** Until when the preface, or what was begun last, must be complete. */
  #partialUntil: number
  #framesRead = 0
  #framesReadBefore = 0
  #idleUntil: number
  #announced = false
  #refusing = false
  #retiresWithNext = false
  #peerGoesAway = false
  #ending = false
  #lingerUntil = Number.POSITIVE_INFINITY
  #closed = false

  constructor(socket: Duplex, options: ConnectionOptions, owner: ConnectionOwner) {
    const { role, limits, sweep } = options
    this.#socket = socket
    this.#options = options
    this.#owner = owner
    this.#reader = new FrameReader(this, role === 'server')
    this.#writer = new FrameWriter(socket)
    this.#flood = new FloodGuard(limits.maxConcurrentStreams)
    this.#receiveWindow = Math.max(DEFAULT_WINDOW, limits.connectionWindowBytes)
    this.#partialUntil = sweep.in(limits.headTimeoutMs)
    this.#idleUntil = sweep.in(limits.connectionIdleTimeoutMs)
    sweep.add(this)
    socket.on('data', (bytes: Buffer) => this.#onData(bytes))
    socket.on('drain', () => this.#onDrain())
    socket.on('end', () => this.#onEnd())
    socket.on('error', () => socket.destroy())
    socket.on('close', () => this.#onClose())
    this.#greet()
  }

  /** Streams that are open. */
  get streams(): number {
    return this.#streams.size
  }

  /** Streams that may be opened now. Clients only. */
  get room(): number {
    if (this.#closed || this.#ending || this.#refusing || this.#peerGoesAway || !this.#greeted) return 0
    if (this.#nextStream > LARGEST_STREAM_ID || this.#flood.mustPause) return 0
    return Math.max(0, this.#peerMaxStreams - this.#streams.size)
  }

  /**
   * Opens a stream with HEADERS as of `sendHeaders`; content and end follow. Undefined, and nothing is sent, when the peer said
   * that it takes no list that large. Clients only.
   */
  open(pseudo: Headers, fields: Headers): H2Stream | undefined {
    if (!this.#peerTakes(pseudo, fields)) return undefined
    const { limits } = this.#options
    const stream = new H2Stream(this, this.#nextStream, this.#peerInitialWindow, this.#initialReceiveWindow)
    this.#nextStream += 2
    this.#streams.add(stream)
    stream.deadline = this.#options.sweep.in(limits.requestIdleTimeoutMs)
    this.#writeFields(stream, pseudo, fields, 0)
    return stream
  }

  /**
   * HEADERS of a head or of trailers: pseudo-header fields, then `fields`. False, and nothing is sent, when the peer said that it
   * takes no list that large.
   */
  sendHeaders(stream: H2Stream, pseudo: Headers, fields: Headers): boolean {
    if (!this.#peerTakes(pseudo, fields)) return false
    this.#writeFields(stream, pseudo, fields, 0)
    return true
  }

  #writeFields(stream: H2Stream, pseudo: Headers, fields: Headers, flags: number): void {
    const encoder = this.#encoder
    const writer = this.#writer
    const out = writer.beginHeaders(HpackEncoder.bound(pseudo) + HpackEncoder.bound(fields))
    let at = encoder.beginBlock(out, writer.blockStart)
    for (let index = 0; index < pseudo.length; index += 2) {
      at = encoder.field(pseudo[index]!, pseudo[index + 1]!, out, at)
    }
    for (let index = 0; index < fields.length; index += 2) {
      at = encoder.field(fields[index]!, fields[index + 1]!, out, at)
    }
    writer.headers(stream.id, at, flags)
  }

  #peerTakes(pseudo: Headers, fields: Headers): boolean {
    if (this.#peerMaxListBytes === Number.POSITIVE_INFINITY) return true
    let bytes = 0
    for (const list of [pseudo, fields]) {
      for (let index = 0; index < list.length; index += 2) bytes += list[index]!.length + list[index + 1]!.length + 32
    }
    return bytes <= this.#peerMaxListBytes
  }

  sendData(stream: H2Stream, slice: Buffer): boolean {
    if (stream.queue !== undefined) {
      stream.queue.push(slice)
      return false
    }
    const sent = this.#send(stream, slice)
    if (sent < slice.length) {
      stream.queue = [slice.subarray(sent)]
      this.#park(stream)
      return false
    }
    if (!this.#writer.full) return true
    this.#undrained.add(stream)
    return false
  }

  sendEnd(stream: H2Stream, trailers: Headers): void {
    if (stream.queue !== undefined) {
      stream.endsWith = trailers
      return
    }
    if (!this.#peerTakes(trailers, noHeaders)) {
      this.resetStream(stream, errorCodes.INTERNAL_ERROR)
      stream.receiver?.onLost({ message: 'the peer takes no trailers that large', unprocessed: false })
      return
    }
    if (trailers.length > 0) this.#writeFields(stream, trailers, noHeaders, END_STREAM)
    else this.#writer.endStream(stream.id)
    stream.localEnded = true
    if (stream.remoteEnded) this.#forget(stream, false)
    else if (stream.refusesRest) this.resetStream(stream, errorCodes.NO_ERROR)
  }

  resetStream(stream: H2Stream, error: number): void {
    this.#writer.reset(stream.id, error)
    this.#flood.resetOwn()
    this.#forget(stream, true)
  }

  blameStream(stream: H2Stream, error: number): void {
    const fault = this.#countReset(stream)
    this.resetStream(stream, error)
    if (fault !== undefined) this.fail(fault)
  }

  resumeStream(stream: H2Stream): void {
    stream.paused = false
    this.#release(stream)
    // A moment is what any socket takes; who takes longer reads slowly. Back to the window that everybody has then: what the
    // reader did not take is not asked for again.
    if (stream.pausedAt === this.#options.sweep.now) {
      this.#creditStream(stream)
      return
    }
    stream.throttled = true
    const excess = Math.min(stream.uncredited, stream.window - this.#initialReceiveWindow)
    stream.uncredited -= excess
    stream.window -= excess
    this.#creditStream(stream)
  }

  /**
   * The peer is told to open no more streams, in two steps so that none of its requests is lost (RFC 9113 section 6.8). A
   * connection that carried nothing yet takes one more request first.
   */
  retire(): void {
    if (this.#lastPeerStream === 0) this.#retiresWithNext = true
    else this.#announce()
  }

  /** Takes no more streams and ends when those that are open have. */
  close(): void {
    if (this.#refusing || this.#ending) return
    this.#refuse()
  }

  /** Cuts the connection; with an ending, what is open on it ends by that. */
  destroy(ending?: Ending): void {
    if (ending === undefined || this.#closed || this.#ending) {
      this.#socket.destroy()
      return
    }
    // First: each stream that is lost would else be room for a request that is lost at once.
    this.#ending = true
    this.#reader.stopped = true
    this.#loseAll(ending.message, ending.code)
    if (ending.farewell === undefined) {
      this.#socket.destroy()
      return
    }
    this.#writer.goaway(this.#lastPeerStream, errorCodes.INADEQUATE_SECURITY, ending.farewell)
    this.#finish(LINGER_MS)
  }

  /** A peer that breaks the protocol is told how, and loses the connection. */
  fail(code: H2FaultCode): void {
    if (this.#ending || this.#closed) return
    this.#owner.faulted(code)
    this.#writer.goaway(this.#lastPeerStream, errorOf(code))
    this.#end(LINGER_MS)
    this.#loseAll(h2Faults[code].text)
  }

  expired(): void {
    const { sweep } = this.#options
    const paused = this.#flood.mustPause
    this.#flood.sweep()
    if (paused) this.#owner.roomChanged()
    if (this.#ending) {
      if (this.#lingerUntil <= sweep.now) this.#socket.destroy()
      return
    }
    if (this.#partialUntil <= sweep.now) {
      this.fail('h2-timed-out')
      return
    }
    if (this.#streams.size > 0) {
      for (const stream of this.#streams.all()) if (stream.deadline <= sweep.now) stream.receiver?.onExpired()
    } else if (this.#idleUntil <= sweep.now) this.close()
  }

  frame(
    type: number,
    flags: number,
    streamId: number,
    bytes: Buffer,
    start: number,
    end: number,
  ): H2FaultCode | undefined {
    this.#framesRead += 1
    if (this.#block !== undefined) {
      if (type !== CONTINUATION || streamId !== this.#blockStream) return 'h2-frame-unexpected'
      return this.#continueBlock(flags, bytes, start, end)
    }
    if (!this.#greeted && (type !== SETTINGS || (flags & ACK) !== 0)) return 'h2-preface'
    switch (type) {
      case HEADERS:
        return this.#onHeaders(flags, streamId, bytes, start, end)
      case PRIORITY:
        return this.#onPriority(streamId, bytes, start, end)
      case RST_STREAM:
        return this.#onReset(streamId, bytes, start, end)
      case SETTINGS:
        return this.#onSettings(flags, streamId, bytes, start, end)
      case PING:
        return this.#onPing(flags, streamId, bytes, start, end)
      case GOAWAY:
        return this.#onGoaway(streamId, bytes, start, end)
      case WINDOW_UPDATE:
        return this.#onWindowUpdate(streamId, bytes, start, end)
      case PUSH_PROMISE:
      case CONTINUATION:
        return 'h2-frame-unexpected'
      default:
        // RFC 9113 section 5.5: unknown frames are ignored.
        return this.#flood.idleFrame()
    }
  }

  dataBegins(flags: number, streamId: number, length: number): H2FaultCode | undefined {
    this.#framesRead += 1
    if (!this.#greeted) return 'h2-preface'
    if (this.#block !== undefined || streamId === 0) return 'h2-frame-unexpected'
    this.#receiveWindow -= length
    if (this.#receiveWindow < 0) return 'h2-window-exceeded'
    const stream = this.#streams.get(streamId)
    this.#dataStream = stream
    this.#dataFlags = flags
    this.#dataLength = length
    this.#paddingLeft = length
    // What was on its way when we reset its stream is no flood.
    if (stream === undefined) return this.#recent.wasResetHere(streamId) ? undefined : this.#onStrayFrame(streamId)
    if (stream.remoteEnded) return this.#failStream(stream, 'h2-stream-closed')
    stream.receiveWindow -= length
    return stream.receiveWindow < 0 ? this.#failStream(stream, 'h2-window-exceeded') : undefined
  }

  dataSlice(slice: Buffer): void {
    const stream = this.#dataStream
    const size = slice.length
    this.#paddingLeft -= size
    if (stream === undefined || stream.closed) {
      this.#creditConnection(size)
      return
    }
    stream.uncredited += size
    if (!stream.receiver!.onData(slice) && !stream.paused) {
      stream.paused = true
      stream.pausedAt = this.#options.sweep.now
    }
    if (stream.closed) this.#creditConnection(size)
    else if (stream.paused) this.#hold(stream, size)
    else this.#creditConnection(size)
  }

  dataEnds(): void {
    const stream = this.#dataStream
    this.#dataStream = undefined
    if (this.#paddingLeft === this.#dataLength && (this.#dataFlags & END_STREAM) === 0) {
      const fault = this.#flood.idleFrame()
      if (fault !== undefined) return this.fail(fault)
    }
    if (this.#paddingLeft > 0) this.#creditConnection(this.#paddingLeft)
    if (stream === undefined || stream.closed) return
    stream.uncredited += this.#paddingLeft
    if ((this.#dataFlags & END_STREAM) !== 0) {
      stream.remoteEnded = true
      stream.receiver!.onEnd()
      if (stream.localEnded && !stream.closed) this.#forget(stream, false)
    } else this.#creditStream(stream)
  }

  get #initialReceiveWindow(): number {
    return Math.max(DEFAULT_WINDOW, this.#options.limits.streamWindowBytes)
  }

  #greet(): void {
    const { role, limits } = this.#options
    const writer = this.#writer
    const common = [
      [INITIAL_WINDOW_SIZE, limits.streamWindowBytes],
      [MAX_HEADER_LIST_SIZE, limits.maxHeadBytes],
    ] as const
    if (role === 'client') {
      writer.raw(PREFACE)
      writer.settings([[ENABLE_PUSH, 0], ...common])
    } else {
      writer.settings([[MAX_CONCURRENT_STREAMS, limits.maxConcurrentStreams], [ENABLE_CONNECT_PROTOCOL, 1], ...common])
    }
    if (limits.connectionWindowBytes > DEFAULT_WINDOW) {
      writer.windowUpdate(0, limits.connectionWindowBytes - DEFAULT_WINDOW)
    }
  }

  #onData(bytes: Buffer): void {
    if (this.#ending) return
    const fault = this.#reader.feed(bytes)
    if (fault !== undefined) this.fail(fault)
    else if (!this.#reader.pending && this.#block === undefined && this.#greeted) {
      this.#partialUntil = Number.POSITIVE_INFINITY
    } else if (this.#partialUntil === Number.POSITIVE_INFINITY || this.#framesRead !== this.#framesReadBefore) {
      const { sweep, limits } = this.#options
      // A field block in pieces is one thing: its frames do not prolong it.
      if (this.#block === undefined && this.#greeted) this.#partialUntil = sweep.in(limits.headTimeoutMs)
      else this.#partialUntil = Math.min(this.#partialUntil, sweep.in(limits.headTimeoutMs))
    }
    this.#framesReadBefore = this.#framesRead
  }

  #onDrain(): void {
    const waiting = [...this.#undrained]
    this.#undrained.clear()
    for (const stream of waiting) {
      if (stream.closed) continue
      if (this.#writer.full) this.#undrained.add(stream)
      else this.#goOn(stream)
    }
  }

  /** An end without GOAWAY: nothing that is open can be answered or finished. */
  #onEnd(): void {
    // First: each stream that is lost would else be room for a request that is lost at once.
    this.#end()
    this.#loseAll('the connection ended')
  }

  #onClose(): void {
    if (this.#closed) return
    this.#closed = true
    this.#reader.stopped = true
    this.#options.sweep.remove(this)
    this.#loseAll('the connection closed')
    this.#owner.closed()
  }

  #loseAll(message: string, code?: StreamFaultCode): void {
    for (const stream of this.#streams.all()) this.#lose(stream, message, false, code)
  }

  #lose(stream: H2Stream, message: string, unprocessed: boolean, code?: StreamFaultCode): void {
    this.#forget(stream, true)
    stream.receiver?.onLost({ message, unprocessed, code })
  }

  #failStream(stream: H2Stream, code: H2FaultCode): H2FaultCode | undefined {
    this.#owner.faulted(code)
    const fault = this.#countReset(stream)
    this.resetStream(stream, errorOf(code))
    stream.receiver?.onLost({ message: h2Faults[code].text, unprocessed: false })
    return fault
  }

  /** Whether it was the peer or we: a request that ends before its answer is work for nothing. */
  #countReset(stream: H2Stream): H2FaultCode | undefined {
    return this.#options.role === 'server' && !stream.answered ? this.#flood.reset() : undefined
  }

  /** A frame of a stream that is not open. Those that we reset may still send: that is ignored, everything else is not. */
  #onStrayFrame(streamId: number): H2FaultCode | undefined {
    if (this.#isIdle(streamId)) return this.#refusing ? undefined : 'h2-stream-idle'
    if (!this.#recent.wasResetHere(streamId)) {
      this.#owner.faulted('h2-stream-closed')
      this.#writer.reset(streamId, errorOf('h2-stream-closed'))
      return this.#floodOfAnswers()
    }
    return this.#flood.idleFrame()
  }

  #isIdle(streamId: number): boolean {
    const peers = (streamId & 1) === (this.#options.role === 'server' ? 1 : 0)
    return peers ? streamId > this.#lastPeerStream : streamId >= this.#nextStream || this.#options.role === 'server'
  }

  #onHeaders(flags: number, streamId: number, bytes: Buffer, start: number, end: number): H2FaultCode | undefined {
    if (streamId === 0) return 'h2-frame-unexpected'
    let from = start
    let to = end
    if ((flags & PADDED) !== 0) {
      if (from === to) return 'h2-frame-size'
      to -= bytes[from]!
      from += 1
    }
    let dependsOnItself = false
    if ((flags & WITH_PRIORITY) !== 0) {
      if (end - from < 5) return 'h2-frame-size'
      dependsOnItself = dependsOn(bytes, from) === streamId
      from += 5
    }
    if (to < from) return 'h2-padding'
    this.#blockStream = streamId
    this.#blockFlags = flags
    if (dependsOnItself) return 'h2-self-dependency'
    if ((flags & END_HEADERS) !== 0) return this.#onBlock(bytes, from, to)
    this.#block = new Gather()
    this.#blockFrames = 0
    return this.#continueBlock(0, bytes, from, to)
  }

  #continueBlock(flags: number, bytes: Buffer, start: number, end: number): H2FaultCode | undefined {
    const block = this.#block!
    this.#blockFrames += 1
    if (this.#blockFrames > MAX_BLOCK_FRAMES) return 'h2-continuation-flood'
    if (!block.add(bytes.subarray(start, end), this.#options.limits.maxHeadBytes)) return 'h2-field-block-too-large'
    if ((flags & END_HEADERS) === 0) return undefined
    this.#block = undefined
    const whole = block.take()
    return this.#onBlock(whole, 0, whole.length)
  }

  #onBlock(bytes: Buffer, start: number, end: number): H2FaultCode | undefined {
    const { limits, role } = this.#options
    const fields: string[] = []
    const decoder = this.#decoder
    // Pseudo-header fields are none of maxHeadFields.
    if (decoder.decode(bytes, start, end, fields, limits.maxHeadBytes, limits.maxHeadFields + 5) !== undefined)
      return 'h2-compression'
    const streamId = this.#blockStream
    const ended = (this.#blockFlags & END_STREAM) !== 0
    const stream = this.#streams.get(streamId)
    if (stream !== undefined) {
      if (stream.remoteEnded) return this.#failStream(stream, 'h2-stream-closed')
      if (ended) stream.remoteEnded = true
      stream.receiver!.onFields(fields, decoder.overflowed, ended)
      if (ended && stream.localEnded && !stream.closed) this.#forget(stream, false)
      return undefined
    }
    if (role === 'client') return this.#isIdle(streamId) ? 'h2-stream-idle' : this.#onStrayFrame(streamId)
    if ((streamId & 1) === 0) return 'h2-stream-id'
    if (streamId <= this.#lastPeerStream) {
      if (this.#recent.wasResetHere(streamId)) return this.#flood.idleFrame()
      return this.#recent.has(streamId) ? 'h2-stream-closed' : 'h2-stream-id'
    }
    // After the last GOAWAY the peer knows that this one is not looked at.
    if (this.#refusing) return this.#flood.idleFrame()
    this.#lastPeerStream = streamId
    if (this.#writer.queuedBytes > MAX_UNREAD_BYTES) return 'h2-answers-unread'
    return this.#openPeerStream(streamId, fields, decoder.overflowed, ended)
  }

  #openPeerStream(streamId: number, fields: string[], overflowed: boolean, ended: boolean): H2FaultCode | undefined {
    const { limits, sweep } = this.#options
    const stream = new H2Stream(this, streamId, this.#peerInitialWindow, this.#initialReceiveWindow)
    this.#streams.add(stream)
    if (this.#streams.size > limits.maxConcurrentStreams) return this.#failStream(stream, 'h2-too-many-streams')
    stream.remoteEnded = ended
    stream.deadline = sweep.in(limits.requestIdleTimeoutMs)
    this.#flood.explained(2)
    if (this.#retiresWithNext) {
      this.#retiresWithNext = false
      this.#announce()
    }
    this.#owner.opened(stream, fields, overflowed, ended)
    return undefined
  }

  #onPriority(streamId: number, bytes: Buffer, start: number, end: number): H2FaultCode | undefined {
    if (streamId === 0) return 'h2-frame-unexpected'
    const stream = this.#streams.get(streamId)
    const code =
      end - start !== 5 ? 'h2-frame-size' : dependsOn(bytes, start) === streamId ? 'h2-self-dependency' : undefined
    if (code === undefined) return this.#flood.idleFrame()
    if (stream !== undefined) return this.#failStream(stream, code)
    this.#owner.faulted(code)
    this.#writer.reset(streamId, errorOf(code))
    return this.#floodOfAnswers()
  }

  #onReset(streamId: number, bytes: Buffer, start: number, end: number): H2FaultCode | undefined {
    if (streamId === 0) return 'h2-frame-unexpected'
    if (end - start !== 4) return 'h2-frame-size'
    const stream = this.#streams.get(streamId)
    if (stream === undefined)
      return this.#isIdle(streamId) && !this.#refusing ? 'h2-stream-idle' : this.#flood.idleFrame()
    const error = bytes.readUInt32BE(start)
    const fault = this.#countReset(stream)
    this.#forget(stream, false)
    stream.receiver?.onLost({
      message: `the peer reset the stream with error ${error}`,
      unprocessed: error === errorCodes.REFUSED_STREAM,
      withoutError: error === errorCodes.NO_ERROR,
    })
    return fault
  }

  #onSettings(flags: number, streamId: number, bytes: Buffer, start: number, end: number): H2FaultCode | undefined {
    if (streamId !== 0) return 'h2-frame-unexpected'
    if ((flags & ACK) !== 0) return end === start ? this.#flood.idleFrame() : 'h2-frame-size'
    if ((end - start) % 6 !== 0) return 'h2-frame-size'
    if (end - start > 6 * MAX_SETTINGS) return 'h2-control-flood'
    for (let at = start; at < end; at += 6) {
      const fault = this.#onSetting(bytes.readUInt16BE(at), bytes.readUInt32BE(at + 2))
      if (fault !== undefined) return fault
    }
    this.#writer.settingsAck()
    // Behind the acknowledgement, which says that the new windows are in force.
    for (const stream of this.#streams.all()) {
      if (stream.queue !== undefined && stream.sendWindow > 0) this.#goOn(stream)
    }
    if (!this.#greeted) {
      this.#greeted = true
      this.#partialUntil = Number.POSITIVE_INFINITY
      this.#owner.greeted()
    }
    this.#owner.roomChanged()
    return this.#floodOfAnswers()
  }

  #onSetting(id: number, value: number): H2FaultCode | undefined {
    switch (id) {
      case HEADER_TABLE_SIZE:
        this.#encoder.setPeerTableSize(value)
        return undefined
      case ENABLE_PUSH:
        // Only a client may ask for pushes, and none of ours does.
        return value > (this.#options.role === 'server' ? 1 : 0) ? 'h2-setting' : undefined
      case MAX_CONCURRENT_STREAMS:
        this.#peerMaxStreams = value
        return undefined
      case INITIAL_WINDOW_SIZE:
        return this.#onInitialWindow(value)
      case MAX_FRAME_SIZE:
        return value < FRAME_BYTES || value > 0xff_ffff ? 'h2-setting' : undefined
      case MAX_HEADER_LIST_SIZE:
        this.#peerMaxListBytes = value
        return undefined
      case ENABLE_CONNECT_PROTOCOL:
        if (value > 1) return 'h2-setting'
        this.takesExtendedConnect = value === 1
        return undefined
      default:
        return undefined
    }
  }

  /** RFC 9113 section 6.9.2: what changes is the window of every open stream. */
  #onInitialWindow(value: number): H2FaultCode | undefined {
    if (value > LARGEST_WINDOW) return 'h2-window-overflow'
    const change = value - this.#peerInitialWindow
    this.#peerInitialWindow = value
    for (const stream of this.#streams.all()) {
      stream.sendWindow += change
      if (stream.sendWindow > LARGEST_WINDOW) return 'h2-window-overflow'
    }
    return undefined
  }

  #onPing(flags: number, streamId: number, bytes: Buffer, start: number, end: number): H2FaultCode | undefined {
    if (streamId !== 0) return 'h2-frame-unexpected'
    if (end - start !== 8) return 'h2-frame-size'
    if ((flags & ACK) === 0) {
      this.#writer.ping(true, bytes, start)
      return this.#floodOfAnswers()
    }
    if (this.#announced && bytes.compare(DRAIN_PING, 0, 8, start, end) === 0) this.#refuse()
    return this.#flood.idleFrame()
  }

  /** A frame that we answer: the answers to a peer that does not read them are counted for as long as it does not. */
  #floodOfAnswers(): H2FaultCode | undefined {
    this.#unreadAnswers = this.#writer.full ? this.#unreadAnswers + 1 : 0
    return this.#unreadAnswers > MAX_UNREAD_ANSWERS ? 'h2-answers-unread' : this.#flood.idleFrame()
  }

  #onGoaway(streamId: number, bytes: Buffer, start: number, end: number): H2FaultCode | undefined {
    if (streamId !== 0) return 'h2-frame-unexpected'
    if (end - start < 8) return 'h2-frame-size'
    this.#peerGoesAway = true
    const error = bytes.readUInt32BE(start + 4)
    this.#owner.goingAway(error, bytes.toString('latin1', start + 8, Math.min(end, start + 8 + MAX_DEBUG_BYTES)))
    if (this.#options.role === 'client') {
      const last = bytes.readUInt32BE(start) & 0x7fff_ffff
      for (const stream of this.#streams.all()) {
        if (stream.id > last) this.#lose(stream, 'the peer goes away', true)
      }
    }
    if (this.#streams.size === 0 && !this.#ending) this.#end()
    return this.#flood.idleFrame()
  }

  #onWindowUpdate(streamId: number, bytes: Buffer, start: number, end: number): H2FaultCode | undefined {
    if (end - start !== 4) return 'h2-frame-size'
    const increment = bytes.readUInt32BE(start) & 0x7fff_ffff
    const flood = this.#flood.idleFrame()
    if (flood !== undefined) return flood
    if (streamId === 0) {
      if (increment === 0) return 'h2-window-increment'
      this.#sendWindow += increment
      if (this.#sendWindow > LARGEST_WINDOW) return 'h2-window-overflow'
      this.#feedStarved()
      return undefined
    }
    const stream = this.#streams.get(streamId)
    if (stream === undefined) return this.#isIdle(streamId) && !this.#refusing ? 'h2-stream-idle' : undefined
    if (increment === 0) return this.#failStream(stream, 'h2-window-increment')
    stream.sendWindow += increment
    if (stream.sendWindow > LARGEST_WINDOW) return this.#failStream(stream, 'h2-window-overflow')
    if (stream.queue !== undefined) this.#goOn(stream)
    return undefined
  }

  #feedStarved(): void {
    for (const stream of this.#starved) {
      if (this.#sendWindow === 0) return
      this.#starved.delete(stream)
      this.#goOn(stream)
    }
  }

  /** Sends what waits, as far as there is room, and then lets the source go on. */
  #goOn(stream: H2Stream): void {
    const { queue } = stream
    if (queue !== undefined) {
      for (let first = queue[0]; first !== undefined; first = queue[0]) {
        const sent = this.#send(stream, first)
        if (sent < first.length) {
          queue[0] = first.subarray(sent)
          this.#park(stream)
          return
        }
        queue.shift()
      }
      stream.queue = undefined
      if (stream.endsWith !== undefined) {
        this.sendEnd(stream, stream.endsWith)
        return
      }
    }
    if (this.#writer.full) this.#undrained.add(stream)
    else stream.receiver?.onWritable()
  }

  /** A stream that has a window of its own waits for the socket, or for the connection's window. */
  #park(stream: H2Stream): void {
    if (this.#writer.full) this.#undrained.add(stream)
    else if (stream.sendWindow > 0) this.#starved.add(stream)
  }

  /**
   * Sends as much of `slice` as the windows allow; returns how much. Nothing into a full socket: a stream whose response
   * waits is open and counts, so that a peer that asks without reading is bounded by its streams.
   */
  #send(stream: H2Stream, slice: Buffer): number {
    if (this.#writer.full) return 0
    const allowed = Math.min(slice.length, stream.sendWindow, this.#sendWindow)
    if (allowed <= 0) return 0
    this.#writer.data(stream.id, allowed === slice.length ? slice : slice.subarray(0, allowed))
    // Who reads in small pieces gives back each window in pieces of some 4 KiB.
    this.#flood.explained(2 + (allowed >> 11))
    stream.sendWindow -= allowed
    this.#sendWindow -= allowed
    return allowed
  }

  #hold(stream: H2Stream, size: number): void {
    const { budget } = this.#options
    stream.held += size
    budget.hold(size)
    if (budget.exhausted) stream.owed += size
    else this.#creditConnection(size)
  }

  #release(stream: H2Stream): void {
    this.#options.budget.release(stream.held)
    stream.held = 0
    if (stream.owed > 0) this.#creditConnection(stream.owed)
    stream.owed = 0
  }

  #creditConnection(size: number): void {
    this.#uncredited += size
    if (this.#uncredited * 4 < this.#options.limits.connectionWindowBytes) return
    this.#receiveWindow += this.#uncredited
    this.#writer.windowUpdate(0, this.#uncredited)
    this.#uncredited = 0
  }

  #creditStream(stream: H2Stream): void {
    if (stream.paused || stream.remoteEnded || stream.closed) return
    if (stream.uncredited * 2 < stream.window) return
    const credit = stream.uncredited + this.#growth(stream)
    stream.receiveWindow += credit
    stream.uncredited = 0
    stream.throttled = false
    this.#writer.windowUpdate(stream.id, credit)
  }

  /** By how much the window of a stream grows whose reader keeps up, so that it need not wait for its peer. */
  #growth(stream: H2Stream): number {
    const { limits, budget } = this.#options
    if (stream.throttled || budget.crowded) return 0
    const growth = Math.max(0, Math.min(stream.window, limits.connectionWindowBytes / 2 - stream.window))
    stream.window += growth
    return growth
  }

  /** The stream is over. */
  #forget(stream: H2Stream, resetHere: boolean): void {
    if (stream.closed) return
    stream.closed = true
    stream.queue = undefined
    this.#streams.delete(stream)
    this.#starved.delete(stream)
    this.#undrained.delete(stream)
    this.#recent.add(stream.id, resetHere)
    if (stream.held > 0) this.#release(stream)
    if (this.#streams.size === 0) {
      const { sweep, limits } = this.#options
      this.#idleUntil = sweep.in(limits.connectionIdleTimeoutMs)
      if (this.#refusing || this.#peerGoesAway) this.#end()
    }
    this.#owner.roomChanged()
  }

  #announce(): void {
    if (this.#announced || this.#refusing || this.#ending) return
    this.#announced = true
    this.#writer.goaway(LARGEST_STREAM_ID, errorCodes.NO_ERROR)
    this.#writer.ping(false, DRAIN_PING, 0)
  }

  #refuse(): void {
    if (this.#refusing || this.#ending) return
    this.#refusing = true
    this.#writer.goaway(this.#lastPeerStream, errorCodes.NO_ERROR)
    if (this.#streams.size === 0) this.#end()
  }

  /**
   * Sends what is left, for which the peer has `patienceMs`, ends our side, and reads on for a moment without looking.
   */
  #end(patienceMs: number = this.#options.limits.requestIdleTimeoutMs): void {
    if (this.#ending) return
    this.#ending = true
    this.#reader.stopped = true
    this.#finish(patienceMs)
  }

  #finish(patienceMs: number): void {
    const { sweep } = this.#options
    this.#lingerUntil = sweep.in(patienceMs)
    this.#writer.flush()
    this.#socket.end(() => {
      this.#lingerUntil = sweep.in(LINGER_MS)
    })
    this.#socket.resume()
  }
}

/** The first field of a priority, without its exclusive bit. Priorities themselves are ignored (RFC 9113 section 5.3). */
function dependsOn(bytes: Buffer, at: number): number {
  return bytes.readUInt32BE(at) & 0x7fff_ffff
}
