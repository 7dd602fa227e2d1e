import { once } from 'node:events'
import { type ClientHttp2Session, constants, type ServerHttp2Stream } from 'node:http2'
import t, { type Test } from 'tap'
import { dial, rawApp } from '../../fixtures/http.ts'
import { type AppStream, http2Client, type Http2Reply, sendHttp2, startHttp2App } from '../../fixtures/http2.ts'
import { checkLeaks } from '../../fixtures/leaks.ts'
import {
  allow,
  clientTls,
  credentialsOf,
  eventually,
  idOf,
  type Pair,
  type PairOptions,
  startPair,
} from '../../fixtures/sidecar.ts'

checkLeaks(t)

function ok({ stream }: AppStream): void {
  stream.respond({ ':status': 200 })
  stream.end('ok')
}

/** An application that answers when it is told to. */
interface Held extends Pair {
  /** Requests that wait. */
  readonly waiting: ServerHttp2Stream[]
  /** Most that ever waited at once. */
  readonly most: () => number
  /** Answers those that wait, and all that come later. */
  release(): void
}

async function startHeld(t: Test, options: PairOptions = {}): Promise<Held> {
  const waiting: ServerHttp2Stream[] = []
  let most = 0
  let released = false
  const app = await startHttp2App(t, (entry) => {
    if (released) return ok(entry)
    waiting.push(entry.stream)
    most = Math.max(most, waiting.length)
  })
  const pair = await startPair(t, app.address, options)
  return {
    ...pair,
    waiting,
    most: () => most,
    release: () => {
      released = true
      for (const stream of waiting.splice(0)) {
        stream.respond({ ':status': 200 })
        stream.end('ok')
      }
    },
  }
}

/** Sends `count` requests at once over several connections of a client. */
async function flood(t: Test, { web }: Pair, count: number): Promise<Promise<Http2Reply>[]> {
  const sessions: ClientHttp2Session[] = []
  for (let each = 0; each < 4; each += 1) sessions.push(await http2Client(t, web.outbound))
  const replies = Array.from({ length: count }, (_, index) => sendHttp2(sessions[index % sessions.length]!, {}))
  // Whoever waits for them hears of it.
  for (const reply of replies) reply.catch(() => {})
  return replies
}

function statuses(replies: readonly Http2Reply[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const { status, headers } of replies) {
    const outcome = String(headers['x-outrider-refusal'] ?? status)
    counts[outcome] = (counts[outcome] ?? 0) + 1
  }
  return counts
}

const meshConnections = ({ api }: Pair): Promise<number> =>
  api.metric('outrider_connections_total', { listener: 'inbound' })

t.test('2000 requests in flight share at most maxMeshConnections connections', async (t) => {
  for (const maxMeshConnections of [4, 2]) {
    const held = await startHeld(t, { web: { config: { maxMeshConnections } } })
    const replies = await flood(t, held, 2000)
    await eventually(() => held.waiting.length === 2000, 'all of them arrive')
    const opened = await meshConnections(held)
    t.ok(opened >= 2 && opened <= maxMeshConnections, `${opened} connections`)
    t.equal(await held.web.metric('outrider_upstream_connections_active', { service: 'default/api' }), opened)
    held.release()
    t.strictSame(statuses(await Promise.all(replies)), { 200: 2000 })
    await eventually(() => held.web.runtime.load.inFlight === 0, 'all are over')
  }
})

t.test('one connection is enough for few, and another one comes when there are many', async (t) => {
  const held = await startHeld(t)
  const few = await flood(t, held, 100)
  await eventually(() => held.waiting.length === 100, 'they arrive')
  t.equal(await meshConnections(held), 1)
  const more = await flood(t, held, 400)
  await eventually(() => held.waiting.length === 500, 'they arrive')
  t.equal(await meshConnections(held), 2)
  held.release()
  t.strictSame(statuses(await Promise.all([...few, ...more])), { 200: 500 })
})

