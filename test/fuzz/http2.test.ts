// Differential: which requests a sequence of frames is, for our server and for node:http2's; which response, for our client
// and for node:http2's; what an HTTP/1 application reads of what came over HTTP/2. Mutated frames and mutated bytes, too.
import { once } from 'node:events'
import { createServer, type ServerHttp2Stream } from 'node:http2'
import { connect, type Socket } from 'node:net'
import t, { type Test } from 'tap'
import { h2Faults } from '../../src/http/h2/fault.ts'
import { HpackEncoder } from '../../src/http/h2/hpack/encoder.ts'
import { protocolFaults } from '../../src/http/protocol-fault.ts'
import { boundAddress } from '../fixtures/app.ts'
import {
  beginCase,
  below,
  pick,
  randomCuts,
  randomSlices,
  repeat,
  rounds,
  seconds,
  seed,
  Tally,
} from '../fixtures/fuzz.ts'
import {
  block,
  END_HEADERS,
  END_STREAM,
  frame,
  get,
  H2Peer,
  PADDED,
  ping,
  prefaceBytes,
  rawH2App,
  reset,
  settings,
  settingsAck,
  WITH_PRIORITY,
  windowUpdate,
} from '../fixtures/h2-frames.ts'
import { type Http2Path, http2Path } from '../fixtures/h2-path.ts'
import {
  type AppRequest,
  type ForwardedRequest,
  nodeApp,
  rawApp,
  settled,
  strictRequests,
  testLimits,
} from '../fixtures/http.ts'
import { checkLeaks } from '../fixtures/leaks.ts'
import { NodeHttp2Reader, type RawReading } from '../fixtures/node-http2-reader.ts'

checkLeaks(t)
console.log(`seed ${seed}`)
t.setTimeout((seconds + 120) * 1000)

const limits = { maxHeadFields: 60, maxHeadBytes: 16_384 }
const PARTS = 4

/** What a sequence of frames was made to say on one stream. */
interface Intended {
  readonly id: number
  readonly head: readonly string[]
  readonly body: string
  readonly trailers: readonly string[]
}

/** One request or response as somebody read it. `whole`: to its end. */
interface Reading {
  /** Pseudo-header fields that matter, in a fixed order. */
  line: string
  /** Flat, end to end, in order; cookies together at the place of the first. */
  fields: readonly string[]
  body: string
  trailers: readonly string[]
  whole: boolean
}

const name = (): string =>
  pick('x', 'x-a', 'x-b1', 'accept', 'user-agent', 'x-!#$%&*+.^`|~', 'content-type', 'cookie', 'etag')
const value = (): string =>
  pick('', 'v', 'a b', 'a\tb', '"q, r"', '\xe9\xff', 'x'.repeat(below(300)), '1,2', 'a=1; b=2', 'application/grpc', '0')

function pairs(most: number): string[] {
  return Array.from({ length: below(most + 1) }, () => [name(), value()]).flat()
}

function requestHead(length: number | undefined): string[] {
  const method = pick('GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH', 'PROPFIND')
  const pseudo = [
    [':method', method],
    [':scheme', pick('http', 'https')],
    [':authority', pick('a', 'a.example:80', '[::1]:8')],
    [':path', pick('/', '/a/b?c=d', '//x', '/%2e%2e/', "/!$&'()*+,;=:@", '/x'.padEnd(below(200) + 2, 'x'))],
  ]
  const ordered = below(3) === 0 ? pseudo.toReversed() : pseudo
  const message = [
    ...(length === undefined ? [] : ['content-length', String(length)]),
    ...(below(10) === 0 ? ['te', 'trailers'] : []),
    ...(below(10) === 0 ? ['trailer', 'x-sum'] : []),
  ]
  return [...ordered.flat(), ...pairs(4), ...message, ...pairs(2)]
}

function responseHead(length: number | undefined): string[] {
  const status = pick('200', '200', '201', '404', '500', '206')
  return [
    ':status',
    status,
    ...pairs(4),
    ...(length === undefined ? [] : ['content-length', String(length)]),
    ...pairs(2),
  ]
}

const content = (): string =>
  repeat(4, () =>
    pick('x', 'hello', '\r\n', '0\r\n\r\n', 'GET / HTTP/1.1\r\nhost: a\r\n\r\n', 'y'.repeat(below(3000) + 1)),
  )
const trailerFields = (): string[] => Array.from({ length: below(3) }, () => [pick('x-sum', 'x-two'), value()]).flat()

/** Frames of one side of a connection. What says something is encoded in the order in which it leaves. */
class Composer {
  readonly frames: Buffer[] = []
  readonly #encoder = new HpackEncoder()
  readonly #spoil: (fields: string[]) => string[]

