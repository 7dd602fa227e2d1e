import { once } from 'node:events'
import { connect } from 'node:net'
import { connect as connectTls } from 'node:tls'
import t, { type Test } from 'tap'
import type { Address } from '../../../src/lib/address.ts'
import type { AppProtocol, PlainMode } from '../../../src/lib/app-protocol.ts'
import { startApp } from '../../fixtures/app.ts'
import { makeTestCa } from '../../fixtures/ca.ts'
import { TestClock } from '../../fixtures/clock.ts'
import { dial, nextTurn, rawApp, Peer } from '../../fixtures/http.ts'
import { http2Client, sendHttp2, startHttp2App } from '../../fixtures/http2.ts'
import { checkLeaks } from '../../fixtures/leaks.ts'
import {
  allow,
  clientTls,
  deny,
  eventually,
  idOf,
  type PolicyParts,
  policyOf,
  send,
  sendTls,
  startHop,
  startPair,
  startTestSidecar,
  TRUST_DOMAIN,
  type TestSidecar,
} from '../../fixtures/sidecar.ts'

checkLeaks(t)

/** A request as the application got it. */
interface Seen {
  readonly spoken: 'http1' | 'http2'
  readonly fields: Readonly<Record<string, unknown>>
}

interface Polyglot {
  readonly address: Address
  readonly seen: Seen[]
}

/** An application that answers HTTP/1.1, HTTP/2 and, with an echo, everything else. */
async function startPolyglot(t: Test): Promise<Polyglot> {
  const seen: Seen[] = []
  const http1 = await startApp(t, ({ headers }, response) => {
    seen.push({ spoken: 'http1', fields: headers })
    response.end('one')
  })
  const http2 = await startHttp2App(t, ({ stream, headers }) => {
    seen.push({ spoken: 'http2', fields: headers })
    stream.respond({ ':status': 200 })
    stream.end('two')
  })
  const { address } = await rawApp(t, ({ socket }) => {
    socket.once('data', (first: Buffer) => {
      const spoken = first.includes('PRI * ') ? http2 : first.includes('HTTP/1.1') ? http1 : undefined
      const behind = spoken === undefined ? socket : connect({ ...spoken.address, allowHalfOpen: true })
      behind.on('error', () => socket.destroy())
      socket.on('close', () => behind.destroy())
      behind.write(first)
      if (behind !== socket) behind.pipe(socket)
      socket.pipe(behind)
    })
  })
  return { address, seen }
}

interface ListenerOptions {
  readonly mode?: PlainMode
  readonly protocol?: AppProtocol
  readonly policy?: PolicyParts
  readonly clock?: TestClock
}

function startListener(t: Test, app: Address, options: ListenerOptions): Promise<TestSidecar> {
  const { mode = 'permissive', protocol = 'auto', policy = { policies: [allow('all')] }, clock } = options
  return startTestSidecar(t, {
    ca,
    id: '/ns/default/sa/api',
    policy: policyOf(policy),
    app,
    inbound: { mode, protocol },
    ...(clock === undefined ? {} : { clock }),
  })
}

const ca = makeTestCa(TRUST_DOMAIN)
const web = ca.issue('/ns/default/sa/web')
const PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0'

t.test('a strict listener answers nothing that is not TLS', async (t) => {
  const app = await startPolyglot(t)
  const api = await startListener(t, app.address, { mode: 'strict' })
  const texts = ['GET / HTTP/1.1\r\nHost: api\r\n\r\n', PREFACE, 'hello, who is there?', '\x16\x03\x01\x00\x05hello']
  for (const text of texts) {
    const client = await dial(t, api.inbound)
    client.send(text)
    // TLS may say goodbye in its own words (an alert record), and that is all.
    t.match(await client.all(), /^(?:\x15\x03[^]{5})?$/)
  }
  t.same(app.seen, [])
  t.equal(await api.metric('outrider_tls_handshake_failures_total', { listener: 'inbound' }), texts.length)
  t.equal(await api.metric('outrider_requests_total'), 0)
  t.equal(await api.metric('outrider_inbound_connections_total'), 0)
  t.equal((await sendTls(api.inbound, ca, web)).status, 200)
  const labels = { mode: 'strict', security: 'mutual_tls' }
  t.equal(await api.metric('outrider_inbound_connections_total', labels), 1)
})

