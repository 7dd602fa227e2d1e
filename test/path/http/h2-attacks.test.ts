// What a hostile client gets accepted, and what is held for it, before it is cut. The clock stands still unless a test moves
// it, so that "in one sweep" is exact.
import type { Socket } from 'node:net'
import t, { type Test } from 'tap'
import { BodyBudget } from '../../../src/http/body-budget.ts'
import { NO_BODY, type ServerStream } from '../../../src/http/exchange.ts'
import { H2ServerConnection } from '../../../src/http/h2/server.ts'
import { Sweep } from '../../../src/http/sweep.ts'
import { TestClock } from '../../fixtures/clock.ts'
import { checkLeaks } from '../../fixtures/leaks.ts'
import { nextTurn, type RawApp, rawApp, settled, strictRequests, testLimits, WireSocket } from '../../fixtures/http.ts'
import {
  ACK,
  block,
  data,
  END_HEADERS,
  END_STREAM,
  frame,
  get,
  type H2Peer,
  headers,
  PADDED,
  ping,
  prefaceBytes,
  request,
  reset,
  settings,
  WITH_PRIORITY,
  windowUpdate,
} from '../../fixtures/h2-frames.ts'
import { type Http2Path, http2Path } from '../../fixtures/h2-path.ts'

checkLeaks(t)

const INITIAL_WINDOW_SIZE = 4
const LARGEST_WINDOW = 0x7fff_ffff

/** An application that answers whatever comes, and how many requests that were. */
async function eagerApp(t: Test, body = 'ok'): Promise<RawApp & { readonly seen: { requests: number } }> {
  const seen = { requests: 0 }
  const response = `HTTP/1.1 200 OK\r\ncontent-length: ${body.length}\r\n\r\n${body}`
  const app = await rawApp(t, (peer) => {
    let answered = 0
    peer.socket.on('data', () => {
      const { requests } = strictRequests(peer.text)
      for (; answered < requests.length; answered += 1) {
        seen.requests += 1
        peer.send(response)
      }
    })
  })
  return { ...app, seen }
}

/** An application that takes requests and never answers. */
const silentApp = (t: Test): Promise<RawApp> => rawApp(t)

/**
 * Sends what `make` gives for 0, 1, 2, ... until the other side ends the connection, at most `most` of them; gives how many
 * it may have read.
 */
async function flood(client: H2Peer<Socket>, most: number, make: (index: number) => Buffer): Promise<number> {
  let over = false
  void client.end.then(() => {
    over = true
  })
  let sent = 0
  for (; sent < most && !over && !client.frames.some(({ type }) => type === 'GOAWAY'); ) {
    const frames: Buffer[] = []
    for (const until = Math.min(most, sent + 50); sent < until; sent += 1) frames.push(make(sent))
    if (client.socket.destroyed) break
    const room = client.socket.write(Buffer.concat(frames))
    if (!room) await new Promise((resolve) => client.socket.once('drain', resolve).once('close', resolve))
    await nextTurn()
  }
  return sent
}

/** What is held of a path's traffic in this process: sockets, and bodies that count in the budget. */
function held(path: Http2Path): number {
  let bytes = 0
  let requests = 0
  for (const socket of path.clientSockets) bytes += socket.writableLength + socket.readableLength
  for (const socket of path.upstreamSockets) {
    bytes += socket.readableLength
    requests += socket.writableLength
  }
  // A request's body is in the budget until the socket of the upstream has written it out.
  return bytes + Math.max(path.budget.heldBytes, requests)
}

/** Waits until the server has ended the connection, and gives the error it said; `never` after all of a flood was read. */
async function cutWith(client: H2Peer<Socket>, path: Http2Path): Promise<string> {
  await settled(path, client)
  if (!client.texts.some((text) => text.startsWith('GOAWAY'))) return 'never'
  return client.texts.find((text) => text.startsWith('GOAWAY'))!.split(' ')[2]!
}

const stream = (index: number): number => 2 * index + 1
const MOST_RESETS = 500 + testLimits.maxConcurrentStreams + 50

