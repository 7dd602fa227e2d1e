import { once } from 'node:events'
import { createServer, type Http2Server } from 'node:http2'
import { connect, type Socket } from 'node:net'
import * as fc from 'fast-check'
import t, { type Test } from 'tap'
import { HpackDecoder } from '../../../src/http/h2/hpack/decoder.ts'
import { HpackEncoder } from '../../../src/http/h2/hpack/encoder.ts'
import { checkLeaks } from '../../fixtures/leaks.ts'

checkLeaks(t)

/** The block, which must be within the bound that was told before. */
function encode(encoder: HpackEncoder, ...headers: string[]): Buffer {
  const bound = HpackEncoder.bound(headers)
  const out = Buffer.alloc(bound + 64, 0xaa)
  const end = encoder.encode(headers, out, 16)
  if (end - 16 > bound || out.subarray(0, 16).some((octet) => octet !== 0xaa)) throw new Error('written out of bounds')
  if (out.subarray(end).some((octet) => octet !== 0xaa)) throw new Error('written beyond the end')
  return out.subarray(16, end)
}

function hex(encoder: HpackEncoder, ...headers: string[]): string {
  return encode(encoder, ...headers).toString('hex')
}

function plain(text: string): string {
  return `${text.length.toString(16).padStart(2, '0')}${Buffer.from(text, 'latin1').toString('hex')}`
}

t.test('static entries, and what repeats, are one octet', async (t) => {
  const encoder = new HpackEncoder()
  t.equal(hex(encoder, ':method', 'POST', ':status', '404', ':scheme', 'https', ':path', '/'), '838d8784')
  t.equal(hex(encoder, ':method', 'GET', ':method', 'POST', ':method', 'GET'), '828382')
  t.equal(hex(encoder, ':authority', 'www.example.com'), '418cf1e3c2e5f23a6ba0ab90f4ff')
  t.equal(hex(encoder, ':authority', 'www.example.com'), 'be')
  t.equal(hex(encoder, 'custom-key', 'custom-value'), '408825a849e95ba97d7f8925a849e95bb8e8b4bf')
  t.equal(hex(encoder, 'custom-key', 'custom-value', ':authority', 'www.example.com'), 'bebf')
})

t.test('values of one name that take turns are all found', async (t) => {
  const encoder = new HpackEncoder()
  encode(encoder, 'accept', 'a', 'accept', 'b', 'accept', 'c')
  for (let turn = 0; turn < 3; turn += 1) t.equal(hex(encoder, 'accept', 'a', 'accept', 'b', 'accept', 'c'), 'c0bfbe')
})

t.test('credentials are never indexed, in any hop', async (t) => {
  const encoder = new HpackEncoder()
  for (let turn = 0; turn < 2; turn += 1) {
    t.equal(hex(encoder, 'authorization', 'x'), '1f080178')
    t.equal(hex(encoder, 'proxy-authorization', 'x'), '1f220178')
    t.equal(hex(encoder, 'cookie', 'x'), '1f110178')
    t.equal(hex(encoder, 'set-cookie', 'x'), '1f280178')
    t.equal(hex(encoder, 'x-api-key', 'x'), `10${plain('x-api-key')}0178`)
  }
})

t.test('what seldom repeats takes no room in the table, but for its name', async (t) => {
  const encoder = new HpackEncoder()
  t.equal(hex(encoder, ':path', '/a'), `04${plain('/a')}`)
  t.equal(hex(encoder, 'content-length', '17'), `0f0d${plain('17')}`)
  t.match(hex(encoder, 'x-request-id', 'a'), /^40/, 'the first one, for the sake of the name')
  t.equal(hex(encoder, 'x-request-id', 'b'), `0f2f${plain('b')}`)
  t.equal(hex(encoder, 'x-request-id', 'c'), `0f2f${plain('c')}`)

  t.equal(hex(encoder, 'user-agent', 'u'.repeat(1025)).slice(0, 4), '0f2b', 'what takes more than a quarter')
  t.equal(hex(encoder, ':method', 'GET', 'x-request-id', 'd'), `820f2f${plain('d')}`, 'has moved nothing')
})

t.test('a name whose values never repeat stops taking room', async (t) => {
  const encoder = new HpackEncoder()
  for (let value = 0; value < 8; value += 1) t.match(hex(encoder, 'x-nonce', `n${value}`), /^(?:40|7e)/, `${value}`)
  t.equal(hex(encoder, 'x-nonce', 'n8'), `0f2f${plain('n8')}`)
  t.equal(hex(encoder, 'x-nonce', 'n7'), 'be', 'one that is used')
  t.match(hex(encoder, 'x-nonce', 'n9'), /^7e/, 'and others get their chance')
})