t.test('a permissive listener serves mutual TLS and plaintext on one port', async (t) => {
  const app = await startPolyglot(t)
  const api = await startListener(t, app.address, {})
  const peer = { source: idOf('web'), anonymous_because: undefined, status: 200 }
  t.equal((await sendTls(api.inbound, ca, web)).text, 'one')
  t.match(await api.records.take(), { ...peer, protocol: 'HTTP/1.1' })
  const secured = await http2Client(t, api.inbound, clientTls(ca, web))
  t.equal((await sendHttp2(secured, {})).text, 'two')
  t.match(await api.records.take(), { ...peer, protocol: 'HTTP/2' })

  const before = Date.now()
  const anonymous = { source: 'anonymous', anonymous_because: 'plaintext-permissive', status: 200 }
  t.equal((await send(api.inbound)).text, 'one')
  t.match(await api.records.take(), { ...anonymous, protocol: 'HTTP/1.1', rule: 'default/all/rules[0]' })
  const plain = await http2Client(t, api.inbound)
  t.equal((await sendHttp2(plain, {})).text, 'two')
  t.match(await api.records.take(), { ...anonymous, protocol: 'HTTP/2' })
  const client = await dial(t, api.inbound)
  client.send('neither')
  t.equal(await client.end, 'reset')
  const mismatch = { status: 501, code: 'protocol-mismatch' }
  t.match(await api.records.take(), { ...anonymous, ...mismatch, protocol: 'TCP' })

  const identities = app.seen.map(({ fields }) => fields['x-forwarded-client-cert'])
  t.match(identities, [new RegExp(`URI=${idOf('web')}$`), new RegExp(`URI=${idOf('web')}$`), undefined, undefined])
  const count = (security: string): Promise<number> =>
    api.metric('outrider_inbound_connections_total', { mode: 'permissive', security })
  t.equal(await count('mutual_tls'), 2)
  t.equal(await count('none'), 3)
  const labels = { source_principal: 'anonymous', connection_security_policy: 'none' }
  t.equal(await api.metric('outrider_requests_total', labels), 3)
  const seconds = await api.metric('outrider_plaintext_last_seen_timestamp_seconds')
  t.ok(seconds * 1000 >= before && seconds * 1000 <= Date.now(), 'and when')
})

t.test('a permissive listener before an application that speaks TCP', async (t) => {
  const app = await startPolyglot(t)
  const api = await startListener(t, app.address, { protocol: 'tcp' })
  const client = await dial(t, api.inbound)
  client.send('neither')
  await client.until('neither')
  client.socket.end()
  t.equal(await client.end, 'ended')
  const anonymous = { source: 'anonymous', anonymous_because: 'plaintext-permissive', status: 200 }
  t.match(await api.records.take(), { ...anonymous, protocol: 'TCP', bytes_received: 7, bytes_sent: 7 })
  const session = await http2Client(t, api.inbound, clientTls(ca, web))
  const connect = { ':method': 'CONNECT', ':authority': 'api' }
  const peer = new Peer(session.request(connect, { endStream: false }))
  peer.send('neither')
  await peer.until('neither')
})

t.test('on a permissive listener TLS is mutual TLS or nothing', async (t) => {
  const app = await startPolyglot(t)
  const api = await startListener(t, app.address, {})
  const stranger = makeTestCa('elsewhere.example')
  for (const tls of [{ ...clientTls(ca, web), cert: undefined, key: undefined }, clientTls(ca, stranger.issue('/x'))]) {
    const socket = connectTls({ ...api.inbound, ...tls, checkServerIdentity: () => undefined })
    t.teardown(() => socket.destroy())
    socket.on('error', () => {}).write('GET / HTTP/1.1\r\nHost: api\r\n\r\n')
    let received = 0
    socket.on('data', (part: Buffer) => void (received += part.length))
    await once(socket, 'close')
    t.equal(received, 0)
  }
  t.same(app.seen, [])
  t.equal(await api.metric('outrider_inbound_connections_total'), 0)
})

t.test('a plaintext listener serves plaintext alone', async (t) => {
  const app = await startPolyglot(t)
  const api = await startListener(t, app.address, { mode: 'plaintext' })
  t.equal((await send(api.inbound)).text, 'one')
  t.match(await api.records.take(), { source: 'anonymous', anonymous_because: 'plaintext-port', status: 200 })
  const labels = { mode: 'plaintext', security: 'none' }
  t.equal(await api.metric('outrider_inbound_connections_total', labels), 1)

  // TLS is the application's own here, if it speaks any: opaque bytes, decided on as a TCP connection.
  await t.rejects(sendTls(api.inbound, ca, web))
  t.match(await api.records.take(), { source: 'anonymous', protocol: 'TCP' })
  api.policy.set(policyOf({ policies: [allow('http', { to: [{ paths: ['*'] }] })] }))
  await t.rejects(sendTls(api.inbound, ca, web))
  t.match(await api.records.take(), { source: 'anonymous', protocol: 'TCP', status: 403, code: 'no-allow-rule' })
  t.equal((await send(api.inbound)).text, 'one')
})