/** Ways to end a request that has begun, each of which makes us end it upstream. */
const breaking: readonly (readonly [name: string, frames: (id: number) => Buffer])[] = [
  ['reset', (id) => Buffer.concat([get(id), reset(id)])],
  ['reset of an upload', (id) => Buffer.concat([headers(id, request('POST')), data(id, 'x'), reset(id)])],
  ['WINDOW_UPDATE of nothing', (id) => Buffer.concat([get(id), windowUpdate(id, 0)])],
  ['a window that overflows', (id) => Buffer.concat([get(id), windowUpdate(id, LARGEST_WINDOW)])],
  ['DATA behind the end', (id) => Buffer.concat([get(id), data(id, '')])],
  ['HEADERS behind the end', (id) => Buffer.concat([get(id), headers(id, ['a', 'b'], END_HEADERS | END_STREAM)])],
  ['PRIORITY of four bytes', (id) => Buffer.concat([get(id), frame('PRIORITY', 0, id, Buffer.alloc(4))])],
  [
    'more than content-length',
    (id) => Buffer.concat([headers(id, request('POST', '/', 'content-length', '1')), data(id, 'xx')]),
  ],
  [
    'less than content-length',
    (id) => Buffer.concat([headers(id, request('POST', '/', 'content-length', '9')), data(id, 'x', END_STREAM)]),
  ],
  [
    'malformed trailers',
    (id) => Buffer.concat([headers(id, request('POST')), headers(id, [':path', '/'], END_HEADERS | END_STREAM)]),
  ],
  ['trailers that do not end it', (id) => Buffer.concat([headers(id, request('POST')), headers(id, ['a', 'b'])])],
]

t.test('rapid reset, by the client or by making us reset: cut, in whatever way it is done', async (t) => {
  for (const [name, frames] of breaking) {
    const app = await silentApp(t)
    const path = await http2Path(t, app, { upstream: 'http1' })
    const client = await path.h2Client()
    await client.until(/^SETTINGS ACK/)
    await flood(client, 2000, (index) => frames(stream(index)))
    t.equal(await cutWith(client, path), 'ENHANCE_YOUR_CALM', name)
    t.ok(path.requests.length <= MOST_RESETS, `${name}: ${path.requests.length} requests were begun`)
    t.ok(path.requests.length >= 500, `${name}: but as many as may honestly be reset at once`)
    await settled(path)
    t.equal(path.requests.filter(({ finished }) => finished.length !== 1).length, 0, 'each of them has ended, once')
    await path.close()
  }
})

t.test('reset in mixed company: answered requests do not count', async (t) => {
  const app = await eagerApp(t)
  const path = await http2Path(t, app, { upstream: 'http1' })
  const client = await path.h2Client()
  for (let round = 0; round < 40; round += 1) {
    const ids = Array.from({ length: 50 }, (_, index) => stream(50 * round + index))
    client.send(...ids.map((id) => get(id)))
    for (const id of ids) await client.message(id)
    client.send(...ids.map((id) => reset(id)))
  }
  t.notOk(client.texts.some((text) => text.startsWith('GOAWAY')))
  t.equal(app.seen.requests, 2000)
})

t.test('CONTINUATION floods: cut within the bound of a head', async (t) => {
  const open = headers(1, request(), END_STREAM)
  for (const [name, piece] of [
    ['empty', Buffer.alloc(0)],
    ['of one byte', Buffer.of(0)],
    ['small', block(['a', 'b'])],
    ['large', Buffer.alloc(16_384)],
  ] as const) {
    const app = await silentApp(t)
    const path = await http2Path(t, app, { upstream: 'http1', limits: { maxHeadBytes: 61_440 } })
    const client = await path.h2Client()
    await client.until(/^SETTINGS ACK/)
    await flood(client, 100_000, (index) => (index === 0 ? open : frame('CONTINUATION', 0, 1, piece)))
    t.equal(await cutWith(client, path), 'ENHANCE_YOUR_CALM', name)
    t.equal(path.requests.length, 0)
    t.strictSame(path.serverFaults, [name === 'large' ? 'h2-field-block-too-large' : 'h2-continuation-flood'])
    await path.close()
  }
})