t.test('size updates', async (t) => {
  t.equal(hex(new HpackEncoder(0), ':method', 'GET'), '2082', 'less than the 4096 that the peer begins with')
  t.equal(hex(new HpackEncoder(65_536), ':method', 'GET'), '82', 'more must wait until the peer allows it')
  const encoder = new HpackEncoder(8192)
  encoder.setPeerTableSize(65_536)
  t.equal(hex(encoder, ':method', 'GET'), '3fe13f82', 'as much as we want')
  t.equal(hex(encoder, ':method', 'GET'), '82', 'said once')
  encoder.setPeerTableSize(8192)
  t.equal(hex(encoder, ':method', 'GET'), '82', 'nothing new')
  encoder.setPeerTableSize(100)
  encoder.setPeerTableSize(30)
  encoder.setPeerTableSize(200)
  t.equal(hex(encoder, ':method', 'GET'), '3e3fa90182', 'the smallest and the last')
  encode(encoder, 'a', '1')
  encoder.setPeerTableSize(0)
  encoder.setPeerTableSize(200)
  t.equal(hex(encoder, 'a', '1'), '203fa9014001610131', 'the smallest has emptied the table')
})

const names = fc.oneof(
  fc.constantFrom(':path', ':status', 'accept', 'cookie', 'x-request-id', 'x-api-key', 'user-agent', 'a', 'b'),
  fc.integer({ min: 0, max: 60 }).map((number) => `x-${number}`),
  fc.string({ minLength: 1, maxLength: 150 }),
)
const values = fc.oneof(
  fc.constantFrom('', '/', '200', 'one', 'two', 'three', 'x'.repeat(60), 'y'.repeat(300)),
  fc.integer({ min: 0, max: 20 }).map(String),
  fc.uint8Array({ maxLength: 1200 }).map((octets) => Buffer.from(octets).toString('latin1')),
)
const step = fc.oneof(
  { weight: 8, arbitrary: fc.array(fc.tuple(names, values), { maxLength: 20, size: 'max' }) },
  { weight: 1, arbitrary: fc.oneof(fc.integer({ min: 0, max: 300 }), fc.integer({ min: 0, max: 9000 })) },
)

t.test('the decoder reads what the encoder wrote, whatever becomes of the table', async () => {
  fc.assert(
    fc.property(
      fc.constantFrom(0, 40, 200, 4096, 8192),
      fc.array(step, { maxLength: 60, size: 'max' }),
      (wanted, steps) => {
        const encoder = new HpackEncoder(wanted)
        const decoder = new HpackDecoder(4096)
        for (const one of steps) {
          if (typeof one === 'number') {
            encoder.setPeerTableSize(one)
            decoder.setMaxTableSize(one)
            continue
          }
          const headers = one.flat()
          const block = encode(encoder, ...headers)
          const out: string[] = []
          const fault = decoder.decode(block, 0, block.length, out, 2 ** 24, 100)
          if (fault !== undefined) throw new Error(fault)
          if (JSON.stringify(out) !== JSON.stringify(headers)) return false
        }
        return true
      },
    ),
    { numRuns: 300 },
  )
})

t.test('names without end, of which all but the last are forgotten', async (t) => {
  const encoder = new HpackEncoder(256)
  const decoder = new HpackDecoder(4096)
  for (let number = 0; number < 2000; number += 1) {
    const block = encode(encoder, `x-${number}`, 'v', `x-${number - 1}`, 'v', `x-${number - (number % 7)}`, 'v')
    const out: string[] = []
    const fault = decoder.decode(block, 0, block.length, out, 65_536, 10)
    if (fault !== undefined || out[4] !== `x-${number - (number % 7)}`) t.fail(`block ${number}`)
  }
})

const preface = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'
const SETTINGS = 4
const HEADERS = 1
const GOAWAY = 7

function frame(type: number, flags: number, stream: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(9)
  head.writeUIntBE(payload.length, 0, 3)
  head[3] = type
  head[4] = flags
  head.writeUInt32BE(stream, 5)
  return Buffer.concat([head, payload])
}