  constructor(spoil: (fields: string[]) => string[] = (fields) => fields) {
    this.#spoil = spoil
  }

  #encode(fields: readonly string[]): Buffer {
    if (below(2) === 0) return block(fields)
    const out = Buffer.alloc(HpackEncoder.bound(fields))
    return out.subarray(0, this.#encoder.encode(fields, out, 0))
  }

  /** HEADERS, with padding, a priority and CONTINUATIONs at random. */
  fields(id: number, fields: readonly string[], ended: boolean): void {
    const bytes = this.#encode(this.#spoil([...fields]))
    const cut = below(4) === 0 ? below(bytes.length + 1) : bytes.length
    let flags = (ended ? END_STREAM : 0) | (cut === bytes.length ? END_HEADERS : 0)
    let payload = bytes.subarray(0, cut)
    if (below(8) === 0) {
      flags |= WITH_PRIORITY
      payload = Buffer.concat([Buffer.from([0, 0, 0, 0, below(256)]), payload])
    }
    if (below(8) === 0) {
      flags |= PADDED
      const padding = below(30)
      payload = Buffer.concat([Buffer.of(padding), payload, Buffer.alloc(padding)])
    }
    this.frames.push(frame('HEADERS', flags, id, payload))
    for (let at = cut; at < bytes.length; ) {
      const end = Math.min(bytes.length, at + below(bytes.length) + 1)
      this.frames.push(frame('CONTINUATION', end === bytes.length ? END_HEADERS : 0, id, bytes.subarray(at, end)))
      at = end
    }
  }

  data(id: number, text: string, ended: boolean): void {
    const bytes = Buffer.from(text, 'latin1')
    const flags = ended ? END_STREAM : 0
    if (below(6) > 0) this.frames.push(frame('DATA', flags, id, bytes))
    else {
      const padding = below(40)
      const payload = Buffer.concat([Buffer.of(padding), bytes, Buffer.alloc(padding)])
      this.frames.push(frame('DATA', flags | PADDED, id, payload))
    }
  }

  /** A frame that changes nothing. */
  idle(id: number): void {
    this.frames.push(
      pick(
        ping(),
        settings(),
        settings([4, 65_535], [3, 100], [99, below(1000)]),
        windowUpdate(0, below(1000) + 1),
        windowUpdate(id, below(1000) + 1),
        frame('PRIORITY', 0, id, Buffer.from([0, 0, 0, 0, 16])),
        frame(0x40 + below(50), below(256), id, Buffer.alloc(below(20))),
      ),
    )
  }
}

/** Messages on as many streams, their frames mixed at random. */
function compose(
  composer: Composer,
  head: (length: number | undefined) => string[],
  ids: readonly number[],
  inOrder: boolean,
): Intended[] {
  const intended: Intended[] = []
  const open: (() => boolean)[] = []
  const begin = (id: number): void => {
    const body = below(3) === 0 ? '' : content()
    const trailers = below(4) === 0 ? trailerFields() : []
    const fields = [...head(below(2) === 0 ? body.length : undefined), 'x-id', String(id)]
    intended.push({ id, head: fields, body, trailers })
    const alone = body === '' && trailers.length === 0
    composer.fields(id, fields, alone)
    if (alone) return
    const slices = randomCuts(body)
    open.push(() => {
      const slice = slices.shift()
      const last = slices.length === 0 && trailers.length === 0
      if (slice !== undefined) composer.data(id, slice, last && below(2) === 0 ? ((slices.length = 0), true) : false)
      else if (trailers.length > 0) composer.fields(id, trailers, true)
      else composer.data(id, '', true)
      const { frames } = composer
      return frames.at(-1)![3] === 9 || (frames.at(-1)![4]! & END_STREAM) !== 0 || slice === undefined
    })
  }
  const waiting = [...ids]
  while (waiting.length > 0 || open.length > 0) {
    if (waiting.length > 0 && (open.length === 0 || below(3) === 0))
      begin(inOrder ? waiting.shift()! : waiting.splice(below(waiting.length), 1)[0]!)
    else if (below(6) === 0) composer.idle(intended.at(-1)!.id)
    else {
      const index = below(open.length)
      if (open[index]!()) open.splice(index, 1)
    }
  }
  return intended
}

const spoilers = ['\r', '\n', '\0', '\r\n', ' ', '\t', ':', '\x7f', 'A', '_', '\x80', ',', '/', '#', 'x', '0', '-', '+']

