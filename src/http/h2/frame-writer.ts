import type { Duplex } from 'node:stream'
import { atEndOfTurn } from '../end-of-turn.ts'
import { COPY_BYTES, FLUSH_BYTES, writeParts } from '../outbox.ts'
import {
  ACK,
  CONTINUATION,
  DATA,
  END_HEADERS,
  END_STREAM,
  FRAME_BYTES,
  FRAME_HEADER_BYTES,
  GOAWAY,
  HEADERS,
  PING,
  RST_STREAM,
  SETTINGS,
  WINDOW_UPDATE,
} from './frame.ts'

/** Content of DATA up to this is copied behind its header; more is handed over as it is. */
const COPIED_CONTENT_BYTES = 2048
/** Header and content of one DATA frame fill one TLS record, so that the peer reads whole frames. */
export const CONTENT_BYTES: number = FRAME_BYTES - FRAME_HEADER_BYTES

const CHUNK_BYTES = 16 * 1024
/** A chunk that is filled beyond this is written itself and not kept. */
const KEPT_BYTES = 4096
const MAX_FREE_CHUNKS = 64
/** Chunks belong to a connection only from its first frame of a turn to the end of that turn. */
const freeChunks: Buffer[] = []

/**
 * Gathers the frames that one connection writes within one turn of the event loop into one write: with many streams, one
 * TLS record and one system call serve them all.
 */
export class FrameWriter {
  readonly #socket: Duplex
  #chunk: Buffer | undefined
  /** What is in the chunk and not among the parts lies between these. */
  #start = 0
  #at = 0
  #parts: Buffer[] = []
  #partBytes = 0
  #scheduled = false
  /** The frame that was written last, when END_STREAM may still be added to it. */
  #lastStreamId = 0
  #lastChunk: Buffer | undefined
  #lastFlagsAt = 0

  constructor(socket: Duplex) {
    this.#socket = socket
  }

  /** Whether more than the socket wants to hold waits. */
  get full(): boolean {
    return this.#socket.writableNeedDrain
  }

  /** Room for a field block of at most `bound` bytes, to be written from `blockStart` on; `headers` must follow. */
  beginHeaders(bound: number): Buffer {
    return this.#reserve(FRAME_HEADER_BYTES + bound)
  }

  get blockStart(): number {
    return this.#at + FRAME_HEADER_BYTES
  }

  /** HEADERS, and CONTINUATION when the block, which ends at `end`, is long. `flags`: END_STREAM or none. */
  headers(streamId: number, end: number, flags: number): void {
    const chunk = this.#chunk!
    const header = this.#at
    const start = header + FRAME_HEADER_BYTES
    if (end - start <= FRAME_BYTES) {
      writeHeader(chunk, header, end - start, HEADERS, flags | END_HEADERS, streamId)
      this.#at = end
    } else {
      writeHeader(chunk, header, FRAME_BYTES, HEADERS, flags, streamId)
      this.#continueBlock(streamId, chunk, start + FRAME_BYTES, end)
    }
    this.#lastStreamId = streamId
    this.#lastChunk = chunk
    this.#lastFlagsAt = header + 4
    this.flushLater()
  }

  #continueBlock(streamId: number, chunk: Buffer, start: number, end: number): void {
    const rest = Buffer.from(chunk.subarray(start, end))
    this.#at = start
    for (let from = 0; from < rest.length; from += FRAME_BYTES) {
      const piece = rest.subarray(from, from + FRAME_BYTES)
      const last = from + FRAME_BYTES >= rest.length
      const into = this.#frame(CONTINUATION, last ? END_HEADERS : 0, streamId, piece.length)
      piece.copy(into, this.#at - piece.length)
    }
  }

  /** DATA, in as many frames as it takes, which leave in one write. */
  data(streamId: number, content: Buffer): void {
    if (content.length <= CONTENT_BYTES) this.#dataFrame(streamId, content)
    else {
      for (let at = 0; at < content.length; at += CONTENT_BYTES) {
        this.#dataFrame(streamId, content.subarray(at, at + CONTENT_BYTES))
      }
    }
    this.flushLater()
  }

