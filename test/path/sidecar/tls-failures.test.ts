import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createServer as createTcpServer } from 'node:net'
import { connect as connectHttp2, createSecureServer } from 'node:http2'
import { createServer as createTlsServer, type TlsOptions } from 'node:tls'
import t, { type Test } from 'tap'
import { encodeName } from '../../../src/identity/x509.ts'
import { type Address, formatAddress } from '../../../src/lib/address.ts'
import { type Clock, systemClock } from '../../../src/lib/clock.ts'
import { boundAddress, startApp } from '../../fixtures/app.ts'
import { makeTestCa, type TestLeaf } from '../../fixtures/ca.ts'
import { checkLeaks } from '../../fixtures/leaks.ts'
import { findProgram, runProgram, startProgram, temporaryFolder } from '../../fixtures/process.ts'
import {
  allow,
  clientTls,
  eventually,
  type Fields,
  idOf,
  policyOf,
  send,
  service,
  startPair,
  startTestSidecar,
  type TestSidecar,
  TRUST_DOMAIN,
  wireTls,
} from '../../fixtures/sidecar.ts'

checkLeaks(t)

const FAILURES = 'outrider_tls_handshake_failures_total'
const HOUR_MS = 3_600_000
const ca = makeTestCa(TRUST_DOMAIN)
const namesake = makeTestCa(TRUST_DOMAIN)
const stranger = makeTestCa(TRUST_DOMAIN, { subject: encodeName(TRUST_DOMAIN, 'another root') })
const foreign = makeTestCa('foreign.example')
const app = await startApp(t)

/** Has the sidecar show `leaf`, which it would not take itself: as one does whose clock or whose bundles are wrong. */
function show({ credentials }: TestSidecar, leaf: TestLeaf): void {
  const { svid, bundles } = credentials.current
  const { chainDer, chainPem, privateKey } = leaf
  credentials.set({ svid: { ...svid, chainDer, chainPem, privateKey }, bundles })
}

function line(sidecar: TestSidecar, wanted: string): Promise<Fields> {
  return sidecar.lines.take(({ message }) => message === wanted)
}

interface Case {
  readonly reason: string
  readonly leaf: (name: string) => TestLeaf
  /** What both sides say of it. */
  readonly says: RegExp
  readonly expected?: RegExp
}

const path = (name: string): string => `/ns/default/sa/${name}`
const cases: Readonly<Record<string, Case>> = {
  'a certificate that has expired': {
    reason: 'expired',
    leaf: (name) => ca.issue(path(name), { ttlMs: -3 * HOUR_MS - 1000 }),
    says: /^the leaf expired 3 h ago, at \d{4}-.*Z; here it is \d{4}-.*Z$/,
  },
  'a certificate of tomorrow': {
    reason: 'not-yet-valid',
    leaf: (name) => ca.issue(path(name), { notBeforeMs: Date.now() + 25 * HOUR_MS, ttlMs: 48 * HOUR_MS }),
    says: /^the leaf is not valid before .*, in 1 d; here it is .*, and clocks may differ by 20 s$/,
  },
  'an expired intermediate': {
    reason: 'expired',
    leaf: (name) => ca.intermediate({ notAfterMs: Date.now() - HOUR_MS - 1000 }).issue(path(name)),
    says: /^intermediate 1 expired 1 h ago/,
  },
  'an unknown root': {
    reason: 'root-unknown',
    leaf: (name) => stranger.issue(path(name)),
    says: /^the chain ends at no root of test\.local that is known here: its last certificate was issued by the key [0-9a-f]{40}$/,
    expected: /^one of the roots of test\.local: [0-9a-f]{16} \(key [0-9a-f]{40}\)$/,
  },
  'a root with the name of ours': {
    reason: 'key-id-mismatch',
    leaf: (name) => namesake.issue(path(name)),
    says: /^the root has the name of the issuer and not its key: the certificate before it was issued by the key [0-9a-f]{40}$/,
    expected: /^one of the roots of test\.local: /,
  },
  'another trust domain': {
    reason: 'trust-domain-unknown',
    leaf: (name) => foreign.issue(path(name)),
    says: /^there is no bundle for the trust domain foreign\.example$/,
    expected: /^one of the trust domains test\.local$/,
  },
  'a certificate that is no SVID': {
    reason: 'leaf-many-uris',
    leaf: (name) => ca.issue(path(name), { uris: [idOf(name), idOf('admin')] }),
    says: /^the leaf /,
  },
}

