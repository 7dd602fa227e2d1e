import { once } from 'node:events'
import { createSecureServer } from 'node:http2'
import t, { type Test } from 'tap'
import type { Address } from '../../../src/lib/address.ts'
import { boundAddress } from '../../fixtures/app.ts'
import { makeTestCa, type TestLeaf } from '../../fixtures/ca.ts'
import { checkLeaks } from '../../fixtures/leaks.ts'
import {
  Inbox,
  idOf,
  policyOf,
  send,
  service,
  startTestSidecar,
  type TestSidecar,
  TRUST_DOMAIN,
} from '../../fixtures/sidecar.ts'

checkLeaks(t)

const API = '/ns/default/sa/api'
const APP_PORT = 8080
const ca = makeTestCa(TRUST_DOMAIN)
const stranger = makeTestCa(TRUST_DOMAIN)

/** An HTTP/2 server that shows `leaf` and would answer whatever it is asked. */
interface Server {
  readonly address: Address
  /** What came through TLS: `settings`, which begin a connection, and paths. */
  readonly received: Inbox<string>
  /** Whether each connection resumed a session. */
  readonly resumed: boolean[]
}

async function startServer(t: Test, leaf: TestLeaf): Promise<Server> {
  const received = new Inbox<string>()
  const resumed: boolean[] = []
  const options = { cert: leaf.chainPem, key: leaf.keyPem, ca: ca.pem, requestCert: true, rejectUnauthorized: false }
  const server = createSecureServer(options)
  server.on('secureConnection', (socket) => {
    resumed.push(socket.isSessionReused())
    socket.on('error', () => {})
  })
  server.on('session', (session) => {
    session.on('error', () => {})
    session.on('remoteSettings', () => received.push('settings'))
  })
  server.on('stream', (stream, headers) => {
    received.push(String(headers[':path']))
    stream.respond({ ':status': 200 })
    stream.end('fake')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.close()
  })
  return { address: { host: '127.0.0.1', port: boundAddress(server).port }, received, resumed }
}

/** Beside SETTINGS, which come before the GOAWAY that says what is wrong with its certificate. */
function requestsOf({ received }: Server): readonly string[] {
  return received.items.filter((item) => item !== 'settings')
}

function startWeb(t: Test, servers: readonly Server[], identities?: readonly string[]): Promise<TestSidecar> {
  const addresses = servers.map(({ address }) => address)
  const policy = policyOf({ workload: 'web', services: [service('api', APP_PORT, addresses, identities)] })
  return startTestSidecar(t, { ca, id: '/ns/default/sa/web', policy, outbound: true })
}

const hostile: Readonly<Record<string, { readonly reason: string; readonly leaf: TestLeaf }>> = {
  'another workload of the mesh': { reason: 'identity-not-expected', leaf: ca.issue('/ns/default/sa/web') },
  'the same workload under another root': { reason: 'key-id-mismatch', leaf: stranger.issue(API) },
  'a workload of another trust domain': {
    reason: 'trust-domain-unknown',
    leaf: makeTestCa('foreign.example').issue('/ns/default/sa/api'),
  },
  'an expired certificate': { reason: 'expired', leaf: ca.issue(API, { ttlMs: -1000 }) },
  'two identities': { reason: 'leaf-many-uris', leaf: ca.issue(API, { uris: [idOf('api'), idOf('web')] }) },
  'a name in place of an identity': { reason: 'leaf-no-uri', leaf: ca.issue(API, { uris: [], dnsNames: ['api'] }) },
  'a CA certificate': { reason: 'leaf-is-ca', leaf: ca.issue(API, { ca: true }) },
}

for (const [what, { reason, leaf }] of Object.entries(hostile)) {
  t.test(`no request is sent to a server with ${what}`, async (t) => {
    const server = await startServer(t, leaf)
    const web = await startWeb(t, [server])
    const reply = await send(web.outbound, { method: 'POST', body: 'secret' })
    t.equal(reply.status, 503)
    t.equal(reply.headers['x-outrider-refusal'], 'upstream-identity')
    t.match(await web.records.take(), { status: 503, code: 'upstream-identity' })
    t.match(await web.lines.take(({ message }) => message === 'upstream refused'), { service: 'default/api', reason })
    t.equal(await web.metric('outrider_tls_handshake_failures_total', { listener: 'outbound', reason }), 1)
    t.equal(await web.metric('outrider_upstream_failures_total', { reason: 'upstream-identity' }), 1)
    t.same(requestsOf(server), [])
  })
}

t.test('any of several identities may serve', async (t) => {
  const server = await startServer(t, ca.issue(API))
  const web = await startWeb(t, [server], [idOf('other'), idOf('api')])
  t.match(await send(web.outbound), { status: 200, text: 'fake' })
})

t.test('an impostor among the endpoints is passed over', async (t) => {
  const impostor = await startServer(t, stranger.issue(API))
  const good = await startServer(t, ca.issue(API))
  const web = await startWeb(t, [impostor, good])
  for (let round = 0; round < 6; round += 1) t.equal((await send(web.outbound)).status, 200)
  t.same(good.received.items, ['settings', '/', '/', '/', '/', '/', '/'])
  t.same(requestsOf(impostor), [])
})

t.test('every connection is verified: no session is resumed', async (t) => {
  const server = await startServer(t, ca.issue(API))
  const web = await startWeb(t, [server])
  for (let round = 0; round < 3; round += 1) {
    t.equal((await send(web.outbound)).status, 200)
    // A renewed SVID opens every connection anew.
    web.credentials.set({ ...web.credentials.current })
  }
  t.same(server.resumed, [false, false, false])
})

t.test('a server that never answers the handshake', async (t) => {
  const { createServer: createTcpServer } = await import('node:net')
  const server = createTcpServer({ allowHalfOpen: false }, (socket) => socket.on('error', () => {}).resume())
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.close()
  })
  const address = { host: '127.0.0.1', port: boundAddress(server).port }
  const web = await startTestSidecar(t, {
    ca,
    id: '/ns/default/sa/web',
    policy: policyOf({ workload: 'web', services: [service('api', APP_PORT, [address])] }),
    outbound: true,
    config: { upstreamConnectTimeoutMs: 100 },
  })
  const reply = await send(web.outbound)
  t.equal(reply.status, 503)
  t.equal(reply.headers['x-outrider-refusal'], 'upstream-unreachable')
})