const anyFrame: readonly (readonly [name: string, frames: Buffer | ((index: number) => Buffer)])[] = [
  ['SETTINGS', settings()],
  ['SETTINGS with values', settings([3, 100])],
  ['SETTINGS acknowledged', frame('SETTINGS', ACK, 0)],
  ['PING', ping()],
  ['PING answered', ping('pingpong', ACK)],
  ['PRIORITY', frame('PRIORITY', 0, 1, Buffer.alloc(5))],
  ['PRIORITY of streams that are not open', (index) => frame('PRIORITY', 0, stream(index), Buffer.alloc(5))],
  ['PRIORITY of four bytes', (index) => frame('PRIORITY', 0, stream(index + 1), Buffer.alloc(4))],
  ['WINDOW_UPDATE of the connection', windowUpdate(0, 1)],
  ['WINDOW_UPDATE of a stream', windowUpdate(1, 1)],
  ['empty DATA', data(1, '')],
  ['DATA of padding alone', frame('DATA', PADDED, 1, Buffer.concat([Buffer.of(100), Buffer.alloc(100)]))],
  ['DATA of no padding', frame('DATA', PADDED, 1, Buffer.of(0))],
  ['frames that nobody knows', frame(0xee, 0, 0, Buffer.alloc(10))],
  ['GOAWAY', frame('GOAWAY', 0, 0, Buffer.alloc(8))],
]

t.test('frames that carry nothing: cut after some 1000 of them', async (t) => {
  for (const [name, frames] of anyFrame) {
    const path = await http2Path(t, await silentApp(t), { upstream: 'http1' })
    const client = await path.h2Client()
    client.send(headers(1, request('POST')))
    await path.arrival()
    const sent = await flood(client, 5000, (index) => (typeof frames === 'function' ? frames(index) : frames))
    t.equal(await cutWith(client, path), 'ENHANCE_YOUR_CALM', `${name}: after ${sent}`)
    t.ok(path.serverFaults.includes('h2-control-flood'))
    t.equal(path.requests[0]!.finished[0]?.code, 'client-gone', 'and what was open is lost')
    await path.close()
  }
})

t.test('SETTINGS with thousands of values, each of which would move the window of every stream', async (t) => {
  const path = await http2Path(t, await silentApp(t), { upstream: 'http1' })
  const client = await path.h2Client()
  const many = settings(...Array.from({ length: 2700 }, (_, index) => [INITIAL_WINDOW_SIZE, index] as const))
  client.send(many)
  t.equal(await cutWith(client, path), 'ENHANCE_YOUR_CALM')
  t.strictSame(path.serverFaults, ['h2-control-flood'])
})

/** A server whose client never reads: what is written to it waits in the process at once. */
class Unread {
  readonly socket: WireSocket = new WireSocket('slow')
  readonly clock: TestClock = new TestClock()
  readonly faults: string[] = []
  requests = 0
  /** The most that waited. */
  most = 0

  constructor(answer: (stream: ServerStream) => void) {
    new H2ServerConnection(this.socket, {
      limits: testLimits,
      sweep: new Sweep(this.clock),
      budget: new BodyBudget(1 << 30),
      handler: (_head, stream) => {
        this.requests += 1
        answer(stream)
        const ignore = (): void => {}
        return { requestData: () => true, requestEnd: ignore, requestAborted: ignore, responseDrained: ignore }
      },
      onFault: (code) => this.faults.push(code),
      onClosed: () => {},
    })
    this.feed(prefaceBytes, settings([INITIAL_WINDOW_SIZE, LARGEST_WINDOW]), windowUpdate(0, LARGEST_WINDOW - 65_535))
  }

  feed(...frames: readonly Buffer[]): void {
    this.socket.emit('data', Buffer.concat(frames))
  }

  /** Half a second passes. */
  async pause(): Promise<void> {
    await nextTurn()
    this.most = Math.max(this.most, this.socket.writableLength)
    this.clock.advance(500)
  }
}

