import { type Headers, noHeaders } from '../headers.ts'
import type { HttpLimits } from '../limits.ts'
import type { ProtocolFaultCode } from '../protocol-fault.ts'
import { Gather, hasBareLineFeed } from '../gather.ts'
import { parseTrailers } from './head.ts'
import { CR, hexDigit, LF, valueByte } from '../syntax.ts'

/** Where the decoded body goes. */
export interface BodyTarget {
  bodyData(slice: Buffer): void
  bodyEnd(trailers: Headers): void
}

/**
 * Takes body bytes out of a connection's stream. `feed` returns the index after the last byte that belonged to the
 * body, or a fault; it is not called again after it has called `bodyEnd`.
 */
export interface BodyDecoder {
  feed(bytes: Buffer, at: number, target: BodyTarget): number | ProtocolFaultCode
}

/** RFC 9112 section 6.2. `length` is at least 1: a body of no bytes needs no decoder. */
export class LengthDecoder implements BodyDecoder {
  #left: number

  constructor(length: number) {
    this.#left = length
  }

  feed(bytes: Buffer, at: number, target: BodyTarget): number {
    const end = Math.min(bytes.length, at + this.#left)
    this.#left -= end - at
    if (end > at) target.bodyData(at === 0 && end === bytes.length ? bytes : bytes.subarray(at, end))
    if (this.#left === 0) target.bodyEnd(noHeaders)
    return end
  }
}

/** A response body that ends with its connection (RFC 9112 section 6.3 item 8): the connection calls `bodyEnd`. */
export class UntilCloseDecoder implements BodyDecoder {
  feed(bytes: Buffer, at: number, target: BodyTarget): number {
    if (at < bytes.length) target.bodyData(bytes.subarray(at))
    return bytes.length
  }
}

/** More would be 2^52 and beyond what a number holds exactly. */
const MAX_SIZE_DIGITS = 13
const MAX_EXTENSION_BYTES = 4096
const SECTION_END = Buffer.from('\r\n\r\n')
const CRLF_LENGTH = 2
/** `find` answers -1, and the CRLF of the last field line is part of the section. */
const NOT_FOUND = -1 + CRLF_LENGTH
const SEMICOLON = 0x3b
/** `;name[=value]`, repeated; neither white space around them nor escapes in a quoted value. */
const extensionsPattern = /^(?:;[!#$%&'*+.^_`|~\w-]+(?:=(?:[!#$%&'*+.^_`|~\w-]+|"[^"\\]*"))?)+$/

type ChunkState = 'size' | 'extension' | 'size-lf' | 'data' | 'data-cr' | 'data-lf' | 'trailers'

/** RFC 9112 section 7.1. Extensions are checked, counted over the whole body and dropped. */
export class ChunkedDecoder implements BodyDecoder {
  readonly #limits: HttpLimits
  #state: ChunkState = 'size'
  #size = 0
  #digits = 0
  #extensionBytes = 0
  /** Of the present chunk, behind the first semicolon. */
  #extensions = ''
  #section: Gather | undefined

  constructor(limits: HttpLimits) {
    this.#limits = limits
  }

  feed(bytes: Buffer, start: number, target: BodyTarget): number | ProtocolFaultCode {
    let at = start
    while (at < bytes.length) {
      switch (this.#state) {
        case 'size': {
          const code = bytes[at]!
          const digit = hexDigit[code]!
          if (digit !== 255) {
            if (++this.#digits > MAX_SIZE_DIGITS) return 'chunk-malformed'
            this.#size = this.#size * 16 + digit
          } else if (this.#digits === 0) return code === LF ? 'bare-line-feed' : 'chunk-malformed'
          else if (code === CR) this.#state = 'size-lf'
          else if (code === SEMICOLON) this.#state = 'extension'
          else return code === LF ? 'bare-line-feed' : 'chunk-malformed'
          at += 1
          break
        }
        case 'extension': {
          const code = bytes[at]!
          if (code === CR) {
            if (!extensionsPattern.test(`;${this.#extensions}`)) return 'chunk-malformed'
            this.#extensions = ''
            this.#state = 'size-lf'
          } else if (code === LF) return 'bare-line-feed'
          else if (valueByte[code] !== 1) return 'chunk-malformed'
          else if (++this.#extensionBytes > MAX_EXTENSION_BYTES) return 'chunk-extensions-too-large'
          else this.#extensions += String.fromCharCode(code)
          at += 1
          break
        }
        case 'size-lf':
          if (bytes[at] !== LF) return 'bare-carriage-return'
          at += 1
          this.#state = this.#size === 0 ? 'trailers' : 'data'
          break
        case 'data': {
          const end = Math.min(bytes.length, at + this.#size)
          this.#size -= end - at
          target.bodyData(bytes.subarray(at, end))
          at = end
          if (this.#size === 0) this.#state = 'data-cr'
          break
        }
        case 'data-cr':
          if (bytes[at] !== CR) return bytes[at] === LF ? 'bare-line-feed' : 'chunk-malformed'
          at += 1
          this.#state = 'data-lf'
          break
        case 'data-lf':
          if (bytes[at] !== LF) return 'bare-carriage-return'
          at += 1
          this.#state = 'size'
          this.#size = 0
          this.#digits = 0
          break
        case 'trailers':
          return this.#trailers(bytes, at, target)
      }
    }
    return at
  }

  /** The section after the last chunk ends with an empty line; the common empty section is that line alone. */
  #trailers(bytes: Buffer, at: number, target: BodyTarget): number | ProtocolFaultCode {
    if (this.#section === undefined && bytes[at] === CR && bytes[at + 1] === LF) {
      target.bodyEnd(noHeaders)
      return at + 2
    }
    this.#section ??= new Gather()
    const section = this.#section
    const had = section.length
    // Take no more than the bound, and give back below what belongs to the next message.
    const slice = bytes.subarray(at, at + this.#limits.maxHeadBytes - had)
    section.add(slice, this.#limits.maxHeadBytes)
    const seen = section.view()
    const end = seen[0] === CR && seen[1] === LF ? 0 : section.find(SECTION_END) + CRLF_LENGTH
    if (end === NOT_FOUND) {
      if (seen.length >= this.#limits.maxHeadBytes) return 'head-too-large'
      return hasBareLineFeed(seen, had) ? 'bare-line-feed' : at + slice.length
    }
    const trailers = parseTrailers(seen.toString('latin1', 0, end), this.#limits)
    if (typeof trailers === 'string') return trailers
    target.bodyEnd(trailers)
    return at + (end + CRLF_LENGTH - had)
  }
}
