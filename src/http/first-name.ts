import { type DetectedProtocol, detectProtocol } from './detect.ts'

/** What the first bytes of a client show: what it speaks, and the name that it asks for. */
export interface FirstName {
  readonly protocol: DetectedProtocol
  /** Host and perhaps port of an HTTP/1 request, or the server name of a ClientHello; lower case. Absent when there is none. */
  readonly name?: string
}

/** So many bytes are looked at: a ClientHello with post-quantum keys has 2 KiB, and a head that is longer names nobody. */
export const NAME_BYTES = 16_384

/**
 * What a connection that begins with `bytes` asks for; `undefined` while more bytes may still decide otherwise. Only to choose where
 * it goes: the HTTP engine reads the head again, by all rules.
 */
export function firstName(bytes: Buffer): FirstName | undefined {
  const protocol = detectProtocol(bytes)
  if (protocol === undefined) return undefined
  const name = protocol === 'http1' ? hostOf(bytes) : protocol === 'tls' ? serverNameOf(bytes) : undefined
  if (name === 'incomplete' && bytes.length < NAME_BYTES) return undefined
  return name === undefined || name === 'incomplete' ? { protocol } : { protocol, name: name.host }
}

type Name = { readonly host: string } | 'incomplete' | undefined

/** The authority of the target where it has one, else the one Host. RFC 9112 section 3.2. */
function hostOf(bytes: Buffer): Name {
  const end = bytes.indexOf('\r\n\r\n')
  if (end === -1) return 'incomplete'
  const [line = '', ...fields] = bytes.toString('latin1', 0, end).split('\r\n')
  const [, target] = /^\S+ http:\/\/([^/?#\s]+)\S* HTTP\/1\.[01]$/i.exec(line) ?? []
  const hosts = fields.flatMap((field) => /^host:[ \t]*(\S+)[ \t]*$/i.exec(field)?.[1] ?? [])
  const host = target ?? (hosts.length === 1 ? hosts[0] : undefined)
  return host === undefined ? undefined : { host: host.toLowerCase() }
}

const HANDSHAKE = 0x16
const CLIENT_HELLO = 1
const SERVER_NAME = 0
const HOST_NAME = 0
const RECORD_HEADER = 5

/**
 * The server name of a ClientHello: RFC 8446 sections 4.1.2 and 5.1, RFC 6066 section 3. A hello may be in several records.
 */
function serverNameOf(bytes: Buffer): Name {
  const parts: Buffer[] = []
  let at = 0
  while (bytes.length - at >= RECORD_HEADER && bytes[at] === HANDSHAKE) {
    const length = bytes.readUInt16BE(at + 3)
    parts.push(bytes.subarray(at + RECORD_HEADER, at + RECORD_HEADER + length))
    at += RECORD_HEADER + length
  }
  const hello = Buffer.concat(parts)
  if (hello.length < 4) return 'incomplete'
  if (hello[0] !== CLIENT_HELLO) return undefined
  const length = hello.readUIntBE(1, 3)
  if (hello.length < 4 + length) return 'incomplete'
  const reader = new Reader(hello.subarray(4, 4 + length))
  reader.skip(2 + 32)
  reader.vector(1)
  reader.vector(2)
  reader.vector(1)
  const extensions = new Reader(reader.vector(2))
  while (extensions.left > 0) {
    const type = extensions.number(2)
    const body = extensions.vector(2)
    if (type !== SERVER_NAME) continue
    const names = new Reader(new Reader(body).vector(2))
    while (names.left > 0) {
      const kind = names.number(1)
      const name = names.vector(2).toString('latin1').toLowerCase()
      if (kind === HOST_NAME) return /^[a-z0-9._-]{1,253}$/.test(name) ? { host: name } : undefined
    }
  }
  return undefined
}

/** Reads what is there: beyond the end all is empty and zero, so that a short hello has no name. */
class Reader {
  readonly #bytes: Buffer
  #at = 0

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  get left(): number {
    return Math.max(0, this.#bytes.length - this.#at)
  }

  skip(count: number): void {
    this.#at += count
  }

  number(width: 1 | 2): number {
    const value = this.left >= width ? this.#bytes.readUIntBE(this.#at, width) : 0
    this.#at += width
    return value
  }

  /** What is behind its length. */
  vector(width: 1 | 2): Buffer {
    const length = this.number(width)
    const body = this.#bytes.subarray(this.#at, this.#at + length)
    this.#at += length
    return body
  }
}
