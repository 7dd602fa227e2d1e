import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { type ClientHttp2Stream, constants } from 'node:http2'
import { connect as connectTls, createServer as createTlsServer } from 'node:tls'
import t, { type Test } from 'tap'
import { boundAddress } from '../../fixtures/app.ts'
import { TestClock } from '../../fixtures/clock.ts'
import { dial, nextTurn, Peer, type RawApp, rawApp } from '../../fixtures/http.ts'
import { http2Client, sendHttp2, startHttp2App } from '../../fixtures/http2.ts'
import { checkLeaks } from '../../fixtures/leaks.ts'
import {
  allow,
  clientTls,
  deny,
  eventually,
  idOf,
  type Pair,
  type PairOptions,
  policyOf,
  rateLimit,
  send,
  startHop,
  startPair,
  type TestSidecar,
} from '../../fixtures/sidecar.ts'

checkLeaks(t)

const MIB = 1024 * 1024
const SOME = 300_000
/** Well known not to be HTTP: nothing is looked for in it. */
const opaque = { port: 5432 }

interface Database extends Pair {
  readonly app: RawApp
}

/** `web` has a listener for port 5432 of `api`, whose application is nothing but sockets. */
async function startDatabase(t: Test, options: PairOptions = {}): Promise<Database> {
  const app = await rawApp(t)
  const api = { ...options.api, inbound: { protocol: 'tcp' } } as const
  return { app, ...(await startPair(t, app.address, { port: opaque, ...options, api })) }
}

interface Tunnel {
  readonly client: Peer
  readonly server: Peer
}

async function open(t: Test, { web, app }: Database): Promise<Tunnel> {
  const client = await dial(t, web.services[0]!)
  const server = await app.accept()
  server.send('220 ready\r\n')
  await client.until('220 ready\r\n')
  client.clear()
  return { client, server }
}

/** From now on what comes is counted and not kept. */
function counted({ socket }: Peer): { bytes: number } {
  const count = { bytes: 0 }
  socket.removeAllListeners('data').on('data', (part: Buffer) => {
    count.bytes += part.length
  })
  return count
}

/** Both sidecars are rid of it. */
async function over(...sidecars: readonly TestSidecar[]): Promise<void> {
  await eventually(() => sidecars.every(({ runtime }) => runtime.load.inFlight === 0), 'nothing is in flight')
}

t.test('a connection goes through both sidecars, the server speaks first, and each half ends by itself', async (t) => {
  const database = await startDatabase(t)
  const { web, api } = database
  const { client, server } = await open(t, database)
  const [query, rows] = [randomBytes(SOME), randomBytes(SOME)]
  client.send(query)
  server.send(rows)
  await server.until((text) => text.length === SOME)
  await client.until((text) => text.length === SOME)
  t.ok(server.bytes.equals(query))
  t.ok(client.bytes.equals(rows))
  client.socket.end('QUIT\r\n')
  t.equal(await server.end, 'ended')
  t.match(server.text.slice(SOME), /^QUIT\r\n$/)
  server.socket.end('bye\r\n')
  t.equal(await client.end, 'ended')
  t.match(client.text.slice(SOME), /^bye\r\n$/)

  const common = {
    protocol: 'TCP',
    method: 'CONNECT',
    path: '',
    authority: 'api:5432',
    status: 200,
    source: idOf('web'),
  }
  const bytes = { bytes_received: SOME + 6, bytes_sent: SOME + 16 }
  t.match(await web.records.take(), { ...common, ...bytes, reporter: 'outbound', destination: 'default/api' })
  t.match(await api.records.take(), { ...common, ...bytes, reporter: 'inbound', rule: 'default/all/rules[0]' })
  t.equal(await api.metric('outrider_request_bytes_total', { reporter: 'inbound' }), SOME + 6)
  const labels = { response_code: '200', source_principal: idOf('web'), connection_security_policy: 'mutual_tls' }
  t.equal(await api.metric('outrider_requests_total', labels), 1)
})

