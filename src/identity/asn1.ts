import asn1, { type Asn1 } from 'node-forge/lib/asn1.js'
import { OutriderError } from '../lib/errors.ts'

/** One element of a DER encoding. Buffers are views of one private copy of the input. */
export interface Element {
  /** The identifier octet: class, constructed bit and number. */
  readonly tag: number
  /** The whole encoding, header included. */
  readonly der: Buffer
  readonly content: Buffer
  /** Empty for a primitive element. */
  readonly children: readonly Element[]
}

/** Identifier octets (X.690, 8.1.2). */
export const tags = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  null: 0x05,
  oid: 0x06,
  utf8String: 0x0c,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
} as const

const CONTEXT = 0x80
const CONSTRUCTED = 0x20
const MAX_DEPTH = 16

/** `[number]`, primitive. */
export const context = (number: number): number => CONTEXT | number
/** `[number]`, constructed. */
export const contextConstructed = (number: number): number => CONTEXT | CONSTRUCTED | number

export const derErrorCodes = ['der-too-large', 'der-malformed', 'der-not-canonical'] as const
export type DerErrorCode = (typeof derErrorCodes)[number]

/** Throws `OutriderError<DerErrorCode>`. */
export function malformed(message: string): OutriderError<'der-malformed'> {
  return new OutriderError('der-malformed', message)
}

/**
 * The error with the code that `codes` gives to its DER code, so that a caller reports in the words of what it read;
 * anything else as it is.
 */
export function relabel(thrown: unknown, codes: Readonly<Record<DerErrorCode, string>>): unknown {
  if (!(thrown instanceof OutriderError)) return thrown
  const code = derErrorCodes.find((code) => code === thrown.code)
  return code === undefined ? thrown : new OutriderError(codes[code], thrown.message)
}

/**
 * Decodes exactly one element. forge reads BER, so what it read must encode to the very same bytes again, and the forms
 * it leaves open are checked here: then there is one encoding per value (X.690, 10 and 11) and what is compared or
 * verified as bytes is what was read. Throws `OutriderError<DerErrorCode>`.
 */
export function decode(bytes: Uint8Array, maxBytes: number): Element {
  if (bytes.length > maxBytes)
    throw new OutriderError('der-too-large', `has ${bytes.length} bytes, at most ${maxBytes} are allowed`)
  const input = Buffer.from(bytes)
  const text = input.toString('latin1')
  let read: Asn1
  try {
    read = asn1.fromDer(text, { strict: true, parseAllBytes: true, decodeBitStrings: false, maxDepth: MAX_DEPTH })
  } catch (cause) {
    throw new OutriderError('der-malformed', 'is not DER', { cause })
  }
  if (asn1.toDer(read).getBytes() !== text) throw new OutriderError('der-not-canonical', 'is BER, not DER')
  return view(read, input, 0)
}

/** Lays the tree that forge read over the bytes. The encoding is known to be canonical, so lengths can be taken as read. */
function view(read: Asn1, input: Buffer, start: number): Element {
  const tag = input.readUInt8(start)
  const first = input.readUInt8(start + 1)
  const lengthOctets = first < 0x80 ? 0 : first - 0x80
  const length = lengthOctets === 0 ? first : input.readUIntBE(start + 2, lengthOctets)
  const contentStart = start + 2 + lengthOctets
  const content = input.subarray(contentStart, contentStart + length)
  const children: Element[] = []
  if (typeof read.value !== 'string') {
    let next = contentStart
    for (const child of read.value) {
      const element = view(child, input, next)
      children.push(element)
      next += element.der.length
    }
  }
  const element = { tag, der: input.subarray(start, contentStart + length), content, children }
  checkForm(element)
  return element
}

function checkForm({ tag, content, children }: Element): void {
  if ((tag & 0x1f) === 0x1f) throw malformed('has a tag number above 30')
  if (tag >= 0x40) return
  const isList = (tag | CONSTRUCTED) === tags.sequence || (tag | CONSTRUCTED) === tags.set
  if (isList !== ((tag & CONSTRUCTED) !== 0))
    throw new OutriderError('der-not-canonical', `has a universal element with the identifier 0x${tag.toString(16)}`)
  switch (tag) {
    case tags.boolean:
      if (content.length !== 1) throw malformed('has a boolean that is not one byte')
      if (content[0] !== 0x00 && content[0] !== 0xff) throw new OutriderError('der-not-canonical', 'has a BER boolean')
      return
    case tags.integer:
      if (content.length === 0) throw malformed('has an empty integer')
      return
    case tags.null:
      if (content.length !== 0) throw malformed('has a null with content')
      return
    case tags.bitString: {
      const unused = content[0]
      if (unused === undefined || unused > 7 || (content.length === 1 && unused !== 0))
        throw malformed('has a bad bit string')
      if (((content.at(-1) ?? 0) & ((1 << unused) - 1)) !== 0 && content.length > 1)
        throw new OutriderError('der-not-canonical', 'has a bit string with padding that is not zero')
      return
    }
    case tags.oid:
      checkOid(content)
      return
    case tags.set:
      for (let index = 1; index < children.length; index += 1)
        if (Buffer.compare(children[index - 1]!.der, children[index]!.der) > 0)
          throw new OutriderError('der-not-canonical', 'has a set that is not in order')
      return
    default:
  }
}