/** Fields that are not what they should be, in one place. */
function spoilFields(fields: string[]): string[] {
  if (fields.length === 0) return fields
  const at = 2 * below(fields.length / 2)
  const which = at + below(2)
  switch (below(8)) {
    case 0:
      return fields.toSpliced(at, 2)
    case 1:
      return fields.toSpliced(below(fields.length / 2 + 1) * 2, 0, fields[at]!, fields[at + 1]!)
    case 2: {
      const pair = fields.slice(at, at + 2)
      return fields.toSpliced(at, 2).toSpliced(2 * below(fields.length / 2), 0, ...pair)
    }
    case 3:
      return fields.toSpliced(
        2 * below(fields.length / 2 + 1),
        0,
        ...pick(
          ['connection', 'close'],
          ['transfer-encoding', 'chunked'],
          ['upgrade', 'h2c'],
          ['content-length', '5'],
          ['host', pick('a', 'b', '')],
          ['te', 'gzip'],
          ['expect', '100-continue'],
          [':protocol', 'websocket'],
          [':foo', 'bar'],
          [':status', '200'],
          [':path', '/other'],
          ['keep-alive', '5'],
          ['', 'x'],
        ),
      )
    default: {
      const text = fields[which]!
      const place = below(text.length + 1)
      const more = pick(...spoilers)
      return fields.with(which, text.slice(0, place) + more + text.slice(place + below(2)))
    }
  }
}

/** Frames out of place, of another type, size or stream. */
function spoilFrames(frames: readonly Buffer[]): Buffer[] {
  let spoilt = [...frames]
  for (let round = below(3); round >= 0; round -= 1) {
    if (spoilt.length === 0) spoilt.push(ping())
    const at = below(spoilt.length)
    const one = Buffer.from(spoilt[at]!)
    switch (below(9)) {
      case 0:
        spoilt = spoilt.toSpliced(at, 1)
        break
      case 1:
        spoilt = spoilt.toSpliced(below(spoilt.length + 1), 0, one)
        break
      case 2:
        spoilt = spoilt.toSpliced(at, 1).toSpliced(below(spoilt.length), 0, one)
        break
      case 3:
        one[3] = below(11)
        spoilt = spoilt.with(at, one)
        break
      case 4:
        one[4]! ^= pick(END_STREAM, END_HEADERS, PADDED, WITH_PRIORITY)
        spoilt = spoilt.with(at, one)
        break
      case 5:
        one.writeUInt32BE(pick(0, 1, 2, 3, 5, 7, 99, 0x8000_0001), 5)
        spoilt = spoilt.with(at, one)
        break
      case 6:
        one.writeUIntBE(pick(0, 1, below(one.length), 16_384, 16_385), 0, 3)
        spoilt = spoilt.with(at, one)
        break
      case 7:
        if (one.length > 9) one[9 + below(one.length - 9)] = below(256)
        spoilt = spoilt.with(at, one)
        break
      default:
        spoilt = spoilt.toSpliced(
          below(spoilt.length + 1),
          0,
          pick(
            windowUpdate(1, 0),
            windowUpdate(0, 0x7fff_ffff),
            windowUpdate(3, 0x7fff_ffff),
            settings([4, 0x8000_0000]),
            settings([5, 1]),
            settings([2, 2]),
            settings([1, 0]),
            settings([6, 1]),
            frame('SETTINGS', 1, 0, Buffer.alloc(1)),
            reset(1, pick('NO_ERROR', 'CANCEL')),
            reset(9),
            frame('PUSH_PROMISE', 4, 1, Buffer.from([0, 0, 0, 2])),
            frame('GOAWAY', 0, 0, Buffer.alloc(pick(8, 7, 12))),
            frame('CONTINUATION', 4, 1, block(['a', 'b'])),
            frame('PRIORITY', 0, 1, Buffer.from([0, 0, 0, 1, 16])),
            frame('PING', 0, 0, Buffer.alloc(7)),
            frame('DATA', 0, 1, Buffer.alloc(17_000)),
          ),
        )
    }
  }
  return spoilt
}

function spoilBytes(bytes: Buffer): Buffer {
  let spoilt = Buffer.from(bytes)
  for (let round = below(4); round >= 0; round -= 1) {
    const at = below(spoilt.length)
    const kind = below(4)
    if (kind === 0) spoilt[at] = below(256)
    else if (kind === 1) spoilt[at]! ^= 1 << below(8)
    else if (kind === 2) spoilt = Buffer.concat([spoilt.subarray(0, at), spoilt.subarray(at + 1 + below(5))])
    else spoilt = Buffer.concat([spoilt.subarray(0, at), Buffer.from([below(256), below(256)]), spoilt.subarray(at)])
  }
  return spoilt
}