t.test('no more is sent than the other side takes at once', async (t) => {
  const config = { maxConcurrentStreams: 10 }
  const limited = { api: { config }, web: { config: { maxMeshConnections: 2, upstreamQueueTimeoutMs: 60_000 } } }
  const patient = await startHeld(t, limited)
  const replies = await flood(t, patient, 100)
  await eventually(() => patient.waiting.length === 20, 'what has room arrives')
  patient.release()
  t.strictSame(statuses(await Promise.all(replies)), { 200: 100 })
  t.equal(patient.most(), 20)
  t.equal(await meshConnections(patient), 2)
  t.equal(await patient.api.metric('outrider_http_protocol_errors_total'), 0, 'nobody had to be refused')

  const impatient = await startHeld(t, {
    ...limited,
    web: { config: { maxMeshConnections: 2, upstreamQueueTimeoutMs: 100 } },
  })
  const others = await flood(t, impatient, 50)
  const early: Http2Reply[] = []
  for (const reply of others) void reply.then((each) => early.push(each))
  await eventually(() => early.length === 30, 'the rest is told so')
  t.strictSame(statuses(early), { 'upstream-busy': 30 })
  t.equal(impatient.waiting.length, 20)
  impatient.release()
  t.strictSame(statuses(await Promise.all(others)), { 200: 20, 'upstream-busy': 30 })
})

t.test('a side that goes away after so many requests loses none of them', async (t) => {
  const app = await startHttp2App(t, ok)
  const config = { maxRequestsPerConnection: 7 }
  const pair = await startPair(t, app.address, { api: { config } })
  const session = await http2Client(t, pair.web.outbound)
  const replies: Http2Reply[] = []
  const worker = async (number: number): Promise<void> => {
    for (let round = 0; round < 30; round += 1) {
      // A body cannot be sent twice.
      const sent = number % 2 === 0 ? {} : { body: 'x' }
      replies.push(await sendHttp2(session, { ':method': number % 2 === 0 ? 'GET' : 'POST' }, sent))
    }
  }
  await Promise.all(Array.from({ length: 20 }, (_, number) => worker(number)))
  t.strictSame(statuses(replies), { 200: 600 })
  t.ok((await meshConnections(pair)) > 10, 'over many connections')
})

t.test('what a closing side did not look at is sent again, and no client learns of it', async (t) => {
  const app = await startHttp2App(t, ok)
  const pair = await startPair(t, app.address)
  const session = await http2Client(t, pair.web.outbound)
  const replies: Http2Reply[] = []
  const worker = async (): Promise<void> => {
    for (let round = 0; round < 30; round += 1) replies.push(await sendHttp2(session, {}))
  }
  const workers = Promise.all(Array.from({ length: 20 }, worker))
  const { connections } = pair.api.runtime
  while (replies.length < 500) {
    const before = replies.length
    await eventually(() => replies.length > before + 30, 'the load goes on')
    // At once, without a word in advance.
    for (const open of connections.all()) open.close()
  }
  await workers
  t.strictSame(statuses(replies), { 200: 600 })
  t.ok((await meshConnections(pair)) > 5, 'over many connections')
})

t.test('a stream that the application refuses is sent once more', async (t) => {
  let refusing = 1
  const app = await startHttp2App(t, (entry) => {
    if (refusing === 0) return ok(entry)
    refusing -= 1
    entry.stream.close(constants.NGHTTP2_REFUSED_STREAM)
  })
  const { web, api } = await startPair(t, app.address)
  const session = await http2Client(t, web.outbound)
  const retried = (): Promise<number> => api.metric('outrider_upstream_requests_retried_total')
  for (const method of ['GET', 'POST', 'DELETE', 'PATCH']) {
    const before = await retried()
    refusing = 1
    t.equal((await sendHttp2(session, { ':method': method })).status, 200, `${method}: nothing of it was done`)
    t.equal((await retried()) - before, 1)
  }
  refusing = 2
  const refused = await sendHttp2(session, {})
  t.match(refused, { status: 502, headers: { 'x-outrider-refusal': 'upstream-gone' } })
})