/** Every arc ends, and none starts with padding: two encodings are two identifiers. */
function checkOid(content: Buffer): void {
  let arcStart = true
  for (const byte of content) {
    if (arcStart && byte === 0x80) throw new OutriderError('der-not-canonical', 'has an object identifier with padding')
    arcStart = byte < 0x80
  }
  if (content.length === 0 || !arcStart) throw malformed('has a truncated object identifier')
}

/** The elements inside one constructed element, taken in order. */
export class Fields {
  readonly #elements: readonly Element[]
  readonly #what: string
  #next = 0

  /** `what` names the parent in messages. */
  constructor(parent: Element, tag: number, what: string) {
    if (parent.tag !== tag) throw malformed(`has no ${what} where one belongs`)
    this.#elements = parent.children
    this.#what = what
  }

  get more(): boolean {
    return this.#next < this.#elements.length
  }

  /** The next element whatever its tag. */
  any(name: string): Element {
    const element = this.#elements[this.#next]
    if (element === undefined) throw malformed(`has a ${this.#what} without ${name}`)
    this.#next += 1
    return element
  }

  take(tag: number, name: string): Element {
    return this.optional(tag) ?? this.#missing(name)
  }

  optional(tag: number): Element | undefined {
    const element = this.#elements[this.#next]
    if (element?.tag !== tag) return undefined
    this.#next += 1
    return element
  }

  end(): void {
    if (this.more) throw malformed(`has a ${this.#what} with an element too many`)
  }

  #missing(name: string): never {
    throw malformed(`has a ${this.#what} without ${name}`)
  }
}

/** Dotted form of an object identifier's content octets, for messages only: forge counts arcs in 32 bits. */
export function dotted(oid: Buffer): string {
  return asn1.derToOid(oid.toString('latin1'))
}

/**
 * One element around `contents`, which are encoded already where `tag` is a constructed one. Written here and not by forge,
 * which goes by way of text: half of the time of a certificate that was not OpenSSL's. `decode` holds it to what forge writes.
 */
export function encode(tag: number, ...contents: readonly Uint8Array[]): Buffer {
  let length = 0
  for (const content of contents) length += content.length
  const lengthOctets = length < 0x80 ? 0 : length < 0x100 ? 1 : length < 0x1_0000 ? 2 : 3
  if (length > 0xff_ffff) throw new RangeError(`${length} bytes are more than an element is made of`)
  const start = 2 + lengthOctets
  const element = Buffer.allocUnsafe(start + length)
  element[0] = tag
  element[1] = lengthOctets === 0 ? length : 0x80 | lengthOctets
  if (lengthOctets > 0) element.writeUIntBE(length, 2, lengthOctets)
  let next = start
  for (const content of contents) {
    element.set(content, next)
    next += content.length
  }
  return element
}

export function sequence(...elements: readonly Uint8Array[]): Buffer {
  return encode(tags.sequence, ...elements)
}

/** Those that are written are constants of this program. */
const MAX_KNOWN_OIDS = 64
const knownOids = new Map<string, Buffer>()

/** An object identifier from its content octets in hexadecimal. */
export function oid(hex: string): Buffer {
  const known = knownOids.get(hex)
  if (known !== undefined) return known
  const made = encode(tags.oid, Buffer.from(hex, 'hex'))
  if (knownOids.size < MAX_KNOWN_OIDS) knownOids.set(hex, made)
  return made
}

export function bitString(content: Uint8Array, unusedBits = 0): Buffer {
  return encode(tags.bitString, Buffer.of(unusedBits), content)
}

export function boolean(value: boolean): Buffer {
  return encode(tags.boolean, Buffer.of(value ? 0xff : 0x00))
}

/** A non-negative integer from its big-endian magnitude. */
export function unsigned(magnitude: Uint8Array): Buffer {
  let start = 0
  while (start < magnitude.length - 1 && magnitude[start] === 0) start += 1
  const digits = magnitude.subarray(start)
  return (digits[0] ?? 0) < 0x80 && digits.length > 0
    ? encode(tags.integer, digits)
    : encode(tags.integer, Buffer.of(0), digits)
}
