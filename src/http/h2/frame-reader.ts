import { Gather } from '../gather.ts'
import type { H2FaultCode } from './fault.ts'
import { DATA, FRAME_BYTES, FRAME_HEADER_BYTES, PADDED, PREFACE } from './frame.ts'

/** Takes the frames of one connection. A fault that is returned ends the connection. */
export interface FrameSink {
  /** A whole frame of any type but DATA; its payload is `bytes` from `start` to `end`. */
  frame(
    type: number,
    flags: number,
    streamId: number,
    bytes: Buffer,
    start: number,
    end: number,
  ): H2FaultCode | undefined
  /** DATA begins. `length` is what counts against the windows: content and padding. */
  dataBegins(flags: number, streamId: number, length: number): H2FaultCode | undefined
  dataSlice(slice: Buffer): void
  dataEnds(): void
}

/**
 * Cuts a connection's bytes into frames (RFC 9113 section 4.1). Content of DATA is passed on as it comes, without a copy;
 * other frames are gathered when they come in pieces, so that what is held is one frame at most.
 */
export class FrameReader {
  readonly #sink: FrameSink
  /** Bytes of the client's preface that are still to come. */
  #prefaceLeft: number
  #partial: Gather | undefined
  #dataLeft = 0
  #paddingLeft = 0
  #awaitsPaddingLength = false
  /** No more frames are passed on. */
  stopped = false

  constructor(sink: FrameSink, expectsPreface: boolean) {
    this.#sink = sink
    this.#prefaceLeft = expectsPreface ? PREFACE.length : 0
  }

  /** Whether the beginning of something other than DATA waits for its rest. */
  get pending(): boolean {
    return this.#partial !== undefined || this.#prefaceLeft > 0
  }

  feed(bytes: Buffer): H2FaultCode | undefined {
    let at = 0
    if (this.#prefaceLeft > 0) {
      const from = PREFACE.length - this.#prefaceLeft
      at = Math.min(this.#prefaceLeft, bytes.length)
      if (bytes.compare(PREFACE, from, from + at, 0, at) !== 0) return 'h2-preface'
      this.#prefaceLeft -= at
    }
    while (at < bytes.length && !this.stopped) {
      let next: number | H2FaultCode
      if (this.#awaitsPaddingLength || this.#dataLeft > 0 || this.#paddingLeft > 0) next = this.#readData(bytes, at)
      else if (this.#partial !== undefined || bytes.length - at < FRAME_HEADER_BYTES) next = this.#gather(bytes, at)
      else next = this.#readFrame(bytes, at)
      if (typeof next === 'string') return next
      at = next
    }
    return undefined
  }

  /** `bytes` has at least a frame's header at `at`. */
  #readFrame(bytes: Buffer, at: number): number | H2FaultCode {
    const length = (bytes[at]! << 16) | (bytes[at + 1]! << 8) | bytes[at + 2]!
    const type = bytes[at + 3]!
    const start = at + FRAME_HEADER_BYTES
    if (length > FRAME_BYTES) return 'h2-frame-size'
    if (type === DATA) return this.#beginData(bytes, at, length) ?? start
    const end = start + length
    if (end > bytes.length) return this.#gather(bytes, at)
    return this.#sink.frame(type, bytes[at + 4]!, streamIdAt(bytes, at), bytes, start, end) ?? end
  }

  #beginData(bytes: Buffer, at: number, length: number): H2FaultCode | undefined {
    const flags = bytes[at + 4]!
    const padded = (flags & PADDED) !== 0
    if (padded && length === 0) return 'h2-frame-size'
    const fault = this.#sink.dataBegins(flags, streamIdAt(bytes, at), length)
    if (fault !== undefined) return fault
    this.#dataLeft = length
    this.#awaitsPaddingLength = padded
    if (length === 0) this.#sink.dataEnds()
    return undefined
  }

  #readData(bytes: Buffer, start: number): number | H2FaultCode {
    let at = start
    if (this.#awaitsPaddingLength) {
      this.#awaitsPaddingLength = false
      this.#paddingLeft = bytes[at]!
      this.#dataLeft -= 1 + this.#paddingLeft
      if (this.#dataLeft < 0) return 'h2-padding'
      at += 1
    }
    const end = Math.min(bytes.length, at + this.#dataLeft)
    if (end > at) {
      this.#dataLeft -= end - at
      this.#sink.dataSlice(at === 0 && end === bytes.length ? bytes : bytes.subarray(at, end))
      at = end
    }
    if (this.#dataLeft > 0) return at
    const skipped = Math.min(bytes.length - at, this.#paddingLeft)
    this.#paddingLeft -= skipped
    if (this.#paddingLeft === 0) this.#sink.dataEnds()
    return at + skipped
  }

  /** Collects a frame that comes in pieces: first its header, then as much as that says. */
  #gather(bytes: Buffer, start: number): number | H2FaultCode {
    this.#partial ??= new Gather()
    const partial = this.#partial
    let at = start
    if (partial.length < FRAME_HEADER_BYTES) {
      at = take(partial, bytes, at, FRAME_HEADER_BYTES)
      if (partial.length < FRAME_HEADER_BYTES) return at
    }
    const header = partial.view()
    const length = header.readUIntBE(0, 3)
    if (length > FRAME_BYTES) return 'h2-frame-size'
    if (header[3] === DATA) {
      this.#partial = undefined
      return this.#beginData(header, 0, length) ?? at
    }
    const whole = FRAME_HEADER_BYTES + length
    at = take(partial, bytes, at, whole)
    if (partial.length < whole) return at
    this.#partial = undefined
    const frame = partial.take()
    return this.#sink.frame(frame[3]!, frame[4]!, streamIdAt(frame, 0), frame, FRAME_HEADER_BYTES, whole) ?? at
  }
}

function take(partial: Gather, bytes: Buffer, at: number, whole: number): number {
  const end = Math.min(bytes.length, at + whole - partial.length)
  partial.add(bytes.subarray(at, end), whole)
  return end
}

/** The highest bit is reserved and ignored. */
function streamIdAt(bytes: Buffer, at: number): number {
  return ((bytes[at + 5]! & 0x7f) << 24) | (bytes[at + 6]! << 16) | (bytes[at + 7]! << 8) | bytes[at + 8]!
}
