// WebSockets through two sidecars, by the chapters of the Autobahn suite but without it: whatever a client sends, right or
// wrong, what comes back is what comes back on a direct connection, to the last byte.
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type ServerHttp2Session } from 'node:http2'
import type { Duplex } from 'node:stream'
import t, { type Test } from 'tap'
import type { Address } from '../../src/lib/address.ts'
import { boundAddress } from '../fixtures/app.ts'
import { checkLeaks } from '../fixtures/leaks.ts'
import { startServices } from '../fixtures/mesh.ts'
import { sha256 } from '../fixtures/web-server.ts'
import {
  connectOverHttp2,
  type Frame,
  frame,
  http2Session,
  opcodes,
  startWebSocketEcho,
  upgradeOverHttp1,
} from '../fixtures/websocket.ts'

checkLeaks(t)

const MIB = 1024 * 1024
const { binary, close, continuation, ping, pong, text } = opcodes
const deflate = { 'sec-websocket-extensions': 'permessage-deflate' }

interface Case {
  readonly frames: readonly Frame[]
  /** Bytes of one write; all at once when not given. */
  readonly chop?: number
  /** Fields of the opening handshake. */
  readonly fields?: Readonly<Record<string, string>>
}

function closing(code: number, reason: string | Buffer = ''): Frame {
  const bytes = Buffer.alloc(2)
  bytes.writeUInt16BE(code)
  return { opcode: close, payload: Buffer.concat([bytes, Buffer.from(reason)]) }
}

function fragments(opcode: number, payload: Buffer, size: number): Frame[] {
  const count = Math.ceil(payload.length / size)
  return Array.from({ length: count }, (_, index) => ({
    opcode: index === 0 ? opcode : continuation,
    payload: payload.subarray(index * size, (index + 1) * size),
    final: index === count - 1,
  }))
}

const sizes = [0, 125, 126, 127, 128, 65_535, 65_536]
const greek = Buffer.from('κόσμε\u{1F600}')
const done = closing(1000)

const chapters: Readonly<Record<string, readonly Case[]>> = {
  '1 framing': [text, binary].flatMap((opcode) =>
    sizes.map((size) => ({ frames: [{ opcode, payload: 'a'.repeat(size) }, done] })),
  ),
  '2 pings and pongs': [
    { frames: [{ opcode: ping }, { opcode: ping, payload: Buffer.from('00ff7f', 'hex') }, done] },
    { frames: [{ opcode: ping, payload: 'p'.repeat(125) }, done], chop: 1 },
    { frames: [{ opcode: ping, payload: 'p'.repeat(126) }, done] },
    { frames: [{ opcode: pong, payload: 'unsolicited' }, { opcode: ping, payload: 'p' }, done] },
    { frames: [...Array.from({ length: 50 }, (_, index) => ({ opcode: ping, payload: `${index}` })), done] },
  ],
  '3 reserved bits': [1, 2, 3, 4, 5, 6, 7].map((reserved) => ({
    frames: [{ payload: 'before' }, { payload: 'reserved', reserved }, { opcode: ping }, done],
  })),
  '4 opcodes': [3, 4, 5, 6, 7, 11, 12, 13, 14, 15].map((opcode) => ({
    frames: [{ payload: 'before' }, { opcode, payload: 'unknown' }, { opcode: ping }, done],
  })),
  '5 fragmentation': [
    { frames: [...fragments(text, Buffer.from('in two parts'), 7), done] },
    { frames: [...fragments(binary, Buffer.from('octet by octet'), 1), done], chop: 1 },
    {
      frames: [
        { payload: 'one', final: false },
        { opcode: ping, payload: 'between' },
        ...fragments(0, greek, 99),
        done,
      ],
    },
    { frames: [{ opcode: ping, payload: 'a fragment of a ping', final: false }, done] },
    { frames: [{ opcode: continuation, payload: 'of nothing' }, done] },
    { frames: [{ payload: 'first', final: false }, { payload: 'not a continuation' }, done] },
    { frames: [{ payload: '', final: false }, { opcode: continuation, payload: '', final: false }, done] },
  ],
  '6 UTF-8': [
    { frames: [{ payload: greek }, done] },
    { frames: [...fragments(text, greek, 1), done] },
    ...['ceba', 'ce', 'c0af', 'eda080', 'f4908080', 'fe', 'cebae1bdb9cf83cebcceb5eda080656469746564'].map((bytes) => ({
      frames: [{ payload: Buffer.from(bytes, 'hex') }, done],
    })),
    { frames: [{ payload: Buffer.from('f490', 'hex'), final: false }, { opcode: ping }, done] },
  ],
  '7 closing': [
    { frames: [{ opcode: close }] },
    { frames: [{ opcode: close, payload: 'x' }] },
    { frames: [closing(1000, 'r'.repeat(123))] },
    { frames: [closing(1000, 'r'.repeat(124))] },
    { frames: [closing(1000, Buffer.from('ceff', 'hex'))] },
    { frames: [closing(1000), { payload: 'after the end' }, { opcode: ping }] },
    { frames: [{ payload: 'half', final: false }, closing(1000)] },
    { frames: [] },
    ...[999, 1001, 1003, 1004, 1005, 1006, 1007, 1011, 1012, 1016, 2999, 3000, 4999, 5000, 65_535].map((code) => ({
      frames: [closing(code, 'why')],
    })),
  ],
  '9 limits': [
    { frames: [{ payload: 'a'.repeat(16 * MIB) }, done] },
    { frames: [{ opcode: binary, payload: randomBytes(16 * MIB) }, done], chop: 65_536 },
    { frames: [...fragments(binary, randomBytes(4 * MIB), 4096), done] },
    { frames: [...Array.from({ length: 1000 }, () => ({ payload: 'a'.repeat(512) })), done] },
  ],
  '10 other': [{ frames: [...fragments(text, Buffer.alloc(65_536, 'a'), 1300), done] }],
  '12 compression': [
    { fields: deflate, frames: [{ payload: 'not compressed' }, { payload: 'x'.repeat(MIB) }, done] },
    // "Hello" of RFC 7692 section 7.2.3.1, and the same again out of the window of the first.
    {
      fields: deflate,
      frames: [
        { payload: Buffer.from('f248cdc9c90700', 'hex'), reserved: 4 },
        { payload: Buffer.from('f200110000', 'hex'), reserved: 4 },
        done,
      ],
    },
    { fields: deflate, frames: [{ payload: 'no stream of DEFLATE', reserved: 4 }, done] },
  ],
}