t.test('who does not read the answers and stays below every rate: cut, and little is held', async (t) => {
  const ok = (stream: ServerStream, body: Buffer | undefined): void => {
    stream.respond({
      status: body === undefined ? 204 : 200,
      headers: [],
      bodyLength: body?.length ?? NO_BODY,
      close: false,
    })
    if (body !== undefined) stream.data(body)
    stream.end([])
  }
  const body = Buffer.alloc(30_000)
  const cases: readonly [
    name: string,
    answer: (stream: ServerStream) => void,
    frames: (id: number) => Buffer,
    fault: string,
  ][] = [
    ['PING', () => {}, () => ping(), 'h2-answers-unread'],
    ['SETTINGS', () => {}, () => settings(), 'h2-answers-unread'],
    ['DATA of a stream that is over', () => {}, () => data(1, 'x'), 'h2-answers-unread'],
    ['PRIORITY of four bytes', () => {}, () => frame('PRIORITY', 0, 99_999, Buffer.alloc(4)), 'h2-answers-unread'],
    ['requests without a body in the answer', (stream) => ok(stream, undefined), (id) => get(id), 'h2-answers-unread'],
    ['requests with a head that we answer', () => {}, (id) => get(id, '/', 'x', 'y'.repeat(4096)), 'h2-answers-unread'],
    ['malformed requests', () => {}, (id) => headers(id, [':method', 'GET']), 'h2-answers-unread'],
    ['requests with a body in the answer', (stream) => ok(stream, body), (id) => get(id), 'h2-too-many-streams'],
  ]
  for (const [name, answer, frames, fault] of cases) {
    const server = new Unread(answer)
    server.feed(get(1), reset(1), headers(99_999, request('POST')), data(99_999, 'x', END_STREAM))
    let rounds = 0
    for (; rounds < 1000 && !server.socket.writableEnded; rounds += 1) {
      // Half a second's worth, below what is called a flood; a stream is kept open with a byte now and then.
      server.feed(...Array.from({ length: 400 }, (_, index) => frames(100_000 + stream(rounds * 400 + index))))
      await server.pause()
      if (server.requests > 100 && fault === 'h2-too-many-streams') break
    }
    t.ok(server.faults.includes(fault), `${name}: ${fault} after ${rounds} rounds`)
    const most = fault === 'h2-too-many-streams' ? 256 * 1024 : 1024 * 1024 + 256 * 1024
    t.ok(server.most < most, `${name}: at most ${server.most} bytes waited`)
    server.socket.destroy()
  }
})

t.test('windows that stay closed: one read of each stream is held, until its time is over', async (t) => {
  const app = await rawApp(t, (peer) => {
    peer.socket.once('data', () => {
      peer.send('HTTP/1.1 200 OK\r\ncontent-length: 100000000\r\n\r\n')
      peer.socket.on('drain', () => fill())
      const fill = (): void => {
        while (!peer.socket.destroyed && peer.socket.write(Buffer.alloc(65_536)));
      }
      fill()
    })
  })
  for (const [name, pairs] of [
    ['of every stream', [[INITIAL_WINDOW_SIZE, 0]]],
    ['of the connection', [[INITIAL_WINDOW_SIZE, 1 << 30]]],
  ] as const) {
    const path = await http2Path(t, app, { upstream: 'http1' })
    const client = await path.h2Client(...pairs)
    client.credits = false
    client.send(...Array.from({ length: 100 }, (_, index) => get(stream(index))))
    await client.until((frames) => frames.filter(({ type }) => type === 'HEADERS').length === 100)
    await settled(path)
    t.ok(held(path) < 100 * 2 * 66_000, `${name}: ${held(path)} bytes in sockets`)
    for (let index = 0; index < 100; index += 1) client.send(windowUpdate(stream(index), 1))
    await settled(path)
    t.equal(path.requests.filter(({ finished }) => finished.length > 0).length, 0)
    path.clock.advance(testLimits.requestIdleTimeoutMs + 2000)
    await settled(path)
    t.equal(client.texts.filter((text) => /^RST_STREAM \d+ CANCEL/.test(text)).length, 100, `${name}: reset`)
    t.equal(path.upstreamSockets.filter(({ destroyed }) => !destroyed).length, 0, 'and given up upstream')
    t.notOk(client.texts.some((text) => text.startsWith('GOAWAY')))
    await path.close()
  }
})