t.test('the server ends first', async (t) => {
  const database = await startDatabase(t)
  const { client, server } = await open(t, database)
  server.socket.end('done')
  t.equal(await client.all(), 'done')
  t.equal(await client.end, 'ended')
  const received = counted(server)
  client.socket.end(randomBytes(10 * MIB))
  t.equal(await server.end, 'ended')
  t.equal(received.bytes, 10 * MIB)
  t.match(await database.api.records.take(), { status: 200, bytes_received: 10 * MIB, bytes_sent: 15 })
})

t.test('a reset on one side is one on the other', async (t) => {
  const database = await startDatabase(t)
  for (const first of ['client', 'server'] as const) {
    const tunnel = await open(t, database)
    tunnel.client.send('hello')
    await tunnel.server.until('hello')
    tunnel[first].socket.resetAndDestroy()
    t.equal(await tunnel[first === 'client' ? 'server' : 'client'].end, 'reset', `${first} first`)
    const code = first === 'client' ? 'client-gone' : 'upstream-gone'
    for (const sidecar of [database.web, database.api])
      t.match(await sidecar.records.take(), { protocol: 'TCP', status: 200, code, bytes_received: 5 })
  }
})

t.test('who may connect is decided by identity and port; a denied connection is reset without a byte', async (t) => {
  const database = await startDatabase(t)
  const { web, api, app } = database
  const { port } = app
  const permits = [
    [allow('web', { from: [{ spiffeIds: [idOf('web')] }], to: [{ ports: [port] }] })],
    [allow('all'), deny('other-port', { to: [{ ports: [port + 1] }] })],
    [allow('all'), deny('others', { from: [{ spiffeIds: [idOf('other')] }] })],
  ]
  const denials: readonly (readonly [code: string, nearest: string | undefined, ...Parameters<typeof policyOf>])[] = [
    ['no-allow-rule', 'from.spiffeIds', { policies: [allow('other', { from: [{ spiffeIds: [idOf('other')] }] })] }],
    ['no-allow-rule', 'to.ports', { policies: [allow('port', { to: [{ ports: [port + 1] }] })] }],
    // A connection has neither method nor path: a condition on them does not hold in ALLOW, and holds in DENY.
    ['no-allow-rule', 'to.methods', { policies: [allow('get', { to: [{ methods: ['GET', 'CONNECT'] }] })] }],
    ['no-allow-rule', 'to.paths', { policies: [allow('paths', { to: [{ paths: ['*'] }] })] }],
    ['denied-by-rule', undefined, { policies: [allow('all'), deny('path', { to: [{ paths: ['/admin'] }] })] }],
    ['denied-by-rule', undefined, { policies: [allow('all'), deny('method', { to: [{ methods: ['PUT'] }] })] }],
    ['denied-by-rule', undefined, { policies: [allow('all'), deny('web', { from: [{ spiffeIds: [idOf('web')] }] })] }],
    ['no-allow-rule', undefined, {}],
  ]
  for (const [code, failed, parts] of denials) {
    api.policy.set(policyOf(parts))
    const client = await dial(t, web.services[0]!)
    client.socket.write('SELECT 1')
    t.equal(await client.end, 'reset')
    t.equal(client.text, '')
    const record = await api.records.take()
    t.match(record, { protocol: 'TCP', method: 'CONNECT', status: 403, code, upstream: undefined })
    t.equal(record['failed'], failed)
    t.match(await web.records.take(), { protocol: 'TCP', status: 403 })
  }
  t.equal(app.peers.length, 0, 'nothing has reached the application')
  t.equal(await api.metric('outrider_authorization_decisions_total', { decision: 'deny' }), denials.length)
  for (const policies of permits) {
    api.policy.set(policyOf({ policies }))
    const { client, server } = await open(t, database)
    client.send('SELECT 1')
    await server.until('SELECT 1')
  }
})

t.test('connections are counted by rate limits', async (t) => {
  const database = await startDatabase(t, {
    policy: { policies: [allow('all')], limits: [rateLimit('slow', { requests: 2, burst: 2 })] },
  })
  await open(t, database)
  await open(t, database)
  const client = await dial(t, database.web.services[0]!)
  t.equal(await client.end, 'reset')
  t.match(await database.api.records.take(), { protocol: 'TCP', status: 429, code: 'rate-limited' })
})