  #dataFrame(streamId: number, content: Buffer): void {
    const length = content.length
    if (length <= COPIED_CONTENT_BYTES) {
      const chunk = this.#frame(DATA, 0, streamId, length)
      content.copy(chunk, this.#at - length)
      this.#remember(streamId, chunk, this.#at - length)
    } else {
      const chunk = this.#reserve(FRAME_HEADER_BYTES)
      writeHeader(chunk, this.#at, length, DATA, 0, streamId)
      this.#at += FRAME_HEADER_BYTES
      this.#remember(streamId, chunk, this.#at)
      this.#seal()
      this.#parts.push(content)
      this.#partBytes += length
    }
  }

  /** Ends our half of a stream: on its last frame when that is still here, else with an empty one. */
  endStream(streamId: number): void {
    if (this.#lastStreamId === streamId && this.#lastChunk !== undefined) {
      this.#lastChunk[this.#lastFlagsAt]! |= END_STREAM
      this.#lastStreamId = 0
    } else {
      this.#frame(DATA, END_STREAM, streamId, 0)
      this.flushLater()
    }
  }

  settings(values: readonly (readonly [id: number, value: number])[]): void {
    const chunk = this.#frame(SETTINGS, 0, 0, 6 * values.length)
    let at = this.#at - 6 * values.length
    for (const [id, value] of values) {
      at = chunk.writeUInt16BE(id, at)
      at = chunk.writeUInt32BE(value, at)
    }
    this.flushLater()
  }

  settingsAck(): void {
    this.#frame(SETTINGS, ACK, 0, 0)
    this.flushLater()
  }

  /** `bytes` has 8 bytes from `start` on. */
  ping(ack: boolean, bytes: Buffer, start: number): void {
    const chunk = this.#frame(PING, ack ? ACK : 0, 0, 8)
    bytes.copy(chunk, this.#at - 8, start, start + 8)
    this.flushLater()
  }

  /** `debug` is ASCII. */
  goaway(lastStreamId: number, error: number, debug = ''): void {
    const { length } = debug
    const chunk = this.#frame(GOAWAY, 0, 0, 8 + length)
    const start = this.#at - length
    chunk.writeUInt32BE(lastStreamId, start - 8)
    chunk.writeUInt32BE(error, start - 4)
    chunk.write(debug, start, length, 'latin1')
    this.flushLater()
  }

  /** RST_STREAM. */
  reset(streamId: number, error: number): void {
    const chunk = this.#frame(RST_STREAM, 0, streamId, 4)
    chunk.writeUInt32BE(error, this.#at - 4)
    this.flushLater()
  }

  windowUpdate(streamId: number, increment: number): void {
    const chunk = this.#frame(WINDOW_UPDATE, 0, streamId, 4)
    chunk.writeUInt32BE(increment, this.#at - 4)
    this.flushLater()
  }

  /** Bytes that wait: here, and in the socket. */
  get queuedBytes(): number {
    return this.#partBytes + this.#at - this.#start + this.#socket.writableLength
  }

  /** For bytes that are no frame: the client's preface. */
  raw(bytes: Buffer): void {
    const chunk = this.#reserve(bytes.length)
    bytes.copy(chunk, this.#at)
    this.#at += bytes.length
    this.flushLater()
  }

  flushLater(): void {
    if (this.#partBytes + this.#at - this.#start >= FLUSH_BYTES) this.flush()
    else if (!this.#scheduled) {
      this.#scheduled = true
      atEndOfTurn(this)
    }
  }

  flush(): void {
    this.#scheduled = false
    this.#lastStreamId = 0
    this.#lastChunk = undefined
    const chunk = this.#chunk
    if (this.#parts.length === 0) {
      if (chunk === undefined) return
      const end = this.#at
      this.#chunk = undefined
      this.#at = 0
      if (end > KEPT_BYTES) {
        this.#socket.write(chunk.subarray(0, end))
        return
      }
      // From Node's pool: cheaper than a buffer of its own, and the chunk can be used again at once.
      const copy = Buffer.allocUnsafe(end)
      chunk.copy(copy, 0, 0, end)
      this.#socket.write(copy)
      if (freeChunks.length < MAX_FREE_CHUNKS && chunk.length === CHUNK_BYTES) freeChunks.push(chunk)
      return
    }
    this.#seal()
    const parts = this.#parts
    const size = this.#partBytes
    this.#parts = []
    this.#partBytes = 0
    this.#chunk = undefined
    this.#start = 0
    this.#at = 0
    writeParts(this.#socket, parts, size)
    if (size <= COPY_BYTES && chunk !== undefined && freeChunks.length < MAX_FREE_CHUNKS) {
      if (chunk.length === CHUNK_BYTES) freeChunks.push(chunk)
    }
  }

  #remember(streamId: number, chunk: Buffer, contentAt: number): void {
    this.#lastStreamId = streamId
    this.#lastChunk = chunk
    this.#lastFlagsAt = contentAt - FRAME_HEADER_BYTES + 4
  }

  /** Writes a frame's header and leaves room for its payload, which ends at `#at`. */
  #frame(type: number, flags: number, streamId: number, length: number): Buffer {
    const chunk = this.#reserve(FRAME_HEADER_BYTES + length)
    writeHeader(chunk, this.#at, length, type, flags, streamId)
    this.#at += FRAME_HEADER_BYTES + length
    return chunk
  }

  /** A chunk with room for `bytes` at `#at`. */
  #reserve(bytes: number): Buffer {
    const present = this.#chunk
    if (present !== undefined && present.length - this.#at >= bytes) return present
    this.#seal()
    const chunk =
      bytes > CHUNK_BYTES ? Buffer.allocUnsafeSlow(bytes) : (freeChunks.pop() ?? Buffer.allocUnsafeSlow(CHUNK_BYTES))
    this.#chunk = chunk
    this.#start = 0
    this.#at = 0
    return chunk
  }

  /** What the chunk holds becomes a part. */
  #seal(): void {
    const chunk = this.#chunk
    if (chunk === undefined || this.#at === this.#start) return
    this.#parts.push(chunk.subarray(this.#start, this.#at))
    this.#partBytes += this.#at - this.#start
    this.#start = this.#at
  }
}

function writeHeader(chunk: Buffer, at: number, length: number, type: number, flags: number, streamId: number): void {
  chunk[at] = length >>> 16
  chunk[at + 1] = length >>> 8
  chunk[at + 2] = length
  chunk[at + 3] = type
  chunk[at + 4] = flags
  chunk[at + 5] = streamId >>> 24
  chunk[at + 6] = streamId >>> 16
  chunk[at + 7] = streamId >>> 8
  chunk[at + 8] = streamId
}
