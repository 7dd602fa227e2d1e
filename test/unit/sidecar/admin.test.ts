import t from 'tap'
import { adminPages } from '../../../src/sidecar/admin/pages.ts'
import { describePresented } from '../../../src/identity/presented.ts'
import { readJwkSet } from '../../../src/identity/jwk-set.ts'
import type { KeySetStates } from '../../../src/sidecar/authentication/key-sets.ts'
import { Connections, type OpenConnection } from '../../../src/sidecar/connections.ts'
import { Snapshot } from '../../../src/sidecar/snapshot/snapshot.ts'
import { takeUpdate } from '../../../src/sidecar/snapshot/path.ts'
import { TlsFailures } from '../../../src/sidecar/tls-failures.ts'
import { createLogger } from '../../../src/telemetry/log.ts'
import { sidecarMetrics } from '../../../src/telemetry/names.ts'
import { createMetrics } from '../../../src/telemetry/registry.ts'
import { OwnBuckets } from '../../../src/ratelimit/buckets.ts'
import { WatchCell } from '../../../src/lib/watch.ts'
import type { Credentials } from '../../../src/mtls/credentials.ts'
import { serveAdmin } from '../../fixtures/admin.ts'
import { makeTestCa } from '../../fixtures/ca.ts'
import { TestClock } from '../../fixtures/clock.ts'
import { checkLeaks } from '../../fixtures/leaks.ts'
import { allow, credentialsOf, Inbox, TRUST_DOMAIN, update, workloadOf } from '../../fixtures/sidecar.ts'
import { publicJwk } from '../../fixtures/user-tokens.ts'

checkLeaks(t)

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
  const snapshot = new Snapshot(clock, new OwnBuckets(), registry.metrics, log)
  const connections = new Connections()
  const failures = new TlsFailures(registry.metrics, log, clock)
  const elsewhere = createMetrics(sidecarMetrics, clock)
  t.teardown(() => elsewhere.destroy())
  const keySets = new WatchCell<KeySetStates>(new Map())
  let notLive: string | undefined
  const ca = makeTestCa(TRUST_DOMAIN)
  let credentials: WatchCell<Credentials> | undefined
  let notReady: string | undefined = 'no identity yet'
  const ask = await serveAdmin(
    t,
    adminPages({
      log,
      registry,
      snapshot,
      credentials: () => credentials,
      announceDrain: () => {},
      notReady: () => notReady,
      keySets,
      traffic: {
        connections: async () => connections.list().map((connection) => ({ ...connection, worker: 2 })),
        tlsFailures: async () => failures.list().map((failure) => ({ ...failure, worker: 2 })),
        metrics: async () => [elsewhere.snapshot()],
        notLive: async () => notLive,
      },
    }),
  )

  t.match(await ask('GET', '/live'), { status: 200, body: 'live\n' })
  notLive = 'worker 2 gave no answer'
  t.match(await ask('GET', '/live'), { status: 503, body: 'not live: worker 2 gave no answer\n' })
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
  elsewhere.metrics.rateLimited.with({ limit: 'x' }).inc(3)
  registry.metrics.rateLimited.with({ limit: 'x' }).inc(4)
  const metrics = await ask('GET', '/metrics')
  t.match(metrics.body, /^outrider_rate_limited_total\{limit="x"\} 7$/m)
  t.match(metrics.body, /^outrider_policy_revision 7$/m)
  t.match(metrics.headers['content-type'], /^text\/plain; version=0\.0\.4/)

  const open: OpenConnection = {
    listener: 'outbound',
    remote: '127.0.0.1:1',
    peer: 'application',
    openedAtMs: clock.now(),
    authorities: [],
    expiresAtMs: Number.POSITIVE_INFINITY,
    requests: 3,
    retire: () => {},
    close: () => {},
    destroy: () => {},
  }
  connections.add(open)
  t.match(JSON.parse((await ask('GET', '/connections')).body), [
    { worker: 2, peer: 'application', expiresAt: null, requests: 3 },
  ])

  const shown = describePresented(ca.issue('/ns/default/sa/api').chainDer)
  const failure = { listener: 'outbound', remote: '127.0.0.1:2', reason: 'expired', detail: 'long ago' } as const
  failures.report({ ...failure, presented: shown }, 'upstream refused')
  failures.report({ ...failure, reason: 'not-tls' }, 'TLS handshake failed')
  failures.close()
  t.match(JSON.parse((await ask('GET', '/tls-failures')).body), [
    { worker: 2, reason: 'not-tls', at: '2026-01-01T00:00:00.000Z' },
    { ...failure, presented: { ids: ['spiffe://test.local/ns/default/sa/api'], notAfter: /Z$/ } },
  ])

  t.same(JSON.parse((await ask('GET', '/key-sets')).body), [])
  const state = { generation: 1, asking: false, answers: 1, notBeforeMs: 0 }
  const keys = readJwkSet({ keys: [publicJwk(ca.privateKey, { kid: 'k1' }), { kty: 'EC' }] })
  const unknown = { code: 'token-provider-timeout', message: 'too late' }
  keySets.set(
    new Map([
      ['https://a.test/', { ...state, keys, fetchedAtMs: clock.now(), failure: undefined }],
      ['https://b.test/', { ...state, keys: undefined, fetchedAtMs: undefined, failure: unknown }],
    ]),
  )
  t.match(JSON.parse((await ask('GET', '/key-sets')).body), [
    {
      uri: 'https://a.test/',
      usable: true,
      fetchedAt: /Z$/,
      failure: null,
      keys: [{ keyId: 'k1', algorithms: ['ES256'] }],
      ignored: [{ place: 'keys[1]' }],
    },
    { uri: 'https://b.test/', usable: false, fetchedAt: null, failure: unknown, keys: [] },
  ])

  t.match(await ask('GET', '/log-level'), { body: 'info\n' })
  t.match(await ask('PUT', '/log-level', { body: 'loud' }), { status: 400, body: /trace, debug/ })
  t.match(await ask('PUT', '/log-level', { body: 'debug\n' }), { status: 200, body: 'debug\n' })
  t.equal(log.level, 'debug')
})