t.test('what cannot be had is a reset', async (t) => {
  const { web, api, app } = await startHop(t, {
    port: opaque,
    api: { inbound: { protocol: 'tcp' } },
    web: { outboundServices: ['api:5432', 'nobody:5432', 'api:5433'] },
  })
  await app.close()
  for (const [index, code] of [undefined, 'service-unknown', 'service-unknown'].entries()) {
    const client = await dial(t, web.services[index]!)
    // Nobody has declared what the unknown ones speak.
    client.socket.write('hello')
    t.equal(await client.end, 'reset')
    t.equal(client.text, '')
    const record = await web.records.take()
    t.equal(record['code'], code)
    t.match(record, { protocol: 'TCP', status: code === undefined ? 503 : 404 })
  }
  t.match(await api.records.take(), { protocol: 'TCP', status: 503, code: 'upstream-unreachable' })
})

t.test('CONNECT over HTTP/2 is a TCP connection, from the application and from a peer', async (t) => {
  const { web, api, ca, app } = await startDatabase(t)
  const connect = { ':method': 'CONNECT', ':authority': 'api:5432' }
  for (const session of [
    await http2Client(t, web.outbound),
    await http2Client(t, api.inbound, clientTls(ca, ca.issue('/ns/default/sa/web'))),
  ]) {
    const stream = session.request(connect, { endStream: false })
    const client = new Peer<ClientHttp2Stream>(stream)
    client.send('SELECT 1')
    const server = await app.accept()
    await server.until('SELECT 1')
    server.socket.end('one row')
    t.equal(await client.all(), 'one row')
    stream.end()
    t.equal(await server.end, 'ended')
    t.match(await api.records.take(), { protocol: 'TCP', source: idOf('web'), status: 200, bytes_received: 8 })
    const cut = session.request(connect, { endStream: false })
    const reset = new Peer<ClientHttp2Stream>(cut)
    const granted = once(cut, 'response')
    const { socket } = await app.accept()
    await granted
    socket.resetAndDestroy()
    t.equal(await reset.end, 'reset')
    t.equal(cut.rstCode, constants.NGHTTP2_CONNECT_ERROR)
    await api.records.take()
  }
  api.policy.set(policyOf({ policies: [allow('connect', { to: [{ methods: ['CONNECT'] }] })] }))
  const session = await http2Client(t, web.outbound)
  const stream = session.request(connect, { endStream: false })
  const [headers] = await once(stream, 'response')
  t.match(headers, { ':status': 403, 'x-outrider-refusal': 'no-allow-rule' })
  stream.close()
})

t.test('a slow end holds up the other, and nobody else', async (t) => {
  const database = await startDatabase(t)
  const { web, api } = database
  for (const direction of ['client', 'server'] as const) {
    const slow = await open(t, database)
    const other = await open(t, database)
    const [from, to] = direction === 'client' ? [slow.client, slow.server] : [slow.server, slow.client]
    const received = counted(to)
    to.socket.pause()
    let taken = 0
    const slice = randomBytes(MIB / 16)
    for (let count = 0; count < 24 * 16; count += 1) from.socket.write(slice, () => void (taken += 1 / 16))
    from.socket.end()
    let before = taken
    for (let still = 0; still < 1000; still += 1) {
      await nextTurn()
      if (taken !== before) still = 0
      before = taken
    }
    // The kernel holds some for each of the three connections on the way.
    t.ok(taken < 16, `${taken} MiB were taken while nobody read`)
    t.ok(web.runtime.budget.heldBytes + api.runtime.budget.heldBytes < 1_000_000, 'and few of them are held')
    other.client.send('still here')
    await other.server.until('still here')
    other.server.send('so am I')
    await other.client.until('so am I')

    to.socket.resume()
    await to.end
    t.equal(received.bytes, 24 * MIB, `${direction} sends`)
    to.socket.end()
    other.client.socket.end()
    other.server.socket.end()
    await over(web, api)
    t.equal(web.runtime.budget.heldBytes + api.runtime.budget.heldBytes, 0)
  }
})