t.test('no rule about callers matches one without identity, and it is not told why', async (t) => {
  const app = await startPolyglot(t)
  const api = await startListener(t, app.address, {})
  const sources = [
    { spiffeIds: [`spiffe://${TRUST_DOMAIN}/*`] },
    { namespaces: ['default'] },
    { trustDomains: [TRUST_DOMAIN] },
  ]
  for (const source of sources) {
    api.policy.set(policyOf({ policies: [allow('some', { from: [source] })] }))
    const http1 = await send(api.inbound)
    t.match(http1, { status: 403, text: '' })
    t.strictSame(Object.keys(http1.headers).toSorted(), ['connection', 'content-length', 'x-request-id'])
    const session = await http2Client(t, api.inbound)
    const http2 = await sendHttp2(session, {})
    t.match(http2, { status: 403, text: '' })
    t.notOk('x-outrider-refusal' in http2.headers)
    const grpc = await sendHttp2(session, { ':method': 'POST', 'content-type': 'application/grpc' })
    t.match(grpc, { status: 200, headers: { 'grpc-status': '7', 'grpc-message': '' } })
    t.notOk('x-outrider-refusal' in grpc.headers)
    const tcp = await dial(t, api.inbound)
    tcp.send('neither')
    t.equal(await tcp.end, 'reset')
    t.equal(tcp.text, '')
    for (let count = 0; count < 4; count += 1) {
      const record = await api.records.take()
      t.match(record, {
        source: 'anonymous',
        status: 403,
        code: 'no-allow-rule',
        failed: `from.${Object.keys(source)[0]}`,
      })
    }
    t.equal((await sendTls(api.inbound, ca, web)).status, 200, 'who shows who it is may')
    await api.records.take()
  }
  t.equal(app.seen.length, sources.length)
  api.policy.set(policyOf({ policies: [allow('all'), deny('path', { to: [{ paths: ['/no'] }] })] }))
  t.match(await send(api.inbound, { path: '/no' }), { status: 403, text: '' })
  const told = await sendTls(api.inbound, ca, web, { path: '/no' })
  t.equal(told.headers['x-outrider-refusal'], 'denied-by-rule', 'a verified peer is told')
})

t.test('a connection of a caller without identity is cut by a new policy, too', async (t) => {
  const app = await startPolyglot(t)
  const api = await startListener(t, app.address, { mode: 'plaintext', protocol: 'tcp' })
  const client = await dial(t, api.inbound)
  client.send('neither')
  await client.until('neither')
  api.policy.set(policyOf({ policies: [allow('web', { from: [{ spiffeIds: [idOf('web')] }] })] }))
  t.equal(await client.end, 'reset')
  t.match(await api.records.take(), { source: 'anonymous', code: 'permission-withdrawn', failed: 'from.spiffeIds' })
})

t.test('a server that speaks first', async (t) => {
  const clock = new TestClock(Date.now())
  const app = await rawApp(t, (peer) => peer.send('220 ready'))
  const plain = await startListener(t, app.address, { mode: 'plaintext', protocol: 'tcp', clock })
  await (await dial(t, plain.inbound)).until('220 ready')

  const both = await startListener(t, app.address, { protocol: 'tcp', clock })
  const client = await dial(t, both.inbound)
  await eventually(async () => (await both.metric('outrider_connections_active')) === 1, 'it is accepted')
  await nextTurn()
  t.equal(client.text, '', 'the client may still show that it speaks TLS')
  clock.advance(11_000)
  await client.until('220 ready')
})

t.test('a port that is known for TCP is not searched for HTTP', async (t) => {
  const clock = new TestClock(Date.now())
  const api = await startListener(t, { host: '127.0.0.1', port: 11_211 }, { mode: 'plaintext', clock })
  const client = await dial(t, api.inbound)
  client.socket.end()
  t.match(await api.records.take(), { protocol: 'TCP', upstream: '127.0.0.1:11211' })
})