for (const [what, { reason, leaf, says, expected }] of Object.entries(cases)) {
  t.test(`${what}, of the client: both sides say why`, async (t) => {
    const { web, api } = await startPair(t, app.address, { ca })
    const shown = leaf('web')
    show(web, shown)
    const reply = await send(web.outbound)
    t.equal(reply.status, 503)
    t.equal(reply.headers['x-outrider-refusal'], 'peer-refused-us')
    t.match(await web.records.take(), { status: 503, code: 'peer-refused-us' })
    const theirs = await line(api, 'peer refused')
    t.match(theirs, {
      listener: 'inbound',
      remote: /^127\.0\.0\.1:\d+$/,
      reason,
      detail: says,
      presented: { notAfter: /Z$/ },
    })
    if (expected === undefined) t.notOk('expected' in theirs)
    else t.match(theirs['expected'], expected)
    const ours = await line(web, 'peer refused us')
    t.match(ours, {
      listener: 'outbound',
      service: 'default/api',
      reason: 'peer-refused-us',
      theirs: reason,
      detail: says,
    })
    t.match(ours['presented'], { ids: [/./], certificates: shown.chainDer.length }, 'what we had shown')
    t.notOk('expected' in ours, 'which roots there are is not told')
    t.equal(await api.metric(FAILURES, { listener: 'inbound', reason }), 1)
    t.equal(await web.metric(FAILURES, { listener: 'outbound', reason: 'peer-refused-us' }), 1)
    t.match(web.runtime.tlsFailures.list(), [{ reason: 'peer-refused-us', theirs: reason }])
    t.match(api.runtime.tlsFailures.list(), [{ reason }])
  })

  t.test(`${what}, of the server: both sides say why`, async (t) => {
    const { web, api } = await startPair(t, app.address, { ca })
    show(api, leaf('api'))
    const reply = await send(web.outbound)
    t.equal(reply.status, 503)
    t.equal(reply.headers['x-outrider-refusal'], 'upstream-identity')
    t.match(await line(web, 'upstream refused'), {
      listener: 'outbound',
      service: 'default/api',
      reason,
      detail: says,
      ...(expected === undefined ? {} : { expected }),
    })
    const theirs = await line(api, 'peer refused us')
    t.match(theirs, { listener: 'inbound', peer: idOf('web'), reason: 'peer-refused-us', theirs: reason, detail: says })
    t.notOk('expected' in theirs)
    t.equal(await web.metric(FAILURES, { listener: 'outbound', reason }), 1)
    t.equal(await api.metric(FAILURES, { listener: 'inbound', reason: 'peer-refused-us' }), 1)
    t.equal(app.seen.length, 0)
  })
}

t.test('a server that may not serve this is told so, and not who may', async (t) => {
  const { web, api } = await startPair(t, app.address, { ca })
  const services = [service('api', app.address.port, [api.inbound], [idOf('secret-name')])]
  web.policy.set(policyOf({ workload: 'web', services }))
  t.equal((await send(web.outbound)).headers['x-outrider-refusal'], 'upstream-identity')
  t.match(await line(web, 'upstream refused'), {
    reason: 'identity-not-expected',
    detail: `${idOf('api')} may not serve this`,
    expected: idOf('secret-name'),
    presented: { ids: [idOf('api')] },
  })
  const theirs = await line(api, 'peer refused us')
  t.match(theirs, { theirs: 'identity-not-expected', detail: `${idOf('api')} may not serve this` })
  t.notMatch(JSON.stringify(theirs), /secret-name/)
})

t.test('clocks that differ are named, on the side that is told', async (t) => {
  const ahead: Clock = { ...systemClock, now: () => Date.now() + 26 * HOUR_MS }
  const { web, api } = await startPair(t, app.address, { ca, api: { leaf: { ttlMs: 96 * HOUR_MS }, clock: ahead } })
  t.equal((await send(web.outbound)).headers['x-outrider-refusal'], 'peer-refused-us')
  t.match(await line(api, 'peer refused'), { reason: 'expired', detail: /^the leaf expired 2 h ago/ })
  t.match(await line(web, 'peer refused us'), {
    theirs: 'expired',
    detail: /^the leaf expired 2 h ago.*; our clock is 1 d behind the peer's, or the peer's so much ahead$/,
  })
})

t.test('with our own certificate expired nothing is dialled', async (t) => {
  const late: Clock = { ...systemClock, now: () => Date.now() + 25 * HOUR_MS }
  const { web, api } = await startPair(t, app.address, { ca, web: { clock: late } })
  const reply = await send(web.outbound)
  t.match(reply, { status: 503, text: /^identity-expired: / })
  t.match(await web.lines.take(({ code }) => code === 'identity-expired'), {
    detail: 'our own certificate expired 1 h ago',
  })
  t.equal(await api.metric('outrider_connections_total', { listener: 'inbound' }), 0)
})