t.test('a new SVID under load fails no request, and what is open for long stays open', async (t) => {
  const streams = await startHttp2App(t, (entry) => {
    if (entry.headers[':path'] !== '/stream') return ok(entry)
    entry.stream.respond({ ':status': 200 })
    entry.stream.write('begun ')
    entry.stream.on('data', (part: Buffer) => entry.stream.write(part))
    entry.stream.on('end', () => entry.stream.end())
  })
  const pair = await startPair(t, streams.address, { web: { config: { maxMeshConnections: 1 } } })
  const { web, api, ca } = pair
  const session = await http2Client(t, web.outbound)
  const rotate = (): void => {
    web.credentials.set(credentialsOf(ca.issue('/ns/default/sa/web'), ca.bundles()))
    api.credentials.set(credentialsOf(ca.issue('/ns/default/sa/api'), ca.bundles()))
  }
  const replies: Http2Reply[] = []
  const load = { on: true }
  const worker = async (number: number): Promise<void> => {
    const post = { ':method': 'POST', ':path': '/work' }
    while (load.on)
      replies.push(
        await (number % 2 === 0 ? sendHttp2(session, {}) : sendHttp2(session, post, { body: 'x'.repeat(5000) })),
      )
  }
  const workers = Array.from({ length: 16 }, (_, number) => worker(number))
  const long = []
  for (let rotation = 0; rotation < 6; rotation += 1) {
    const stream = session.request({ ':method': 'POST', ':path': '/stream', ':authority': 'api' }, { endStream: false })
    await once(stream, 'data')
    long.push(stream)
    const before = replies.length
    rotate()
    await eventually(() => replies.length > before + 100, 'the load goes on')
  }
  for (const [index, stream] of long.entries()) {
    stream.end(`still ${index}`)
    const [part] = await once(stream, 'data')
    t.equal(String(part), `still ${index}`)
  }
  load.on = false
  await Promise.all(workers)
  t.strictSame(statuses(replies), { 200: replies.length })
  t.ok((await meshConnections(pair)) >= 6)
  await eventually(
    async () => (await web.metric('outrider_upstream_connections_active', { service: 'default/api' })) <= 1,
    'the connections of older SVIDs close',
  )
})

t.test('any client with a certificate of the mesh may speak HTTP/2 to an inbound port', async (t) => {
  const app = await startHttp2App(t, ok)
  const { api, ca } = await startPair(t, app.address, {
    policy: { policies: [allow('web', { from: [{ spiffeIds: [idOf('web')] }], to: [{ paths: ['/a', '/b'] }] })] },
  })
  const session = await http2Client(t, api.inbound, clientTls(ca, ca.issue('/ns/default/sa/web')))
  t.equal(session.alpnProtocol, 'h2')
  t.equal(session.remoteSettings.enableConnectProtocol, true)
  const replies = await Promise.all(['/a', '/b', '/c'].map((path) => sendHttp2(session, { ':path': path })))
  t.strictSame(statuses(replies), { 200: 2, 'no-allow-rule': 1 })
  t.match(app.streams[0]?.headers['x-forwarded-client-cert'], new RegExp(`URI=${idOf('web')}$`))
  const other = await http2Client(t, api.inbound, clientTls(ca, ca.issue('/ns/default/sa/other')))
  t.match(await sendHttp2(other, { ':path': '/a' }), { status: 403, text: /^no-allow-rule: / })
  const goaway = once(session, 'goaway')
  const drained = api.drain(5000)
  t.equal((await goaway)[0], constants.NGHTTP2_NO_ERROR)
  other.close()
  t.equal(await drained, true)
})

t.test('requests and tunnels of all kinds share one connection', async (t) => {
  const app = await rawApp(t)
  const { web, api } = await startPair(t, app.address)
  const answer = async (request: string, response: string): Promise<void> => {
    const client = await dial(t, web.outbound)
    client.send(request)
    const server = await app.accept()
    await server.until('\r\n\r\n')
    server.send(response)
    await client.until('\r\n\r\n')
  }
  const upgrade = 'Connection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n'
  const granted = 'Connection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n'
  await answer(`GET /ws HTTP/1.1\r\nHost: api\r\n${upgrade}\r\n`, `HTTP/1.1 101 Switching Protocols\r\n${granted}\r\n`)
  await answer('GET / HTTP/1.1\r\nHost: api\r\n\r\n', 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n')
  t.equal(await api.metric('outrider_connections_total', { listener: 'inbound' }), 1)
})