const notEndToEnd = /^(?::.*|content-length|host|te|trailer|connection|transfer-encoding|keep-alive|date)$/

/** Flat fields as both sides have them: end to end, cookies of a request together. */
function neutral(flat: readonly string[], request: boolean): string[] {
  const fields: string[] = []
  let cookieAt = -1
  for (let index = 0; index < flat.length; index += 2) {
    const field = flat[index]!.toLowerCase()
    if (notEndToEnd.test(field)) continue
    if (request && field === 'cookie' && cookieAt >= 0) {
      fields[cookieAt] = [fields[cookieAt], flat[index + 1]].filter((piece) => piece !== '').join('; ')
    } else {
      fields.push(field, flat[index + 1]!)
      if (field === 'cookie') cookieAt = fields.length - 1
    }
  }
  return fields
}

function valueOf(flat: readonly string[], name: string): string {
  const index = flat.findIndex((field, at) => at % 2 === 0 && field === name)
  return index < 0 ? '' : flat[index + 1]!
}

function lineOf(flat: readonly string[]): string {
  const authority = valueOf(flat, ':authority') || valueOf(flat, 'host')
  return [valueOf(flat, ':method'), valueOf(flat, ':path'), authority.toLowerCase()].join(' ')
}

/** Bytes of a client: preface, SETTINGS, frames. */
function clientBytes(frames: readonly Buffer[]): Buffer {
  return Buffer.concat([prefaceBytes, settings([4, 65_535]), ...frames])
}

/** node:http2 as server: what it reads on each connection, and whether it called the connection malformed. */
class NodeServer {
  port = 0
  /** Its end of what is open. */
  readonly sockets = new Set<Socket>()
  readonly #server = createServer({ maxHeaderListPairs: 200, settings: { enableConnectProtocol: true } })
  readonly #readings = new Map<number | undefined, Map<number, Reading>>()

  async open(t: Test): Promise<void> {
    this.#server.on('connection', (socket: Socket) => {
      this.sockets.add(socket)
      socket.once('close', () => this.sockets.delete(socket))
    })
    this.#server.on('session', (session) => {
      const streams = this.of(session.socket.remotePort)
      session.on('error', () => {})
      session.on('stream', (stream: ServerHttp2Stream, _headers, _flags, raw: readonly string[]) => {
        streams.set(stream.id!, this.#read(stream, raw))
      })
    })
    this.#server.on('sessionError', () => {})
    this.#server.listen(0, '127.0.0.1')
    await once(this.#server, 'listening')
    this.port = boundAddress(this.#server).port
    t.teardown(() => {
      for (const socket of this.sockets) socket.destroy()
      this.#server.close()
    })
  }

  /** What was read on the connection from `port`. */
  of(port: number | undefined): Map<number, Reading> {
    const known = this.#readings.get(port) ?? new Map<number, Reading>()
    this.#readings.set(port, known)
    return known
  }

  /** A connection that has sent nothing, and the port that it comes from. */
  async client(): Promise<{ readonly peer: H2Peer<Socket>; readonly port: number | undefined }> {
    const socket = connect({ port: this.port, host: '127.0.0.1', noDelay: true })
    const peer = new H2Peer(socket, 'client')
    peer.credits = false
    peer.answers = false
    await once(socket, 'connect')
    return { peer, port: socket.localPort }
  }

  /** The connection from `port` is over, and another one may come from it. */
  forget(port: number | undefined): void {
    this.#readings.delete(port)
  }

  #read(stream: ServerHttp2Stream, raw: readonly string[]): Reading {
    const reading: Reading = { line: lineOf(raw), fields: neutral(raw, true), body: '', trailers: [], whole: false }
    stream.on('error', () => {})
    stream.on('data', (slice: Buffer) => {
      reading.body += slice.toString('latin1')
    })
    stream.on('trailers', (_headers, _flags, rawTrailers?: readonly string[]) => {
      reading.trailers = neutral(rawTrailers ?? [], true)
    })
    stream.on('end', () => {
      reading.whole = !stream.aborted && !stream.destroyed
      if (stream.destroyed || stream.closed) return
      stream.respond({ ':status': 200 })
      stream.end('ok')
    })
    return reading
  }
}