/** What came back, until the server ended it. The client ends its half when the server has said that it closes. */
async function converse(connection: Duplex, { frames, chop }: Case): Promise<Buffer> {
  const received: Buffer[] = []
  const closes = closeDetector()
  connection.on('data', (part: Buffer) => {
    received.push(part)
    if (closes(part)) connection.end()
  })
  const ended = once(connection, 'close')
  const sent = Buffer.concat(frames.map(frame))
  for (let at = 0; at < sent.length; at += chop ?? sent.length) {
    connection.write(sent.subarray(at, at + (chop ?? sent.length)))
  }
  if (sent.length === 0) connection.end()
  await ended
  return Buffer.concat(received)
}

/** Reads the frames of a server, part by part; true from a close frame on. */
function closeDetector(): (part: Buffer) => boolean {
  let head = Buffer.alloc(0)
  let payload = 0
  let closed = false
  return (part) => {
    for (let rest = part; rest.length > 0 && !closed; ) {
      if (payload > 0) {
        const taken = Math.min(payload, rest.length)
        payload -= taken
        rest = rest.subarray(taken)
        continue
      }
      head = Buffer.concat([head, rest.subarray(0, 1)])
      rest = rest.subarray(1)
      const size = head[1]
      if (size === undefined || head.length < (size < 126 ? 2 : size === 126 ? 4 : 10)) continue
      payload = size < 126 ? size : size === 126 ? head.readUInt16BE(2) : Number(head.readBigUInt64BE(2))
      closed = (head[0]! & 0x0f) === close
      head = Buffer.alloc(0)
    }
    return closed
  }
}

/** How the first frames read, for the report of a failure. */
function outline(bytes: Buffer): string {
  return `${bytes.length} bytes ${sha256(bytes).slice(0, 12)} ${bytes.subarray(0, 64).toString('hex')}`
}

/** An application that takes WebSockets over HTTP/2 and sends back the bytes, whatever they are. */
async function startHttp2Echo(t: Test): Promise<Address> {
  const server = createServer({ settings: { enableConnectProtocol: true } })
  const sessions = new Set<ServerHttp2Session>()
  server.on('session', (session) => sessions.add(session))
  server.on('stream', (stream, headers) => {
    stream.on('error', () => {})
    stream.respond({ ':status': headers[':protocol'] === 'websocket' ? 200 : 400, 'x-asked': String(headers[':path']) })
    stream.pipe(stream)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    for (const session of sessions) session.destroy()
    server.close()
  })
  return { host: '127.0.0.1', port: boundAddress(server).port }
}

const echo = await startWebSocketEcho(t)
const declared = await startWebSocketEcho(t)
const bytes = await startHttp2Echo(t)
const { web } = await startServices(t, [
  { name: 'echo', appPort: echo.port },
  { name: 'declared', appPort: declared.port, protocol: 'http1', inbound: { protocol: 'http1' } },
  { name: 'bytes', appPort: bytes.port, protocol: 'http2', inbound: { protocol: 'http2' } },
])
const session = http2Session(t, web.outbound)

type Open = (fields?: Readonly<Record<string, string>>) => Promise<Duplex>

const ways: Readonly<Record<string, Open>> = {
  'HTTP/1.1': (fields) => upgradeOverHttp1(t, web.outbound, 'echo', fields),
  'HTTP/1.1, declared': (fields) => upgradeOverHttp1(t, web.outbound, 'declared', fields),
  'HTTP/2 to HTTP/1.1': async (fields) => (await connectOverHttp2(session, 'declared', fields)).stream,
}

for (const [chapter, cases] of Object.entries(chapters)) {
  t.test(chapter, async (t) => {
    for (const [index, test] of cases.entries()) {
      const direct = outline(await converse(await upgradeOverHttp1(t, echo, 'echo', test.fields), test))
      for (const [way, open] of Object.entries(ways)) {
        t.equal(outline(await converse(await open(test.fields), test)), direct, `${chapter}, ${index}: ${way}`)
      }
    }
  })
}

const toHttp2: Readonly<Record<string, Open>> = {
  'HTTP/1.1 to HTTP/2': () => upgradeOverHttp1(t, web.outbound, 'bytes'),
  'HTTP/2': async () => (await connectOverHttp2(session, 'bytes')).stream,
}
for (const [way, open] of Object.entries(toHttp2)) {
  t.test(`${way}: any bytes, and the end of one half`, async (t) => {
    const connection = await open()
    const sent = randomBytes(4 * MIB)
    const received: Buffer[] = []
    connection.on('data', (part: Buffer) => received.push(part))
    const ended = once(connection, 'end')
    connection.end(sent)
    await ended
    t.equal(sha256(Buffer.concat(received)), sha256(sent))
  })
}