t.test('many connections share one connection between the sidecars', async (t) => {
  const database = await startDatabase(t)
  const { web, api } = database
  const COUNT = 200
  const clients = await Promise.all(Array.from({ length: COUNT }, () => dial(t, web.services[0]!)))
  for (const [index, client] of clients.entries()) client.send(`I am ${index}.`)
  const servers = await Promise.all(clients.map(() => database.app.accept()))
  await Promise.all(
    servers.map(async (server) => {
      await server.until('.')
      server.send(`You said: ${server.text}`)
    }),
  )
  await Promise.all(clients.map((client, index) => client.until(`You said: I am ${index}.`)))
  t.equal(await api.metric('outrider_connections_active', { listener: 'inbound' }), 1)
  t.equal(await web.metric('outrider_upstream_connections_active', { service: 'default/api' }), 1)
  t.equal(api.runtime.load.inFlight, COUNT)
  for (const client of clients) client.socket.end()
  for (const server of servers) server.socket.end()
  await over(web, api)
})

t.test('maxBodyBytes does not bound a connection, nor what comes before the application has taken it', async (t) => {
  const config = { maxBodyBytes: 10 }
  const { web, api, app, ca } = await startDatabase(t, { web: { config }, api: { config } })
  const session = await http2Client(t, api.inbound, clientTls(ca, ca.issue('/ns/default/sa/web')))
  for (const connect of [
    () => dial(t, web.services[0]!),
    () =>
      new Peer<ClientHttp2Stream>(
        session.request({ ':method': 'CONNECT', ':authority': 'api:5432' }, { endStream: false }),
      ),
  ]) {
    const client = await connect()
    client.send('x'.repeat(50_000))
    const server = await app.accept()
    await server.until((text) => text.length === 50_000)
    client.send('y'.repeat(50_000))
    await server.until((text) => text.length === 100_000)
  }
})

t.test('an idle connection ends after tunnelIdleTimeoutMs', async (t) => {
  const clock = new TestClock(Date.now())
  const config = { tunnelIdleTimeoutMs: 600_000, requestIdleTimeoutMs: 1000, upstreamIdleTimeoutMs: 1000 }
  const database = await startDatabase(t, { web: { clock, config }, api: { clock, config } })
  const { client, server } = await open(t, database)
  for (const [from, to] of [
    [client, server],
    [server, client],
  ] as const) {
    clock.advance(590_000)
    from.send('still here')
    await to.until('still here')
  }
  clock.advance(601_000)
  t.strictSame([await client.end, await server.end], ['reset', 'reset'])
  t.match(await database.web.records.take(), { protocol: 'TCP', code: 'timed-out' })
})

t.test('what a new policy does not allow is cut, and nothing else', async (t) => {
  const database = await startDatabase(t, { policy: { policies: [allow('all')] } })
  const { web, api } = database
  const { client, server } = await open(t, database)
  client.send('begun')
  await server.until('begun')
  api.policy.set(policyOf({ policies: [allow('web', { from: [{ spiffeIds: [idOf('web')] }] })] }))
  client.send(', allowed')
  await server.until('begun, allowed')
  api.policy.set(policyOf({ policies: [allow('paths', { to: [{ paths: ['*'] }] })] }))
  t.strictSame([await client.end, await server.end], ['reset', 'reset'])
  const cut = { protocol: 'TCP', status: 200, code: 'permission-withdrawn', failed: 'to.paths', bytes_received: 14 }
  t.match(await api.records.take(), cut)
  t.match(await api.lines.take(({ level }) => level === 'warn'), { withdrawn: 1 })
  t.equal(await api.metric('outrider_requests_total', { refusal: 'permission-withdrawn' }), 1)
  t.equal(await api.metric('outrider_request_bytes_total', { reporter: 'inbound' }), 14, 'what went through has')
  await over(web, api)
})

t.test('drain: connections go on until drainTimeoutMs', async (t) => {
  for (const side of ['web', 'api'] as const) {
    const database = await startDatabase(t)
    const ends = await open(t, database)
    const drained = database[side].drain(60_000)
    ends.client.send('one more')
    await ends.server.until('one more')
    ends.server.socket.end('and the last')
    ends.client.socket.end()
    t.equal(await ends.client.all(), 'and the last')
    t.equal(await drained, true, `${side} drains`)

    const other = await startDatabase(t)
    const cut = await open(t, other)
    t.equal(await other[side].drain(50), false)
    t.strictSame([await cut.client.end, await cut.server.end], ['reset', 'reset'])
    await over(other.web, other.api)
  }
})

