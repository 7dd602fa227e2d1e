import { once } from 'node:events'
import { request, type OutgoingHttpHeaders } from 'node:http'
import t, { type Test } from 'tap'
import { type AdminPages, createAdminServer, json, text } from '../../../src/telemetry/admin-server.ts'
import { adminPages } from '../../../src/sidecar/admin/pages.ts'
import { Connections, type OpenConnection } from '../../../src/sidecar/connections.ts'
import { Snapshot } from '../../../src/sidecar/snapshot/snapshot.ts'
import { takeUpdate } from '../../../src/sidecar/snapshot/path.ts'
import { createLogger } from '../../../src/telemetry/log.ts'
import { sidecarMetrics } from '../../../src/telemetry/names.ts'
import { createMetrics } from '../../../src/telemetry/registry.ts'
import { RateLimiter } from '../../../src/ratelimit/limiter.ts'
import { WatchCell } from '../../../src/lib/watch.ts'
import type { Credentials } from '../../../src/mtls/credentials.ts'
import { boundAddress } from '../../fixtures/app.ts'
import { makeTestCa } from '../../fixtures/ca.ts'
import { TestClock } from '../../fixtures/clock.ts'
import { checkLeaks } from '../../fixtures/leaks.ts'
import { allow, credentialsOf, Inbox, TRUST_DOMAIN, update, workloadOf } from '../../fixtures/sidecar.ts'

checkLeaks(t)

interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, unknown>>
  readonly body: string
}

type Ask = (method: string, path: string, options?: { headers?: OutgoingHttpHeaders; body?: string }) => Promise<Answer>

async function serve(t: Test, pages: AdminPages): Promise<Ask> {
  const log = createLogger({ name: 'sidecar', level: 'error', clock: new TestClock(), sink: { write: () => {} } })
  const server = createAdminServer(pages, log)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = boundAddress(server)
  return (method, path, { headers = {}, body } = {}) =>
    new Promise((resolve, reject) => {
      const sent = request({ host: '127.0.0.1', port, method, path, headers, agent: false }, (response) => {
        let answer = ''
        response.setEncoding('utf8')
        response.on('data', (part: string) => (answer += part))
        response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body: answer }))
      })
      sent.on('error', reject)
      sent.end(body)
    })
}

t.test('pages by method and path', async (t) => {
  const bodies: string[] = []
  const ask = await serve(t, {
    'GET /one': () => text('one\n'),
    'PUT /one': ({ body }) => {
      bodies.push(body)
      return json({ body })
    },
    'GET /broken': () => {
      throw new Error('a bug')
    },
  })
  const one = await ask('GET', '/one?x=1')
  t.match(one, { status: 200, body: 'one\n', headers: { 'cache-control': 'no-store' } })
  t.match(await ask('PUT', '/one', { body: 'x' }), { status: 200, headers: { 'content-type': 'application/json' } })
  t.match(await ask('POST', '/one'), { status: 405, body: 'use GET or PUT\n' })
  t.match(await ask('GET', '/none'), { status: 404, body: /GET \/one\nPUT \/one/ })
  t.match(await ask('GET', '//'), { status: 404 })
  t.match(await ask('GET', '/broken'), { status: 500, body: 'a bug\n' })

  const large = await ask('PUT', '/one', { body: 'x'.repeat(1_000_000) })
  t.match(large, { status: 413, headers: { connection: 'close' } })
  t.same(bodies, ['x'])
})

t.test('only names of loopback are answered', async (t) => {
  const ask = await serve(t, { 'GET /one': () => text('one\n') })
  for (const host of ['localhost', 'localhost:15400', '127.0.0.1', '127.9.9.9:1', '[::1]', '[::1]:15400', 'LOCALHOST'])
    t.equal((await ask('GET', '/one', { headers: { host } })).status, 200, host)
  for (const host of ['evil.example', 'localhost.evil.example', '127.0.0.1.evil.example:80', '10.0.0.1', '[::2]'])
    t.equal((await ask('GET', '/one', { headers: { host } })).status, 403, host)
})

t.test('what the sidecar knows', async (t) => {
  const clock = new TestClock()
  const lines = new Inbox<object>()
  const log = createLogger({
    name: 'sidecar',
    level: 'info',
    clock,
    sink: { write: (line: string) => lines.push(JSON.parse(line)) },
  })
  const registry = createMetrics(sidecarMetrics, clock)
  t.teardown(() => registry.destroy())
  const snapshot = new Snapshot(clock, new RateLimiter(() => clock.monotonic()), registry.metrics, log)
  const connections = new Connections()
  const ca = makeTestCa(TRUST_DOMAIN)
  let credentials: WatchCell<Credentials> | undefined
  let notReady: string | undefined = 'no identity yet'
  const ask = await serve(
    t,
    adminPages({
      log,
      registry,
      snapshot,
      connections,
      credentials: () => credentials,
      notReady: () => notReady,
    }),
  )

  t.match(await ask('GET', '/live'), { status: 200, body: 'live\n' })
  t.match(await ask('GET', '/ready'), { status: 503, body: 'not ready: no identity yet\n' })
  t.match(await ask('GET', '/certs'), { status: 503 })
  t.match(JSON.parse((await ask('GET', '/policy')).body), {
    revision: 0,
    appliedAt: null,
    closed: { code: 'policy-missing' },
    resources: [],
  })

  notReady = undefined
  credentials = new WatchCell(credentialsOf(ca.issue('/ns/default/sa/web'), ca.bundles()))
  takeUpdate(update(7, [workloadOf('web'), allow('all')]), snapshot)
  t.match(await ask('GET', '/ready'), { status: 200, body: 'ready\n' })
  const certs = await ask('GET', '/certs')
  t.match(JSON.parse(certs.body), {
    svid: { id: 'spiffe://test.local/ns/default/sa/web', chain: [/^[0-9a-f]{64}$/] },
    bundles: [{ trustDomain: TRUST_DOMAIN, authorities: [{ fingerprint: /^[0-9a-f]{64}$/ }] }],
  })
  t.notMatch(certs.body, /PRIVATE/)
  t.match(JSON.parse((await ask('GET', '/policy')).body), {
    revision: 7,
    closed: null,
    resources: [{ kind: 'Workload' }, { kind: 'AuthorizationPolicy', metadata: { name: 'all' } }],
  })
  const metrics = await ask('GET', '/metrics')
  t.match(metrics.body, /^outrider_policy_revision 7$/m)
  t.match(metrics.headers['content-type'], /^text\/plain; version=0\.0\.4/)

  const open: OpenConnection = {
    listener: 'outbound',
    remote: '127.0.0.1:1',
    peer: 'application',
    openedAtMs: clock.now(),
    expiresAtMs: Number.POSITIVE_INFINITY,
    requests: 3,
    retire: () => {},
    close: () => {},
    destroy: () => {},
  }
  connections.add(open)
  t.match(JSON.parse((await ask('GET', '/connections')).body), [{ peer: 'application', expiresAt: null, requests: 3 }])

  t.match(await ask('GET', '/log-level'), { body: 'info\n' })
  t.match(await ask('PUT', '/log-level', { body: 'loud' }), { status: 400, body: /trace, debug/ })
  t.match(await ask('PUT', '/log-level', { body: 'debug\n' }), { status: 200, body: 'debug\n' })
  t.equal(log.level, 'debug')
})