/** What `path` took of the requests that it handed out; each is answered when it is whole. */
function record(
  readings: Map<ForwardedRequest, Reading>,
  answer: (request: ForwardedRequest) => void,
): (request: ForwardedRequest) => void {
  return (request) => {
    const { head, exchange } = request
    const line = [head.upgrade === undefined ? head.method : 'CONNECT', head.target, head.authority].join(' ')
    const reading: Reading = { line, fields: neutral(head.headers, true), body: '', trailers: [], whole: false }
    readings.set(request, reading)
    const data = exchange.requestData.bind(exchange)
    const ended = exchange.requestEnd.bind(exchange)
    exchange.requestData = (slice) => {
      reading.body += slice.toString('latin1')
      return data(slice)
    }
    exchange.requestEnd = (trailers) => {
      reading.trailers = trailers
      reading.whole = true
      ended(trailers)
      answer(request)
    }
  }
}

const ok = { status: 200, headers: [], bodyLength: 2, close: false }

/** Every exchange of a path ends once; whatever it refused has a name. */
function complaintsOf(path: Http2Path): string[] {
  const wrong: string[] = []
  for (const { finished } of path.requests)
    if (finished.length !== 1) wrong.push(`an exchange ended ${finished.length} times`)
  for (const code of [...path.serverFaults, ...path.upstreamFaults]) {
    if (!(code in h2Faults) && !(code in protocolFaults)) wrong.push(`refused for no listed reason: ${code}`)
  }
  return wrong
}

async function settle(path: Http2Path, peer: { readonly socket: Socket }, ...others: readonly Socket[]): Promise<void> {
  await settled(path, peer, ...others.map((socket) => ({ socket })))
}

/** Lets every deadline pass, and waits for the end of the connection. */
async function finish(path: Http2Path, peer: { readonly socket: Socket }): Promise<void> {
  for (let round = 0; round < 4; round += 1) {
    path.clock.advance(testLimits.connectionIdleTimeoutMs)
    await settle(path, peer)
  }
  peer.socket.destroy()
  await path.closing()
  await settle(path, peer)
}

const share = (): number => performance.now() + (seconds * 1000) / PARTS

/**
 * What node:http2 makes an error of the connection and we do not, or what ends a connection in good order: what it read of
 * it before may be lost with it.
 */
function nodeAlone(bytes: Buffer): string | undefined {
  for (let at = prefaceBytes.length; at + 9 <= bytes.length; at += 9 + bytes.readUIntBE(at, 3)) {
    const [type, flags] = bytes.subarray(at + 3)
    if (type === 7) return 'GOAWAY: we end with the last stream that is open, it goes on to read'
    if (type === 6 && (flags! & 1) !== 0)
      return 'an answer to a PING that was not sent: RFC 9113 section 6.7 has no such error'
    const increment = type === 8 && bytes.readUIntBE(at, 3) === 4 ? bytes.readUInt32BE(at + 9) : 1
    if (bytes.readUInt32BE(at + 5) !== 0 && (increment === 0 || increment > 0x7fff_0000)) {
      return 'WINDOW_UPDATE of nothing or too much for a stream that is over, which RFC 9113 section 5.1 has us ignore'
    }
  }
  return undefined
}

const isWhole = ({ whole }: Reading): boolean => whole
const key = (reading: Reading): string => JSON.stringify({ ...reading, trailers: neutral(reading.trailers, true) })
const idOf = ({ fields }: Reading): string => valueOf(fields, 'x-id')