t.test('one refusal is enough: nobody dials again for those who wait', async (t) => {
  const { web, api } = await startPair(t, app.address, { ca })
  show(web, stranger.issue(path('web')))
  const replies = await Promise.all(Array.from({ length: 20 }, () => send(web.outbound)))
  for (const { headers } of replies) t.equal(headers['x-outrider-refusal'], 'peer-refused-us')
  t.ok((await api.metric('outrider_connections_total', { listener: 'inbound' })) <= 20)
  show(web, ca.issue(path('web')))
  t.equal((await send(web.outbound)).status, 200)
})

async function startInbound(t: Test): Promise<TestSidecar> {
  return startTestSidecar(t, {
    ca,
    id: path('api'),
    policy: policyOf({ policies: [allow('all')] }),
    app: app.address,
  })
}

t.test('what other clients read', async (t) => {
  const api = await startInbound(t)
  await t.test('over HTTP/1.1: a 403', async (t) => {
    const client = wireTls(t, api.inbound, clientTls(ca, ca.issue(path('web'), { ttlMs: -HOUR_MS - 1000 })))
    client.socket.write('GET / HTTP/1.1\r\nhost: api\r\n\r\n')
    await client.closed
    t.match(
      client.text,
      /^HTTP\/1\.1 403 Forbidden\r\n[^]*\r\nx-outrider-refusal: expired\r\nconnection: close\r\n\r\noutrider: expired: the leaf expired 1 h ago[ -~]*\n$/,
    )
  })
  await t.test('over HTTP/1.1, as a stranger: not one byte', async (t) => {
    const strangers = [stranger, namesake, foreign].flatMap((root) => [
      root.issue(path('web')),
      root.issue(path('web'), { ttlMs: -HOUR_MS }),
    ])
    const broken = ca.issue(path('web'), { uris: [] })
    for (const leaf of [undefined, broken, ...strangers]) {
      const tls = leaf === undefined ? { rejectUnauthorized: false } : clientTls(ca, leaf)
      const client = wireTls(t, api.inbound, tls)
      client.socket.write('GET / HTTP/1.1\r\nhost: api\r\n\r\n')
      await client.closed
      t.equal(client.text, '')
    }
  })
  await t.test('over HTTP/2 without a certificate: that one is wanted', async (t) => {
    const client = wireTls(t, api.inbound, { rejectUnauthorized: false, ALPNProtocols: ['h2'] })
    await client.closed
    t.match(client.text, /outrider: no-certificate: the peer showed no certificate; clock [0-9TZ:.-]*$/)
  })
  await t.test('over HTTP/2: GOAWAY with the reason', async (t) => {
    const session = connectHttp2('https://api', {
      createConnection: () =>
        wireTls(t, api.inbound, { ...clientTls(ca, stranger.issue(path('web'))), ALPNProtocols: ['h2'] }).socket,
    })
    session.on('error', () => {})
    t.teardown(() => session.destroy())
    const [error, , debug]: [number, number, Buffer] = await once(session, 'goaway').then(([a, b, c]) => [a, b, c])
    t.equal(error, 12)
    t.match(debug.toString('latin1'), /^outrider: root-unknown: [ -~]{1,280}$/)
  })
  await t.test('and the socket does not stay', async (t) => {
    const client = wireTls(t, api.inbound, { rejectUnauthorized: false })
    await client.closed
    await eventually(
      async () => (await api.metric('outrider_connections_active', { listener: 'inbound' })) === 0,
      'closed',
    )
  })
})

/** A server that is none of ours. */
async function foreignServer(t: Test, options: TlsOptions & { readonly http2?: boolean }): Promise<Address> {
  const leaf = ca.issue(path('api'))
  const common = { cert: leaf.chainPem, key: leaf.keyPem, ca: ca.pem, ...options }
  const server = options.http2 === true ? createSecureServer(common) : createTlsServer(common)
  server.on('tlsClientError', () => {})
  server.on('secureConnection', (socket) => socket.on('error', () => {}))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.close()
  })
  return { host: '127.0.0.1', port: boundAddress(server).port }
}

async function askThrough(t: Test, address: Address): Promise<{ refusal: unknown; said: Fields; web: TestSidecar }> {
  const policy = policyOf({ workload: 'web', services: [service('api', app.address.port, [address])] })
  const web = await startTestSidecar(t, { ca, id: path('web'), policy, outbound: true })
  const refusal = (await send(web.outbound)).headers['x-outrider-refusal']
  const said = await web.lines.take(({ reason }) => reason !== undefined)
  t.equal(await web.metric(FAILURES, { listener: 'outbound', reason: String(said['reason']) }), 1)
  return { refusal, said, web }
}

