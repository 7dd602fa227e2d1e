import t from 'tap'
import { type HttpPath, httpPath, nextTurn, type Peer, type RawApp, rawApp, testLimits } from '../../fixtures/http.ts'
import { checkLeaks } from '../../fixtures/leaks.ts'

checkLeaks(t)

const UPGRADE = 'GET /socket HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n'
const GRANTED = 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nX-Accept: k\r\n\r\n'

async function open(path: HttpPath, app: RawApp, early = ''): Promise<{ client: Peer; upstream: Peer }> {
  const client = await path.client()
  client.send(UPGRADE + early)
  const upstream = await app.accept()
  await upstream.until('upgrade: websocket\r\n\r\n')
  return { client, upstream }
}

t.test('bytes go both ways, those behind either head, too', async (t) => {
  const app = await rawApp(t)
  const path = await httpPath(t, app)
  const { client, upstream } = await open(path, app, '\x00early')
  t.notMatch(upstream.text, 'early', 'nothing before the application has agreed')
  upstream.clear()
  upstream.send(GRANTED, 'hello')
  await client.until('hello')
  t.equal(
    client.text,
    'HTTP/1.1 101 Switching Protocols\r\nx-accept: k\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\nhello',
  )
  await upstream.until('\x00early')
  client.send('GET /not-a-request HTTP/1.1\r\n\r\n')
  await upstream.until('not-a-request')
  t.equal(path.requests.length, 1)
  upstream.send('HTTP/1.1 200 not a response\r\n\r\n')
  await client.until('not a response')
  client.socket.end()
  upstream.socket.end()
  const { over, finished } = await path.arrival()
  await over
  t.strictSame(finished, [undefined])
  t.strictSame([await client.end, await upstream.end], ['ended', 'ended'])
})

t.test('each half ends by itself', async (t) => {
  const app = await rawApp(t)
  const path = await httpPath(t, app)
  for (const first of ['client', 'upstream'] as const) {
    const ends = await open(path, app)
    ends.upstream.send(GRANTED)
    await ends.client.until('\r\n\r\n')
    const [one, other] = first === 'client' ? [ends.client, ends.upstream] : [ends.upstream, ends.client]
    one.send('last').socket.end()
    await other.until('last')
    t.equal(await other.end, 'ended')
    one.clear()
    other.send('still here')
    await one.until('still here')
    other.socket.end()
    const { over, finished } = await path.arrival()
    await over
    t.strictSame(finished, [undefined], `${first} first`)
    await path.closing()
  }
})

t.test('a reset on one side ends the other', async (t) => {
  const app = await rawApp(t)
  const path = await httpPath(t, app)
  for (const first of ['client', 'upstream'] as const) {
    const ends = await open(path, app)
    ends.upstream.send(GRANTED)
    await ends.client.until('\r\n\r\n')
    const [one, other] = first === 'client' ? [ends.client, ends.upstream] : [ends.upstream, ends.client]
    one.socket.resetAndDestroy()
    t.equal(await other.end, 'reset')
    const { over, finished } = await path.arrival()
    await over
    t.strictSame(
      finished.map((fault) => fault?.code),
      [first === 'client' ? 'client-gone' : 'upstream-gone'],
    )
  }
})

t.test('refused by the application: the client goes on with HTTP, what came early is a request', async (t) => {
  const app = await rawApp(t)
  const path = await httpPath(t, app)
  const { client, upstream } = await open(path, app, 'GET /next HTTP/1.1\r\nHost: a\r\n\r\n')
  t.equal(path.requests.length, 1)
  upstream.clear()
  upstream.send('HTTP/1.1 426 Upgrade Required\r\nContent-Length: 2\r\n\r\nno')
  await upstream.until('\r\n\r\n')
  t.match(upstream.text, /^GET \/next HTTP\/1\.1\r\nhost: a\r\n\r\n$/, 'on the same connection')
  t.equal(path.requests.length, 2, 'decided on like any other')
  upstream.send('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnext')
  await client.until('next')
  t.match(client.text, /^HTTP\/1\.1 426 [^]*\r\n\r\nnoHTTP\/1\.1 200 OK\r\n/)
})

t.test('refused by us: the same', async (t) => {
  const app = await rawApp(t)
  const path = await httpPath(t, app, { decide: (request) => request.refuse(403) })
  const client = await path.client()
  client.send(UPGRADE + UPGRADE)
  await client.until((text) => text.match(/refused 403\n/g)?.length === 2)
  t.equal(app.peers.length, 0)
})

t.test('101 to another protocol than the one asked for is malformed', async (t) => {
  const app = await rawApp(t)
  const path = await httpPath(t, app)
  const { client, upstream } = await open(path, app)
  upstream.send(GRANTED.replace('websocket', 'h2c'))
  await client.until('refused 502\n')
  t.strictSame(path.upstreamFaults, ['response-unexpected'])
})

t.test('maxBodyBytes does not bound a tunnel', async (t) => {
  const app = await rawApp(t)
  const path = await httpPath(t, app, { limits: { maxBodyBytes: 10 } })
  const { client, upstream } = await open(path, app)
  upstream.send(GRANTED)
  await client.until('\r\n\r\n')
  upstream.clear()
  client.send('x'.repeat(1000))
  await upstream.until((text) => text.length === 1000)
  t.strictSame(path.serverFaults, [])
})

t.test('a tunnel has a time-out of its own', async (t) => {
  const SLACK_MS = 1000
  const { requestIdleTimeoutMs, tunnelIdleTimeoutMs } = testLimits
  const app = await rawApp(t)
  const short = { tunnelIdleTimeoutMs: requestIdleTimeoutMs / 2 }
  // On either side, whichever is shorter.
  for (const options of [{}, { limits: short, upstreamLimits: { tunnelIdleTimeoutMs } }, { upstreamLimits: short }]) {
    const path = await httpPath(t, app, options)
    const idleMs =
      options.limits === undefined && options.upstreamLimits === undefined
        ? tunnelIdleTimeoutMs
        : requestIdleTimeoutMs / 2
    const { client, upstream } = await open(path, app)
    upstream.send(GRANTED)
    await client.until('\r\n\r\n')
    path.clock.advance(idleMs - 1)
    await nextTurn()
    client.send('still')
    await upstream.until('still')
    path.clock.advance(idleMs - 1)
    upstream.send('here')
    await client.until('here')
    path.clock.advance(idleMs + SLACK_MS)
    t.strictSame([await client.end, await upstream.end], ['reset', 'reset'])
    const { over, finished } = await path.arrival()
    await over
    t.match(finished, [{ code: 'timed-out', message: /tunnelIdleTimeoutMs/ }])
    t.strictSame(path.serverFaults, [], 'nobody broke the protocol')
  }
})