t.test('a body that the application does not take: one window is held, and the other streams go on', async (t) => {
  const app = await rawApp(t)
  const path = await http2Path(t, app, { upstream: 'http1' })
  const client = await path.h2Client()
  client.send(headers(1, request('POST')))
  const stalled = await app.accept()
  await stalled.until('\r\n\r\n')
  stalled.socket.pause()
  const given = (id: number): number =>
    client.texts.reduce(
      (sum, text) => sum + Number(text.startsWith(`WINDOW_UPDATE ${id} `) ? text.split(' ')[2] : 0),
      0,
    )
  /** Sends up to `most` bytes of stream `id`, which has had `sent`, beside `others` of other streams; gives how much it then has had. */
  const pour = (id: number, sent: number, others: number, most = 1 << 30): number => {
    const open = Math.min(65_536 + given(id) - sent, 65_535 + given(0) - others - sent, most - sent)
    for (let left = open; left > 0; left -= 16_384) client.send(data(id, Buffer.alloc(Math.min(16_384, left), 'x')))
    return sent + Math.max(0, open)
  }
  let taken = 0
  for (;;) {
    const now = pour(1, taken, 0)
    if (now === taken) break
    taken = now
    await settled(path, client)
  }
  const inKernel = taken - held(path)
  t.ok(held(path) < testLimits.connectionWindowBytes, `${held(path)} bytes are held, ${inKernel} are in the kernel`)
  client.send(headers(3, request('POST')))
  const reading = await app.accept()
  const more = 4 * 1024 * 1024
  let sent = 0
  await client.until(() => {
    sent = pour(3, sent, taken, more)
    return sent === more
  })
  client.send(data(3, '', END_STREAM))
  await reading.until((text) => text.endsWith('\r\n0\r\n\r\n'))
  reading.send('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n')
  t.equal((await client.message(3)).status, 200)
  stalled.socket.resume()
  await stalled.until((text) => text.length > taken)
  client.send(reset(1))
  await stalled.end
})

t.test('HPACK bomb: a small block that unfolds is counted as what it says, and nothing of it is kept', async (t) => {
  const path = await http2Path(t, await silentApp(t), { upstream: 'http1', limits: { maxHeadBytes: 61_440 } })
  const client = await path.h2Client()
  // An entry of 4000 octets, and 60 000 references to it of one octet each: 240 MB.
  const value = Buffer.alloc(3900, 'v')
  const entry = Buffer.concat([Buffer.from([0x40, 1, 0x78, 0x7f, 0xbd, 0x1d]), value])
  const bomb = Buffer.concat([block(request()), entry, Buffer.alloc(12_000, 0xbe)])
  const before = process.memoryUsage().heapUsed
  for (let index = 0; index < 50; index += 1) {
    const id = stream(index)
    const references = Buffer.alloc(12_000, 0xbe)
    client.send(
      frame('HEADERS', END_STREAM, id, bomb),
      ...[0, 0, END_HEADERS].map((flags) => frame('CONTINUATION', flags, id, references)),
    )
  }
  for (let index = 0; index < 50; index += 1) {
    const { status, end } = await client.message(stream(index))
    if (status !== 431 || end !== 'whole') t.fail(`${stream(index)}: ${status} ${end}`)
  }
  t.ok(process.memoryUsage().heapUsed - before < 64 * 1024 * 1024)
  t.equal(path.requests.length, 0)
  client.send(get(1001))
  await path.arrival()
  t.pass('the connection goes on')
})

t.test('heads that are too large, in fields or bytes: answered, and the connection goes on', async (t) => {
  const app = await eagerApp(t)
  const path = await http2Path(t, app, { upstream: 'http1' })
  const client = await path.h2Client()
  const many = Array.from({ length: 30 }, (_, index) => [`x-${index}`, 'y']).flat()
  const large = ['x', 'y'.repeat(4080)]
  client.send(
    get(1, '/', ...many),
    get(3, '/', ...large),
    headers(5, request('POST')),
    headers(5, many, END_HEADERS | END_STREAM),
    headers(7, request('POST')),
    headers(7, large, END_HEADERS | END_STREAM),
    get(9),
  )
  for (const id of [1, 3, 5, 7]) t.equal((await client.message(id)).status, 431, `stream ${id}`)
  t.equal((await client.message(9)).status, 200)
  t.strictSame(path.serverFaults, ['head-too-large', 'head-too-large', 'head-too-large', 'head-too-large'])
  t.equal(app.seen.requests, 1)
})