t.test('requests, to our server and to node:http2', { timeout: (seconds + 60) * 1000 }, async (t) => {
  const node = new NodeServer()
  await node.open(t)
  const end = share()
  let runs = 0
  let same = 0
  const stricter = new Tally()
  const laxer = new Tally()
  await rounds(t, end, async (t) => {
    const readings = new Map<ForwardedRequest, Reading>()
    const path = await http2Path(
      t,
      { port: 0 },
      {
        limits,
        decide: record(readings, ({ exchange }) => exchange.refuse(ok, Buffer.from('ok'))),
      },
    )
    for (let batch = 0; batch < 25; batch += 1) {
      const before = beginCase()
      const kind = pick('valid', 'fields', 'frames')
      const composer = new Composer((fields) => (kind === 'fields' && below(3) === 0 ? spoilFields(fields) : fields))
      const ids = Array.from({ length: below(5) + 1 }, (_, index) => 2 * index + 1)
      const intended = compose(composer, requestHead, ids, true)
      const bytes = clientBytes(kind === 'frames' ? spoilFrames(composer.frames) : composer.frames)
      const firstRequest = path.requests.length
      path.serverFaults.length = 0
      const ours = await path.bareClient()
      ours.credits = false
      ours.answers = false
      const theirs = await node.client()
      for (const slice of randomSlices(bytes)) {
        ours.send(slice)
        theirs.peer.send(slice)
      }
      await settle(path, ours, theirs.peer.socket, ...node.sockets)
      const nodeRead = node.of(theirs.port)
      const mine = path.requests
        .slice(firstRequest)
        .map((request) => readings.get(request)!)
        .filter(isWhole)
      const its = [...nodeRead.values()].filter(isWhole)
      await finish(path, ours)
      const faults = [...path.serverFaults]
      theirs.peer.socket.destroy()
      node.forget(theirs.port)
      runs += 1
      const wrong = complaintsOf(path)
      const cutByNode = theirs.peer.texts.find((text) => /^GOAWAY \d+ (?!NO_ERROR)/.test(text))?.split(' ')[2]
      const onlyMine = mine.filter((one) => !its.some((other) => key(other) === key(one)))
      const onlyIts = its.filter((one) => !mine.some((other) => key(other) === key(one)))
      same += mine.length - onlyMine.length
      if (kind === 'valid') {
        if (mine.length !== intended.length || onlyIts.length > 0 || onlyMine.length > 0 || faults.length > 0) {
          wrong.push(
            `valid: ${intended.length} sent, ${mine.length} read, ${its.length} by node:http2; ${faults.join()}`,
          )
        }
      }
      const why =
        nodeAlone(bytes) ??
        (cutByNode !== undefined && faults.length > 0 ? `cut with ${cutByNode}` : undefined) ??
        (ours.texts.some((text) => /^RST_STREAM \d+ INTERNAL_ERROR/.test(text))
          ? 'frames behind the end of a stream that we have reset'
          : undefined)
      if (cutByNode !== undefined && faults.length === 0 && why === undefined)
        wrong.push(`${cutByNode} for node:http2 only`)
      for (const one of onlyMine) {
        const other = onlyIts.find((other) => idOf(other) === idOf(one))
        if (other !== undefined) wrong.push(`read as ${key(one)}, not ${key(other)}`)
        else if (why !== undefined) laxer.add(why)
        else wrong.push(`refused by node:http2 only: ${key(one)}; it said ${theirs.peer.texts.join(', ')}`)
      }
      if (onlyIts.length > 0 && faults.length === 0) wrong.push(`refused without a reason: ${onlyIts.map(key).join()}`)
      for (const code of faults) stricter.add(code)
      if (wrong.length > 0)
        t.fail(`seed state ${before}, run ${runs}, ${kind}`, { wrong, faults, bytes: bytes.toString('latin1') })
    }
    await path.close()
  })
  t.ok(
    same > 0,
    `${runs} connections, ${same} requests read the same; refused: ${stricter.text}; by node:http2 only: ${laxer.text}`,
  )
})

/** What an application read against what went to it; each of the latter is used once. */
function differences(arrived: readonly Reading[], sent: readonly Reading[]): string[] {
  const left = sent.map(key)
  const wrong: string[] = []
  for (const one of arrived) {
    const index = left.indexOf(key(one))
    if (index < 0)
      wrong.push(
        `arrived as ${key(one)}; sent: ${sent
          .filter((other) => idOf(other) === idOf(one))
          .map(key)
          .join()}`,
      )
    else left.splice(index, 1)
  }
  return wrong
}

function ofApp({
  method,
  target,
  headers,
  body,
  trailers,
}: Omit<AppRequest, 'body'> & { readonly body: string }): Reading {
  const lower = headers.map((text, index) => (index % 2 === 0 ? text.toLowerCase() : text))
  const line = [method, target, valueOf(lower, 'host')].join(' ')
  return { line, fields: neutral(headers, true), body, trailers: neutral(trailers, true), whole: true }
}

/**
 * What of these requests an HTTP/1 application has to read: an extended CONNECT is the GET that it is there, a body with a
 * length is whole when so many bytes have come, and trailers have no place behind it.
 */
function overHttp1(readings: ReadonlyMap<ForwardedRequest, Reading>): Reading[] {
  return [...readings].map(([{ head }, reading]) => ({
    ...reading,
    line: reading.line.replace(/^CONNECT /, 'GET '),
    trailers: head.bodyLength >= 0 ? [] : reading.trailers,
    whole: reading.whole || reading.body.length === head.bodyLength,
  }))
}