t.test('what servers that are none of ours do', async (t) => {
  await t.test('TLS 1.2 only', async (t) => {
    const { refusal, said } = await askThrough(
      t,
      await foreignServer(t, { maxVersion: 'TLSv1.2', ALPNProtocols: ['h2'] }),
    )
    t.equal(refusal, 'upstream-unreachable')
    t.match(said, { reason: 'version-unsupported', detail: /TLS 1\.3 is required/ })
  })
  await t.test('no HTTP/2', async (t) => {
    const { said } = await askThrough(t, await foreignServer(t, {}))
    t.match(said, { reason: 'no-application-protocol' })
  })
  await t.test('another application protocol', async (t) => {
    const { said } = await askThrough(t, await foreignServer(t, { ALPNProtocols: ['spdy/3.1'] }))
    t.match(said, { reason: 'no-application-protocol' })
  })
  await t.test('no TLS', async (t) => {
    const { said } = await askThrough(t, app.address)
    t.match(said, { reason: 'not-tls', detail: /does not speak TLS/ })
  })
  await t.test('a connection that ends in the handshake', async (t) => {
    const server = createTcpServer((socket) => socket.once('data', () => socket.end()))
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    t.teardown(() => {
      server.close()
    })
    const { said } = await askThrough(t, { host: '127.0.0.1', port: boundAddress(server).port })
    t.match(said, { reason: 'server-gone' })
  })
  const openssl = findProgram('openssl')
  await t.test('an alert about our certificate', { skip: openssl === undefined }, async (t) => {
    const folder = temporaryFolder(t)
    const leaf = ca.issue(path('api'))
    writeFileSync(join(folder, 'cert'), leaf.chainPem)
    writeFileSync(join(folder, 'key'), leaf.keyPem, { mode: 0o600 })
    writeFileSync(join(folder, 'ca'), stranger.pem)
    const files = ['-cert', 'cert', '-key', 'key', '-CAfile', 'ca']
    // `-www` so that the end of its input is not its own.
    const verify = ['-Verify', '2', '-verify_return_error', '-alpn', 'h2', '-www']
    const args = ['s_server', '-accept', '127.0.0.1:0', ...files, ...verify]
    const server = startProgram(t, openssl!, args, { cwd: folder })
    const [, port] = /ACCEPT \S*:(\d+)/.exec(await server.line(/^ACCEPT/)) ?? []
    const { refusal, said } = await askThrough(t, { host: '127.0.0.1', port: Number(port) })
    t.equal(refusal, 'peer-refused-us')
    t.match(said, { reason: 'peer-refused-us', detail: /TLS alert/, presented: { ids: [idOf('web')] } })
  })
  await t.test('a server that closes after the handshake without a word', async (t) => {
    const mute = await foreignServer(t, { http2: true, ca: stranger.pem, requestCert: true, rejectUnauthorized: true })
    const policy = policyOf({ workload: 'web', services: [service('api', app.address.port, [mute])] })
    const web = await startTestSidecar(t, { ca, id: path('web'), policy, outbound: true })
    t.equal((await send(web.outbound)).headers['x-outrider-refusal'], 'upstream-unreachable')
    t.match(await web.lines.take(({ code }) => code === 'upstream-unreachable'), {
      detail: /do not accept our certificate$/,
    })
  })
  await t.test('nobody listens: that is no failure of TLS', async (t) => {
    const gone = createTcpServer()
    gone.listen(0, '127.0.0.1')
    await once(gone, 'listening')
    const { port } = boundAddress(gone)
    gone.close()
    await once(gone, 'close')
    const policy = policyOf({
      workload: 'web',
      services: [service('api', app.address.port, [{ host: '127.0.0.1', port }])],
    })
    const web = await startTestSidecar(t, { ca, id: path('web'), policy, outbound: true })
    t.equal((await send(web.outbound)).headers['x-outrider-refusal'], 'upstream-unreachable')
    t.equal(await web.metric(FAILURES), 0)
  })
})

t.test(
  'a client that does not believe us says so with an alert',
  { skip: findProgram('openssl') === undefined },
  async (t) => {
    const api = await startInbound(t)
    const folder = temporaryFolder(t)
    writeFileSync(join(folder, 'ca'), stranger.pem)
    const args = ['s_client', '-connect', formatAddress(api.inbound), '-CAfile', 'ca', '-verify_return_error']
    await runProgram(t, findProgram('openssl')!, args, { cwd: folder })
    t.match(await line(api, 'peer refused us'), {
      reason: 'peer-refused-us',
      detail: /unknown ca/,
      presented: { ids: [idOf('api')] },
    })
  },
)