t.test('a listener for a service finds out what is spoken', async (t) => {
  const hop = await startHop(t)
  const [listener] = hop.web.services
  t.match(await send(listener!, { path: '/x', headers: { host: 'whatever' } }), { status: 200, text: 'ok' })
  t.match(hop.app.seen, [{ target: '/x', headers: { host: 'whatever' } }])
  t.match(await hop.api.records.take(), { protocol: 'HTTP/1.1', path: '/x', authority: 'whatever' })

  const http2 = await startHttp2App(t, ({ stream }) => {
    stream.respond({ ':status': 200 })
    stream.end('two')
  })
  const pair = await startPair(t, http2.address)
  const session = await http2Client(t, pair.web.services[0]!)
  t.match(await sendHttp2(session, { ':path': '/y' }), { status: 200, text: 'two' })
  t.match(await pair.api.records.take(), { protocol: 'HTTP/2', path: '/y' })

  const database = await startDatabase(t, { port: { port: 80 } })
  for (const text of [
    'SSH-2.0-OpenSSH_9\r\n',
    'PUBLISH channel\r\n',
    '\x00\x00\x00\x08\x04\xd2\x16\x2f',
    'GET key\r\n',
  ]) {
    const client = await dial(t, database.web.services[0]!)
    client.send(text)
    const server = await database.app.accept()
    await server.until(text)
    t.match(database.api.runtime.load.inFlight, 1)
    client.socket.end()
    server.socket.end()
    t.match(await database.api.records.take(), { protocol: 'TCP', status: 200 })
  }
})

t.test("the application's own TLS passes unread", async (t) => {
  const { ca, web } = await startHop(t)
  const leaf = ca.issue('/ns/default/sa/api')
  const server = createTlsServer({ cert: leaf.chainPem, key: leaf.keyPem }, (socket) => socket.end('secret'))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const pair = await startPair(
    t,
    { host: '127.0.0.1', port: boundAddress(server).port },
    {
      ca,
      api: { inbound: { protocol: 'tcp' } },
    },
  )
  const [listener] = pair.web.services
  const client = connectTls({ ...listener, ca: ca.pem, checkServerIdentity: () => undefined, servername: '' })
  t.teardown(() => client.destroy())
  const [text] = await once(client, 'data')
  t.equal(String(text), 'secret')
  t.ok(client.getPeerX509Certificate()?.raw.equals(leaf.chainDer[0]!), 'from end to end')
  t.equal(web.runtime.load.inFlight, 0)
  client.end()
  t.match(await pair.api.records.take(), { protocol: 'TCP', status: 200 })
})

t.test('a client that shows nothing speaks TCP, and the policy decides on it as on any other', async (t) => {
  const clock = new TestClock(Date.now())
  const config = { detectTimeoutMs: 3000 }
  const database = await startDatabase(t, { port: { port: 80 }, web: { clock, config }, api: { clock } })
  const { web, api, app } = database
  for (const [policies, code] of [
    [[allow('all')], undefined],
    [[allow('http', { to: [{ paths: ['*'] }] })], 'no-allow-rule'],
  ] as const) {
    api.policy.set(policyOf({ policies }))
    const client = await dial(t, web.services[0]!)
    await eventually(async () => (await web.metric('outrider_connections_active')) === 1, 'it is accepted')
    clock.advance(2900)
    await nextTurn()
    t.equal(web.runtime.load.inFlight, 0, 'it may still show what it speaks')
    clock.advance(1100)
    if (code === undefined) {
      const server = await app.accept()
      server.send('220 ready')
      await client.until('220 ready')
      client.socket.end()
      server.socket.end()
    } else t.equal(await client.end, 'reset')
    const record = await api.records.take()
    t.match(record, { protocol: 'TCP' })
    t.equal(record['code'], code)
    await eventually(async () => (await web.metric('outrider_connections_active')) === 0, 'it is gone')
  }
  t.equal(app.peers.length, 1)
})