t.test('a request for an application that speaks something else', async (t) => {
  const app = await startPolyglot(t)
  const mismatch = { status: 501, headers: { 'x-outrider-refusal': 'protocol-mismatch' } }
  const tcp = await startListener(t, app.address, { protocol: 'tcp' })
  t.match(await sendTls(tcp.inbound, ca, web), mismatch)
  const toTcp = await http2Client(t, tcp.inbound, clientTls(ca, web))
  t.match(await sendHttp2(toTcp, {}), mismatch)
  for (const protocol of ['http1', 'http2', 'grpc'] as const) {
    const http = await startListener(t, app.address, { protocol })
    const client = await dial(t, http.inbound)
    client.send('neither')
    t.equal(await client.end, 'reset')
    t.match(await http.records.take(), { protocol: 'TCP', status: 501, code: 'protocol-mismatch' })
    // Between versions of HTTP we translate.
    const spoken = protocol === 'http1' ? 'http1' : 'http2'
    t.equal((await send(http.inbound)).status, 200)
    const session = await http2Client(t, http.inbound)
    t.equal((await sendHttp2(session, {})).status, 200)
    t.strictSame(
      app.seen.splice(0).map((seen) => seen.spoken),
      [spoken, spoken],
    )
  }
  t.same(app.seen, [])
})

t.test('the caller’s sidecar knows already what a service port speaks', async (t) => {
  const mismatch = { status: 501, headers: { 'x-outrider-refusal': 'protocol-mismatch' } }
  const hop = await startHop(t, { port: { port: 5432 } })
  t.match(await send(hop.web.outbound, { headers: { host: 'api:5432' } }), mismatch)
  for (const protocol of ['http1', 'http2', 'grpc'] as const) {
    const pair = await startPair(t, hop.app.address, { port: { protocol } })
    const client = await dial(t, pair.web.services[0]!)
    client.send('neither')
    t.equal(await client.end, 'reset')
    t.match(await pair.web.records.take(), { protocol: 'TCP', status: 501, code: 'protocol-mismatch' })
    t.equal(await pair.api.metric('outrider_connections_total'), 0)
  }
  t.same(hop.app.seen, [])
})

t.test('fields that are ours alone are forwarded for nobody, whatever is spoken', async (t) => {
  const forged = {
    'x-forwarded-client-cert': `By=x;Hash=y;URI=${idOf('admin')}`,
    'client-cert': ':AAAA:',
    'client-cert-chain': ':AAAA:',
    'x-outrider-refusal': 'none',
    'x-outrider-protocol': 'HTTP/1.1',
    'x-request-id': 'not "ours"',
    kept: 'yes',
  }
  const app = await startPolyglot(t)
  const { web: caller, api } = await startPair(t, app.address, { ca, api: { inbound: { mode: 'permissive' } } })
  const toCaller = await http2Client(t, caller.outbound)
  const secured = await http2Client(t, api.inbound, clientTls(ca, web))
  const plain = await http2Client(t, api.inbound)
  const ways = [
    ['http1', idOf('web'), () => send(caller.outbound, { headers: forged })],
    ['http2', idOf('web'), () => sendHttp2(toCaller, forged)],
    ['http1', idOf('web'), () => sendTls(api.inbound, ca, web, { headers: forged })],
    // A peer may say for its client that it speaks HTTP/1.1.
    ['http1', idOf('web'), () => sendHttp2(secured, forged)],
    ['http1', undefined, () => send(api.inbound, { headers: forged })],
    ['http2', undefined, () => sendHttp2(plain, forged)],
  ] as const
  for (const [index, [spoken, id, ask]] of ways.entries()) {
    t.equal((await ask()).status, 200)
    const seen = app.seen.shift()
    t.equal(seen?.spoken, spoken, `${index}`)
    const fields = seen?.fields ?? {}
    const certificate = id === undefined ? undefined : new RegExp(`^By=${idOf('api')};Hash=[0-9a-f]{64};URI=${id}$`)
    t.match(fields['x-forwarded-client-cert'], certificate, `${index}`)
    t.match(fields['x-request-id'], /^[0-9a-f]{32}$/)
    t.equal(fields['kept'], 'yes')
    for (const name of ['client-cert', 'client-cert-chain', 'x-outrider-refusal', 'x-outrider-protocol'])
      t.notOk(name in fields, `${name} ${index}`)
  }
})

t.test('an h2c application behind a plaintext port', async (t) => {
  const app = await startHttp2App(t, ({ stream }) => {
    stream.respond({ ':status': 200 })
    stream.end('h2c')
  })
  const api = await startListener(t, app.address, { mode: 'plaintext', protocol: 'http2' })
  t.equal((await send(api.inbound)).text, 'h2c')
})