t.test('requests, through HTTP/2 to node:http', { timeout: (seconds + 60) * 1000 }, async (t) => {
  const end = share()
  let runs = 0
  let same = 0
  await rounds(t, end, async (t) => {
    const app = await nodeApp(t)
    const readings = new Map<ForwardedRequest, Reading>()
    const recorder = record(readings, () => {})
    const decide = (request: ForwardedRequest): void => {
      recorder(request)
      request.forward()
    }
    const path = await http2Path(t, app, { upstream: 'http1', limits, decide })
    for (let batch = 0; batch < 25; batch += 1) {
      const before = beginCase()
      const valid = below(2) === 0
      const composer = new Composer((fields) => (!valid && below(3) === 0 ? spoilFields(fields) : fields))
      const ids = Array.from({ length: below(5) + 1 }, (_, index) => 2 * index + 1)
      const intended = compose(composer, requestHead, ids, true)
      const client = await path.bareClient()
      client.answers = false
      const from = app.requests.length
      readings.clear()
      path.serverFaults.length = 0
      for (const slice of randomSlices(clientBytes(composer.frames))) client.send(slice)
      await settle(path, client)
      const sent = overHttp1(readings).filter(isWhole)
      const arrived = app.requests
        .slice(from)
        .map((request) => ofApp({ ...request, body: request.body.toString('latin1') }))
      await finish(path, client)
      runs += 1
      const wrong = [...complaintsOf(path), ...differences(arrived, sent)]
      same += arrived.length
      const due = overHttp1(new Map([...readings].filter(([, reading]) => isWhole(reading))))
      for (const one of due)
        if (!arrived.some((other) => key(other) === key(one))) wrong.push(`did not arrive: ${key(one)}`)
      if (valid && sent.length < intended.length) wrong.push(`valid, but refused: ${path.serverFaults.join()}`)
      if (app.refused.length > 0) wrong.push(`node:http refused what was forwarded: ${app.refused.join()}`)
      if (wrong.length > 0) t.fail(`seed state ${before}, run ${runs}`, { wrong, faults: path.serverFaults, intended })
    }
    await path.close()
  })
  t.ok(same > 0, `${runs} connections, ${same} requests arrived as they were sent`)
})

t.test(
  'bytes of any kind, through HTTP/2 to an application that reads strictly',
  { timeout: (seconds + 60) * 1000 },
  async (t) => {
    const arrived: Reading[] = []
    const wrong: string[] = []
    const end = share()
    let runs = 0
    let same = 0
    const refused = new Tally()
    await rounds(t, end, async (t) => {
      const app = await rawApp(t, (peer) => {
        let answered = 0
        // Each request that was broken off leaves a connection behind.
        peer.socket.on('end', () => peer.socket.destroy())
        peer.socket.on('data', () => {
          try {
            const { requests } = strictRequests(peer.text)
            for (const { fields, ...request } of requests.slice(answered))
              arrived.push(ofApp({ ...request, headers: fields }))
            for (; answered < requests.length; answered += 1) peer.send('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n')
          } catch (error) {
            wrong.push(String(error))
            peer.socket.destroy()
          }
        })
      })
      const readings = new Map<ForwardedRequest, Reading>()
      const recorder = record(readings, () => {})
      const decide = (request: ForwardedRequest): void => {
        recorder(request)
        request.forward()
      }
      const path = await http2Path(t, app, { upstream: 'http1', limits, decide })
      for (let batch = 0; batch < 25; batch += 1) {
        const before = beginCase()
        const composer = new Composer((fields) => (below(6) === 0 ? spoilFields(fields) : fields))
        compose(composer, requestHead, [1, 3, 5], true)
        const frames = below(2) === 0 ? composer.frames : spoilFrames(composer.frames)
        const client = await path.bareClient()
        client.answers = false
        readings.clear()
        arrived.length = 0
        path.serverFaults.length = 0
        const bytes = Buffer.concat([clientBytes([]), spoilBytes(Buffer.concat(frames))])
        for (const slice of randomSlices(below(20) === 0 ? spoilBytes(bytes) : bytes)) client.send(slice)
        await settle(path, client)
        const sent = overHttp1(readings)
        await finish(path, client)
        runs += 1
        same += arrived.length
        for (const code of path.serverFaults) refused.add(code)
        wrong.push(...complaintsOf(path), ...differences(arrived, sent))
        if (wrong.length > 0) {
          t.fail(`seed state ${before}, run ${runs}`, {
            wrong,
            faults: path.serverFaults,
            bytes: bytes.toString('latin1'),
          })
          wrong.length = 0
        }
      }
      await path.close()
    })
    t.ok(same > 0, `${runs} connections, ${same} requests arrived as they were read; refused: ${refused.text}`)
  },
)

function readingOf({ head, body, trailers, whole }: RawReading): Reading {
  return {
    line: valueOf(head, ':status'),
    fields: neutral(head, false),
    body,
    trailers: neutral(trailers, false),
    whole,
  }
}