t.test('one byte at a time: preface and heads have their time, whatever they hold back', async (t) => {
  const app = await silentApp(t)
  const path = await http2Path(t, app, { upstream: 'http1' })
  const hello = Buffer.concat([Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), settings()])
  const peer = await path.bareClient()
  peer.answers = false
  for (const byte of hello) {
    if (path.serverFaults.length > 0) break
    peer.send(Buffer.of(byte))
    await settled(path)
    path.clock.advance(1000)
  }
  t.equal(await cutWith(peer, path), 'ENHANCE_YOUR_CALM', 'preface')
  t.strictSame(path.serverFaults, ['h2-timed-out'])

  const client = await path.h2Client()
  await client.until(/^SETTINGS ACK/)
  path.serverFaults.length = 0
  client.send(headers(1, request(), 0))
  for (const byte of frame('CONTINUATION', END_HEADERS, 1, block(['x', 'y'.repeat(100)]))) {
    if (path.serverFaults.length > 0) break
    client.send(Buffer.of(byte))
    await settled(path)
    path.clock.advance(1000)
  }
  t.equal(await cutWith(client, path), 'ENHANCE_YOUR_CALM', 'head')
  t.strictSame(path.serverFaults, ['h2-timed-out'])

  const body = await path.h2Client()
  body.send(headers(1, request('POST')))
  await (await app.accept()).until('\r\n\r\n')
  body.send(data(1, 'x'))
  path.clock.advance(testLimits.requestIdleTimeoutMs + 2000)
  t.equal((await body.message(1)).status, 408, 'body')
  t.equal(path.requests[0]!.finished[0]?.code, 'client-gone')
})

t.test("bad messages of one client do not touch another's on the connection that they share", async (t) => {
  const app = await rawApp(t)
  const far = await http2Path(t, app, { upstream: 'http1' })
  const near = await http2Path(t, far, { downstream: 'http2', upstream: 'http2' })
  const good = await near.h2Client()
  good.send(headers(1, request('POST', '/good')), data(1, 'first '))
  const upstream = await app.accept()
  await upstream.until('first ')
  const bad = await near.h2Client([6, 40])
  const id = { next: -1 }
  const next = (): number => {
    id.next += 2
    return id.next
  }
  for (const frames of [
    (id: number) => headers(id, request('POST', '/', 'x', 'y'.repeat(4080)), END_HEADERS),
    (id: number) => headers(id, request('POST', '/', 'content-length', '5'), END_HEADERS | END_STREAM),
    (id: number) => Buffer.concat([headers(id, request('POST', '/', 'content-length', '1')), data(id, 'xx')]),
    (id: number) => Buffer.concat([headers(id, request('POST')), reset(id)]),
    (id: number) => Buffer.concat([headers(id, request('POST')), data(id, 'x'), headers(id, ['TE', 'x'])]),
    (id: number) => headers(id, request('POST', '/', 'transfer-encoding', 'chunked')),
    (id: number) => headers(id, request('GET', '/', 'x', '\r\nhost: b')),
    (id: number) => headers(id, request('CONNECT')),
    (id: number) =>
      frame(
        'HEADERS',
        END_HEADERS | END_STREAM | WITH_PRIORITY,
        id,
        Buffer.concat([Buffer.alloc(5), block(request('get'))]),
      ),
  ]) {
    bad.send(frames(next()))
  }
  await settled(near, bad)
  const flooder = await near.h2Client()
  await flooder.until(/^SETTINGS ACK/)
  await flood(flooder, 20_000, (index) =>
    Buffer.concat([headers(stream(index), request('POST')), reset(stream(index))]),
  )
  t.equal(await cutWith(flooder, near), 'ENHANCE_YOUR_CALM')
  await settled(near)
  t.strictSame(far.connections.length, 1, 'one connection between the two')
  t.strictSame(far.serverFaults, [], 'of which the other side sees nothing bad')
  good.send(data(1, 'last', END_STREAM))
  await upstream.until('last\r\n0\r\n\r\n')
  upstream.send('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok')
  const { status, body } = await good.message(1)
  t.strictSame([status, body.toString()], [200, 'ok'])
})
