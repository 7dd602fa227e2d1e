import { once } from 'node:events'
import { Agent } from 'node:http'
import { type ClientHttp2Session, connect as connectHttp2 } from 'node:http2'
import { writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { parseBundle, type TrustBundleSet } from '../../../src/identity/bundle.ts'
import type { SidecarConfig } from '../../../src/config/sidecar.ts'
import { formatAddress } from '../../../src/lib/address.ts'
import { boundAddress, startApp } from '../../fixtures/app.ts'
import { makeTestCa, type TestCa } from '../../fixtures/ca.ts'
import { TestClock } from '../../fixtures/clock.ts'
import { checkLeaks } from '../../fixtures/leaks.ts'
import { type Ended, findProgram, runProgram, temporaryFolder } from '../../fixtures/process.ts'
import {
  allow,
  clientTls,
  credentialsOf,
  eventually,
  idOf,
  keptAgent,
  type Pair,
  type PairOptions,
  policyOf,
  revocation,
  send,
  service,
  startPair,
  startTestSidecar,
  type TestSidecar,
  TRUST_DOMAIN,
  type Wire,
  wireTcp,
  wireTls,
} from '../../fixtures/sidecar.ts'

checkLeaks(t)

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const WEB = '/ns/default/sa/web'

/** A whole second, as certificates have it, so that what expires does so when the test says. */
function wholeSecond(): number {
  return Math.floor(Date.now() / 1000) * 1000
}

interface Timed extends Pair {
  readonly clock: TestClock
  readonly app: Awaited<ReturnType<typeof startApp>>
}

/** What idles is not the question here. */
const patient: Partial<SidecarConfig> = {
  requestIdleTimeoutMs: 24 * HOUR,
  connectionIdleTimeoutMs: 24 * HOUR,
  upstreamIdleTimeoutMs: 23 * HOUR,
  tunnelIdleTimeoutMs: 24 * HOUR,
}

/** Two sidecars on a clock of the test, whose certificates end an hour after it starts. */
async function startTimed(t: Test, options: PairOptions = {}): Promise<Timed> {
  const start = wholeSecond()
  const clock = new TestClock(start)
  const app = await startApp(t)
  const leaf = { notAfterMs: start + HOUR }
  const pair = await startPair(t, app.address, {
    ...options,
    web: { clock, leaf, config: patient, ...options.web },
    api: { clock, leaf, config: patient, ...options.api },
  })
  return { ...pair, clock, app }
}

/** A new certificate for an hour from the time of the test. */
function renew(
  { credentials }: TestSidecar,
  name: string,
  ca: TestCa,
  clock: TestClock,
  bundles = credentials.current.bundles,
): void {
  credentials.set(credentialsOf(ca.issue(`/ns/default/sa/${name}`, { notAfterMs: clock.now() + HOUR }), bundles))
}

async function h2Client(t: Test, api: TestSidecar, ca: TestCa): Promise<ClientHttp2Session> {
  const tls = { ...clientTls(ca, ca.issue(WEB)), ALPNProtocols: ['h2'] }
  const session = connectHttp2('https://api', { createConnection: () => wireTls(t, api.inbound, tls).socket })
  session.on('error', () => {})
  t.teardown(() => session.destroy())
  await once(session, 'remoteSettings')
  return session
}

const opened = ({ api }: Pair): Promise<number> => api.metric('outrider_connections_total', { listener: 'inbound' })

t.test(
  'three lifetimes of certificates under load: no request fails, and no connection outlives its own',
  async (t) => {
    const timed = await startTimed(t)
    const { web, api, ca, clock } = timed
    const agent = keptAgent(t, new Agent({ keepAlive: true, maxSockets: 8 }))
    const statuses: Record<number, number> = {}
    const ask = async (method: string): Promise<void> => {
      const { status } = await send(web.outbound, { agent, method, ...(method === 'POST' ? { body: 'x' } : {}) })
      statuses[status] = (statuses[status] ?? 0) + 1
    }
    let requests = 0
    for (let minute = 1; minute <= 180; minute += 1) {
      const round = Promise.all(Array.from({ length: 8 }, (_, index) => ask(index % 2 === 0 ? 'GET' : 'POST')))
      requests += 8
      clock.advance(MINUTE)
      // The server renews late: its connections come close to their end.
      if (minute % 59 === 29) renew(web, 'web', ca, clock)
      if (minute % 59 === 58) renew(api, 'api', ca, clock)
      await round
      for (const { expiresAtMs } of api.runtime.connections.list()) t.ok(expiresAtMs > clock.now())
    }
    t.strictSame(statuses, { 200: requests })
    t.ok((await opened(timed)) >= 4, `${await opened(timed)} connections`)
    t.same(
      api.lines.items.filter(({ message }) => message === 'connection cut'),
      [],
    )
    t.same(
      web.lines.items.filter(({ message }) => message === 'connection cut'),
      [],
    )
  },
)

t.test('the pool replaces a connection before it expires, and no request notices', async (t) => {
  const timed = await startTimed(t)
  const { web, clock } = timed
  // Ours lives on: only the server's end comes near.
  timed.web.credentials.set(credentialsOf(timed.ca.issue(WEB), timed.ca.bundles()))
  t.equal((await send(web.outbound)).status, 200)
  clock.advance(HOUR - MINUTE - 1)
  t.equal((await send(web.outbound)).status, 200)
  t.equal(await opened(timed), 1)
  renew(timed.api, 'api', timed.ca, clock)
  clock.advance(2)
  t.equal((await send(web.outbound)).status, 200)
  t.equal(await opened(timed), 2, 'another one')
  await eventually(() => timed.api.runtime.connections.list().length === 1, 'the first has ended')
})

t.test('an HTTP/2 client is told before, in two steps, and cut at the end', async (t) => {
  const { api, ca, clock, app } = await startTimed(t, { api: { inbound: { protocol: 'http1' } } })
  app.answer((_request, response) => void response.writeHead(200).write('begun'))
  const session = await h2Client(t, api, ca)
  const stream = session.request({ ':path': '/' })
  stream.on('error', () => {})
  await once(stream, 'data')
  const first = once(session, 'goaway')
  clock.advance(HOUR - 45_000)
  const [error, last]: [number, number] = await first.then(([a, b]) => [a, b])
  t.same([error, last], [0, 0x7fff_ffff])
  t.notOk(stream.destroyed, 'what is under way goes on')
  clock.advance(44_999)
  t.equal(api.runtime.connections.list().length, 1)
  clock.advance(1)
  await once(stream, 'close')
  t.match(await api.records.take(), { code: 'identity-expired', source: idOf('web') })
  t.match(await api.lines.take(({ message }) => message === 'connection cut'), {
    level: 'info',
    peer: idOf('web'),
    code: 'identity-expired',
    detail: `a certificate of the connection has expired: our own, ${idOf('api')}`,
  })
})

t.test('an HTTP/1.1 client is told by its next response, and closed between two', async (t) => {
  const { api, ca, clock } = await startTimed(t)
  const [told, idle] = [0, 1].map(() => wireTls(t, api.inbound, clientTls(ca, ca.issue(WEB))))
  for (const client of [told!, idle!]) {
    client.socket.write('GET / HTTP/1.1\r\nhost: api\r\n\r\n')
    await client.match(/ok$/)
  }
  t.notMatch(told!.text, /connection: close/i)
  clock.advance(HOUR - 45_000)
  told!.socket.write('GET / HTTP/1.1\r\nhost: api\r\n\r\n')
  await told!.match(/connection: close[^]*ok$/i)
  await told!.closed
  t.notOk(idle!.socket.readableEnded)
  clock.advance(22_500)
  await idle!.closed
  t.notMatch(idle!.text, /ok[^]+ok/)
})

t.test('a long stream through the mesh ends with the certificate, by a code of its own', async (t) => {
  const { web, api, clock, app } = await startTimed(t)
  app.answer((_request, response) => void response.writeHead(200).write('begun'))
  const client = wireTcp(t, web.outbound)
  client.socket.write('GET / HTTP/1.1\r\nhost: api\r\n\r\n')
  await client.match(/begun/)
  clock.advance(HOUR - 1000)
  t.notOk(client.socket.destroyed)
  t.equal(web.records.items.length, 0)
  clock.advance(1000)
  await client.closed
  t.match(await web.records.take(), { status: 200, code: 'identity-expired' })
  t.match(await web.lines.take(({ message }) => message === 'connection cut'), {
    service: 'default/api',
    code: 'identity-expired',
  })
  await api.records.take()
  // The client could not have taken the response for a whole one.
  t.notMatch(client.text, /0\r\n\r\n$/)
})

t.test('a request that has no answer yet gets one', async (t) => {
  const { web, clock, app } = await startTimed(t)
  const arrived = Promise.withResolvers<void>()
  app.answer(() => arrived.resolve())
  const reply = send(web.outbound)
  await arrived.promise
  clock.advance(HOUR)
  t.match(await reply, { status: 503, headers: { 'x-outrider-refusal': 'identity-expired' } })
})

t.test('a TCP tunnel goes on to the end of the certificate, and no further', async (t) => {
  const echo = createServer((socket) => socket.on('error', () => {}).pipe(socket))
  echo.listen(0, '127.0.0.1')
  await once(echo, 'listening')
  t.teardown(() => {
    echo.close()
  })
  const { port } = boundAddress(echo)
  const start = wholeSecond()
  const clock = new TestClock(start)
  const leaf = { notAfterMs: start + HOUR }
  const { web } = await startPair(
    t,
    { host: '127.0.0.1', port },
    {
      port: { protocol: 'tcp' },
      web: { clock, leaf, config: patient },
      api: { clock, leaf, inbound: { protocol: 'tcp' }, config: patient },
    },
  )
  const client = wireTcp(t, web.services[0]!)
  client.socket.write('one')
  await client.match(/one/)
  clock.advance(HOUR - 1000)
  client.socket.write('two')
  await client.match(/two/)
  clock.advance(1000)
  await client.closed
  t.match(await web.records.take(), { protocol: 'TCP', code: 'identity-expired' })
})

function bundlesOf(authorities: readonly TestCa[], tainted: readonly TestCa[], sequence: number): TrustBundleSet {
  const bundle = parseBundle({
    trustDomain: TRUST_DOMAIN,
    authorities: authorities.map(({ der }) => der),
    tainted: tainted.map((ca) => ca.bundle().authorities[0]!.fingerprint),
    sequence,
  })
  return new Map([[bundle.trustDomain, bundle]])
}

/** Roots that open connections of this sidecar stand on, on either side. */
function rootsInUse({ runtime }: TestSidecar): ReadonlySet<string> {
  return new Set(runtime.connections.list().flatMap(({ authorities }) => authorities))
}

t.test('a root is rotated under load: no request fails, and nothing depends on it in the end', async (t) => {
  const [oldCa, newCa] = [makeTestCa(TRUST_DOMAIN), makeTestCa(TRUST_DOMAIN)]
  const fingerprint = oldCa.bundle().authorities[0]!.fingerprint
  const { web, api, clock, ...rest } = await startTimed(t, { ca: oldCa })
  const agent = keptAgent(t, new Agent({ keepAlive: true, maxSockets: 8 }))
  let over = false
  const statuses: Record<number, number> = {}
  const worker = async (): Promise<void> => {
    while (!over) {
      const { status } = await send(web.outbound, { agent, method: 'POST', body: 'x' })
      statuses[status] = (statuses[status] ?? 0) + 1
    }
  }
  const workers = Promise.all(Array.from({ length: 8 }, worker))
  const some = async (): Promise<void> => {
    const before = statuses[200] ?? 0
    await eventually(() => (statuses[200] ?? 0) > before + 50, 'the load goes on')
  }
  const everywhere = (bundles: TrustBundleSet): void => {
    for (const { credentials } of [web, api]) credentials.set({ svid: credentials.current.svid, bundles })
  }
  await some()
  everywhere(bundlesOf([oldCa, newCa], [], 2))
  await some()
  const tainted = bundlesOf([oldCa, newCa], [oldCa], 3)
  everywhere(tainted)
  await some()
  t.ok(rootsInUse(api).has(fingerprint), 'there is no other certificate yet')
  renew(api, 'api', newCa, clock, tainted)
  await some()
  renew(web, 'web', newCa, clock, tainted)
  await eventually(() => !rootsInUse(api).has(fingerprint), 'nothing stands on the old root')
  await some()
  everywhere(bundlesOf([newCa], [], 4))
  await some()
  over = true
  await workers
  t.strictSame(Object.keys(statuses), ['200'])
  t.ok((await opened({ web, api, ...rest })) >= 3)
  t.same(
    [...web.lines.items, ...api.lines.items].filter(({ message }) => message === 'connection cut'),
    [],
  )
})

t.test('what is under way on a tainted connection has its grace', async (t) => {
  const [oldCa, newCa] = [makeTestCa(TRUST_DOMAIN), makeTestCa(TRUST_DOMAIN)]
  const { web, api, clock, app } = await startTimed(t, { ca: oldCa })
  app.answer((_request, response) => void response.writeHead(200).write('begun'))
  const both = bundlesOf([oldCa, newCa], [], 2)
  for (const { credentials } of [web, api]) credentials.set({ svid: credentials.current.svid, bundles: both })
  const client = wireTcp(t, web.outbound)
  client.socket.write('GET / HTTP/1.1\r\nhost: api\r\n\r\n')
  await client.match(/begun/)
  const tainted = bundlesOf([oldCa, newCa], [oldCa], 3)
  renew(web, 'web', newCa, clock, tainted)
  clock.advance(web.runtime.config.taintGraceMs - 1)
  t.notOk(client.socket.destroyed)
  clock.advance(1)
  await client.closed
  t.match(await web.records.take(), { code: 'identity-withdrawn' })
})

t.test(
  'a root that is withdrawn ends connections in both directions at once, and the other side hears why',
  async (t) => {
    const other = makeTestCa('partner.example')
    const { api, web, ca, app } = await startTimed(t)
    app.answer((_request, response) => void response.writeHead(200).write('begun'))
    const partnerToo = new Map([...ca.bundles(), ...other.bundles()])
    web.credentials.set({ ...web.credentials.current, bundles: partnerToo })
    const partner = 'spiffe://partner.example/ns/default/sa/api'
    web.policy.set(
      policyOf({ workload: 'web', services: [service('api', app.address.port, [api.inbound], [partner])] }),
    )
    api.credentials.set(credentialsOf(other.issue('/ns/default/sa/api'), partnerToo))
    const client = wireTcp(t, web.outbound)
    client.socket.write('GET / HTTP/1.1\r\nhost: api\r\n\r\n')
    await client.match(/begun/)
    web.credentials.set({ ...web.credentials.current, bundles: ca.bundles() })
    await client.closed
    t.match(await web.records.take(), { code: 'identity-withdrawn' })
    t.match(await web.lines.take(({ message }) => message === 'connection cut'), {
      level: 'warn',
      peer: partner,
      detail: /^authority-withdrawn: the root [0-9a-f]{64} of spiffe:/,
    })
    t.match(await api.lines.take(({ message }) => message === 'peer refused us'), {
      reason: 'peer-refused-us',
      theirs: 'authority-withdrawn',
    })
  },
)

t.test('an SVID that is revoked ends its connections, and opens none', async (t) => {
  const { web, api, app } = await startTimed(t)
  app.answer((_request, response) => void response.writeHead(200).write('begun'))
  const begin = async (): Promise<Wire> => {
    const client = wireTcp(t, web.outbound)
    client.socket.write('GET / HTTP/1.1\r\nhost: api\r\n\r\n')
    await client.match(/begun/)
    return client
  }
  const services = [service('api', app.address.port, [api.inbound])]
  const policies = [allow('all')]

  await t.test('that of a client', async (t) => {
    const client = await begin()
    const { serial } = web.credentials.current.svid
    api.policy.set(policyOf({ policies, revocations: [revocation('stolen', { serials: [serial] })] }))
    await client.closed
    const cut = await api.lines.take(({ message }) => message === 'connection cut')
    t.match(cut, {
      peer: idOf('web'),
      code: 'identity-withdrawn',
      detail: /^svid-revoked: .* is revoked; wanted: .*stolen/,
    })
    t.match(await api.records.take(), { code: 'identity-withdrawn' })
    const said = await web.lines.take(({ message }) => message === 'peer refused us')
    t.match(said, { theirs: 'svid-revoked', detail: /serial number [0-9a-f]+ is revoked$/ })
    t.notMatch(JSON.stringify(said), /stolen/)
    t.equal((await send(web.outbound)).headers['x-outrider-refusal'], 'peer-refused-us')
    t.match(await api.lines.take(({ message }) => message === 'peer refused'), { reason: 'svid-revoked' })
    api.policy.set(policyOf({ policies }))
  })

  await t.test('that of a server', async (t) => {
    const client = await begin()
    const revocations = [revocation('gone', { spiffeIds: [idOf('api')] })]
    web.policy.set(policyOf({ workload: 'web', services, revocations }))
    await client.closed
    t.match(await web.records.take(({ code }) => code === 'identity-withdrawn'), { status: 200 })
    t.equal((await send(web.outbound)).headers['x-outrider-refusal'], 'upstream-identity')
    t.match(await web.lines.take(({ message }) => message === 'upstream refused'), { reason: 'svid-revoked' })
    t.match(await api.lines.take(({ message }) => message === 'peer refused us'), { theirs: 'svid-revoked' })
  })
})

t.test('a session cannot be resumed, least of all with a certificate that has expired', async (t) => {
  const ca = makeTestCa(TRUST_DOMAIN)
  const app = await startApp(t)
  const policy = policyOf({ policies: [allow('all')] })
  const api = await startTestSidecar(t, { ca, id: '/ns/default/sa/api', policy, app: app.address })
  const notAfterMs = wholeSecond() + 2000
  const leaf = ca.issue(WEB, { notAfterMs })
  const request = 'GET / HTTP/1.1\r\nhost: api\r\n\r\n'

  await t.test('by node:tls', async (t) => {
    const options = clientTls(ca, leaf)
    const first = wireTls(t, api.inbound, options)
    const session = once(first.socket, 'session')
    first.socket.write(request)
    await first.match(/ok$/)
    // OpenSSL hands out tickets even where it is told not to: they must be good for nothing.
    const [ticket]: Buffer[] = await session
    await first.closed
    await eventually(async () => {
      const asked = app.seen.length
      const late = Date.now() > notAfterMs
      const again = wireTls(t, api.inbound, { ...options, session: ticket! })
      again.socket.write(request)
      await again.closed
      t.notOk(again.socket.isSessionReused())
      if (late) t.equal(app.seen.length, asked)
      return late && /\r\n\r\noutrider: expired: /.test(again.text)
    }, 'it is refused')
  })

  const openssl = findProgram('openssl')
  await t.test('by openssl s_client', { skip: openssl === undefined }, async (t) => {
    const folder = temporaryFolder(t)
    const files = { cert: leaf.chainPem, key: leaf.keyPem, ca: ca.pem }
    for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text, { mode: 0o600 })
    const good = ca.issue(WEB)
    writeFileSync(join(folder, 'good'), good.chainPem + good.keyPem, { mode: 0o600 })
    const connect = (args: readonly string[]): Promise<Ended> =>
      runProgram(t, openssl!, ['s_client', '-connect', formatAddress(api.inbound), '-CAfile', 'ca', ...args], {
        cwd: folder,
        input: 'GET / HTTP/1.1\r\nhost: api\r\nconnection: close\r\n\r\n',
      })
    const saved = await connect(['-ign_eof', '-cert', 'good', '-key', 'good', '-sess_out', 'session'])
    t.match(saved.stdout, /^New, TLSv1\.3[^]*HTTP\/1\.1 200/m)
    const again = await connect(['-ign_eof', '-cert', 'cert', '-key', 'key', '-sess_in', 'session'])
    t.match(again.stdout, /^New, TLSv1\.3[^]*HTTP\/1\.1 403[^]*outrider: expired: /m)
    t.notMatch(again.stdout, /^Reused/m)
  })
})