t.test('responses, to our client and to node:http2', { timeout: (seconds + 60) * 1000 }, async (t) => {
  let bytes = Buffer.alloc(0)
  let streams = 1
  const end = share()
  let runs = 0
  let same = 0
  const refused = new Tally()
  const alone = new Tally()
  const reader = new NodeHttp2Reader()
  t.teardown(() => reader.close())
  await rounds(t, end, async (t) => {
    const app = await rawH2App(t, (peer) => {
      peer.credits = false
      peer.answers = false
      const answer = async (): Promise<void> => {
        await peer.until((frames) => frames.filter(({ type }) => type === 'HEADERS').length === streams)
        for (const slice of randomSlices(bytes)) peer.send(slice)
        await settled({ clientSockets: [], upstreamSockets: [] }, peer)
        // Whoever still waits for more hears that there is none.
        peer.socket.end()
      }
      answer().catch(() => peer.socket.destroy())
      peer.send(settings([3, 100]))
    })
    const before = beginCase()
    const kind = pick('valid', 'fields', 'frames')
    streams = below(4) + 1
    const composer = new Composer((fields) => (kind === 'fields' && below(3) === 0 ? spoilFields(fields) : fields))
    const ids = Array.from({ length: streams }, (_, index) => 2 * index + 1)
    const intended = compose(composer, responseHead, ids, false)
    bytes = Buffer.concat([settingsAck, ...(kind === 'frames' ? spoilFrames(composer.frames) : composer.frames)])
    const readings: Reading[] = []
    const path = await http2Path(t, app, {
      limits,
      decide: (request) => {
        const reading: Reading = { line: '', fields: [], body: '', trailers: [], whole: false }
        readings.push(reading)
        const { exchange } = request
        const data = exchange.responseData.bind(exchange)
        const ended = exchange.responseEnd.bind(exchange)
        // No second attempt: the application answers all requests of a connection together.
        request.onUpstreamFault = () => request.refuse(502)
        exchange.responseData = (slice) => {
          reading.body += slice.toString('latin1')
          return data(slice)
        }
        exchange.responseEnd = (trailers) => {
          const [head] = request.responses
          reading.line = String(head!.status)
          reading.fields = neutral(head!.headers, false)
          reading.trailers = trailers
          reading.whole = true
          ended(trailers)
        }
        request.forward()
      },
    })
    const client = await path.h2Client()
    client.send(...ids.map((id) => get(id)))
    await Promise.all(path.requests.map(({ over }) => over))
    for (let count = 0; count < streams; count += 1) await (await path.arrival()).over
    await settle(path, client)
    const byNode = await reader.read(app.port, streams)
    if (byNode === undefined) {
      await finish(path, client)
      await path.close()
      return
    }
    const theirs = byNode.readings.map(readingOf).filter(isWhole)
    const mine = readings.filter(isWhole)
    runs += 1
    const onlyMine = mine.filter((one) => !theirs.some((other) => key(other) === key(one)))
    const onlyTheirs = theirs.filter((one) => !mine.some((other) => key(other) === key(one)))
    same += mine.length - onlyMine.length
    await finish(path, client)
    const wrong = complaintsOf(path)
    for (const code of path.upstreamFaults) refused.add(code)
    if (kind === 'valid' && (mine.length !== intended.length || onlyMine.length > 0)) {
      wrong.push(`valid: ${intended.length} sent, ${mine.length} read: ${path.upstreamFaults.join()}`)
    }
    for (const one of onlyMine) {
      const other = onlyTheirs.find((other) => idOf(other) === idOf(one))
      if (other !== undefined) wrong.push(`read as ${key(one)}, not ${key(other)}`)
      else if (byNode.error !== undefined && (kind === 'frames' || path.upstreamFaults.length > 0))
        alone.add(byNode.error)
      // RFC 9113 sets no limit; nghttp2's is 8.
      else if (byNode.error?.startsWith('Too many CONTINUATION frames') === true) alone.add(byNode.error)
      else wrong.push(`refused by node:http2 only: ${key(one)}; it said ${byNode.error}`)
    }
    // Node takes a reset without an error for the end of a response; RFC 9113, section 8.1, asks for END_STREAM.
    const resetUnended = bytes.includes(reset(1, 'NO_ERROR'))
    if (onlyTheirs.length > 0 && path.upstreamFaults.length === 0 && !resetUnended) {
      wrong.push(`not read without a reason: ${onlyTheirs.map(key).join()}`)
    }
    if (wrong.length > 0)
      t.fail(`seed state ${before}, run ${runs}, ${kind}`, {
        wrong,
        faults: path.upstreamFaults,
        bytes: bytes.toString('latin1'),
      })
    await path.close()
  })
  t.ok(
    same > 0,
    `${runs} connections, ${same} responses read the same; refused: ${refused.text}; by node:http2 only: ${alone.text}; it aborted ${reader.aborted} times`,
  )
})