/** A connection to node:http2 by hand: each request in one HEADERS frame, in turn. */
class RawPeer {
  readonly encoder = new HpackEncoder()
  readonly #decoder = new HpackDecoder(4096)
  readonly #socket: Socket
  readonly #chunks: AsyncIterator<unknown>
  #bytes: Buffer = Buffer.alloc(0)
  #stream = -1
  #settings: Buffer = Buffer.alloc(0)

  constructor(socket: Socket) {
    this.#socket = socket
    this.#chunks = socket[Symbol.asyncIterator]()
    socket.write(preface)
    socket.write(frame(SETTINGS, 0, 0, Buffer.alloc(0)))
  }

  /** Sends a request without a body; gives the fields of its response. */
  async request(headers: readonly string[]): Promise<readonly string[]> {
    this.#stream += 2
    // END_STREAM and END_HEADERS.
    this.#socket.write(frame(HEADERS, 5, this.#stream, encode(this.encoder, ...headers)))
    const block = await this.#headers()
    const fields: string[] = []
    const fault = this.#decoder.decode(block, 0, block.length, fields, 65_536, 100)
    if (fault !== undefined) throw new Error(fault)
    return fields
  }

  /** Acknowledges the SETTINGS of the server, which say how large its table is. */
  acknowledge(): void {
    for (let at = 0; at < this.#settings.length; at += 6) {
      if (this.#settings.readUInt16BE(at) === 1) this.encoder.setPeerTableSize(this.#settings.readUInt32BE(at + 2))
    }
    this.#socket.write(frame(SETTINGS, 1, 0, Buffer.alloc(0)))
  }

  /** The next header block. */
  async #headers(): Promise<Buffer> {
    for (;;) {
      while (this.#bytes.length < 9 || this.#bytes.length < 9 + this.#bytes.readUIntBE(0, 3)) {
        const { value } = await this.#chunks.next()
        if (!Buffer.isBuffer(value)) throw new TypeError('the connection ended')
        this.#bytes = Buffer.concat([this.#bytes, value])
      }
      const end = 9 + this.#bytes.readUIntBE(0, 3)
      const [type, flags] = [this.#bytes[3], this.#bytes[4]]
      const payload = this.#bytes.subarray(9, end)
      this.#bytes = this.#bytes.subarray(end)
      if (type === GOAWAY) throw new Error(`GOAWAY ${payload.toString('hex')}`)
      if (type === SETTINGS && flags === 0) this.#settings = payload
      if (type === HEADERS) return payload
    }
  }
}

async function rawPeer(t: Test, server: Http2Server): Promise<RawPeer> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  const socket = connect(address.port, '127.0.0.1')
  await once(socket, 'connect')
  t.teardown(() => {
    socket.destroy()
    server.close()
  })
  return new RawPeer(socket)
}

t.test('node:http2 reads what we wrote, and we what it wrote', async (t) => {
  for (const headerTableSize of [4096, 0, 300, 65_536]) {
    const seen: string[][] = []
    const server = createServer({ settings: { headerTableSize } })
    server.on('stream', (stream, _headers, _flags, rawHeaders: string[]) => {
      seen.push(rawHeaders)
      stream.respond({ ':status': 200 + seen.length, 'x-seen': `number ${seen.length}`, 'x-same': 'the same' })
      stream.end()
    })
    const peer = await rawPeer(t, server)
    const all = Array.from({ length: 256 }, (_, octet) => octet)
      .filter((octet) => octet > 0x20 && octet !== 0x7f)
      .map((octet) => String.fromCharCode(octet))
      .join('')
    for (let number = 1; number <= 40; number += 1) {
      // The first requests go out before the peer's SETTINGS are known.
      if (number === 4) peer.acknowledge()
      const fields = [
        [':method', number % 3 === 0 ? 'POST' : 'GET'],
        [':scheme', 'http'],
        [':authority', 'example.com'],
        [':path', `/${number}`],
        ['user-agent', `agent ${number % 5}`],
        ['x-request-id', `${number}`.repeat(8)],
        ['cookie', `a=${number}`],
        ['x-all', all],
        [`x-${number % 20}`, 'v'.repeat(number)],
        ['x-empty', ''],
      ].flat()
      const response = await peer.request(fields)
      t.same(seen.at(-1), fields, `table ${headerTableSize}, request ${number}`)
      t.equal(response[response.indexOf(':status') + 1], String(200 + number))
      t.equal(response[response.indexOf('x-seen') + 1], `number ${number}`)
      t.equal(response[response.indexOf('x-same') + 1], 'the same')
    }
  }
})
