import t from 'tap'
import { decide } from '../../../src/policy/decide.ts'
import { resolveDestination } from '../../../src/policy/destinations.ts'
import type { Kind, ResourceName } from '../../../src/policy/model.ts'
import { OwnBuckets } from '../../../src/ratelimit/buckets.ts'
import { RateLimiter } from '../../../src/ratelimit/limiter.ts'
import { takeUpdate } from '../../../src/sidecar/snapshot/path.ts'
import { Snapshot } from '../../../src/sidecar/snapshot/snapshot.ts'
import { createLogger } from '../../../src/telemetry/log.ts'
import { sidecarMetrics } from '../../../src/telemetry/names.ts'
import { createMetrics } from '../../../src/telemetry/registry.ts'
import type { Resource } from '../../../src/wire/outrider/policy/v1/Resource.ts'
import { TestClock } from '../../fixtures/clock.ts'
import { allow, deny, idOf, rateLimit, service, update, workloadOf } from '../../fixtures/sidecar.ts'

const clock = new TestClock()
const log = createLogger({ name: 'sidecar', level: 'error', clock, sink: { write: () => {} } })

function makeSnapshot(buckets: OwnBuckets = new OwnBuckets()): Snapshot {
  const registry = createMetrics(sidecarMetrics, clock)
  t.teardown(() => registry.destroy())
  return new Snapshot(clock, buckets, registry.metrics, log)
}

/** What a GET of `web` is answered. */
function ask({ policy }: Snapshot, path = '/'): string {
  const principal = { kind: 'peer', id: idOf('web') } as const
  const decision = decide(policy.current, { principal, method: 'GET', path, port: 8080 })
  return decision.kind === 'permit' ? 'permit' : decision.code
}

const api = workloadOf('api')
const nameOf = (kind: Kind, name: string): ResourceName => ({
  kind,
  namespace: 'default',
  name,
})

t.test('an update is in force when it is acknowledged', async (t) => {
  const snapshot = makeSnapshot()
  t.equal(ask(snapshot), 'policy-missing')
  let told = 0
  snapshot.policy.subscribe(() => (told += 1))
  const answer = takeUpdate(update(3, [api, allow('all')]), snapshot)
  t.strictSame(answer, { ack: { nonce: 'n3', revision: 3 } })
  t.equal(ask(snapshot), 'permit')
  t.match(snapshot, { revision: 3, appliedAtMs: clock.now() })
  t.equal(told, 1)
})

t.test('an update says what changed and what is gone; the rest is held', async (t) => {
  const snapshot = makeSnapshot()
  takeUpdate(update(1, [api, allow('all'), service('db', 5432, [])]), snapshot)
  takeUpdate(update(2, [deny('admin', { to: [{ paths: ['/admin'] }] })]), snapshot)
  t.equal(ask(snapshot), 'permit')
  t.equal(ask(snapshot, '/admin'), 'denied-by-rule')
  t.equal(snapshot.held.size, 4)
  t.equal(snapshot.held.get('AuthorizationPolicy/default/admin')?.revision, 2)
  takeUpdate(update(3, [], [nameOf('AuthorizationPolicy', 'admin'), nameOf('Service', 'db')]), snapshot)
  t.equal(ask(snapshot, '/admin'), 'permit')
  t.equal(resolveDestination(snapshot.policy.current.destinations, 'db'), undefined)
  takeUpdate(update(4, [], [nameOf('AuthorizationPolicy', 'all'), nameOf('AuthorizationPolicy', 'never')]), snapshot)
  t.equal(ask(snapshot), 'no-allow-rule')
})

t.test('an older revision changes nothing', async (t) => {
  const snapshot = makeSnapshot()
  takeUpdate(update(5, [api, allow('all')]), snapshot)
  const before = snapshot.policy.current
  const answer = takeUpdate(update(4, [deny('all', {})]), snapshot)
  t.match(answer, { nack: { nonce: 'n4', revision: 4, violations: [{ code: 'revision-older' }] } })
  t.equal(snapshot.policy.current, before)
  t.equal(snapshot.revision, 5)
  // After a reconnect the same revision comes again.
  t.match(takeUpdate(update(5, []), snapshot), { ack: { revision: 5 } })
})

t.test('without its workload a sidecar is closed', async (t) => {
  const snapshot = makeSnapshot()
  takeUpdate(update(1, [allow('all')]), snapshot)
  t.equal(ask(snapshot), 'policy-missing')
  takeUpdate(update(2, [api]), snapshot)
  t.equal(ask(snapshot), 'permit')
  takeUpdate(update(3, [], [nameOf('Workload', 'api')]), snapshot)
  t.equal(ask(snapshot), 'policy-missing')
})

t.test('what cannot be read is named with its field, and closes what it governs', async (t) => {
  const name = nameOf('AuthorizationPolicy', 'broken')
  const broken = (action: 'ACTION_ALLOW' | 'ACTION_DENY'): Resource => ({
    name,
    revision: 2,
    authorizationPolicy: { action, rules: [{ to: [{ paths: ['no-slash'] }] }] },
  })
  await t.test('an ALLOW allows nothing', async (t) => {
    const snapshot = makeSnapshot()
    takeUpdate(update(1, [api, allow('good', { to: [{ paths: ['/good'] }] })]), snapshot)
    const answer = takeUpdate(update(2, [broken('ACTION_ALLOW')]), snapshot)
    t.match(answer, {
      nack: {
        nonce: 'n2',
        revision: 2,
        violations: [
          {
            resource: name,
            field: 'spec.rules[0].to[0].paths[0]',
            code: 'path-pattern-form',
            message: /no-slash/,
          },
        ],
      },
    })
    t.equal(ask(snapshot, '/good'), 'permit')
    t.equal(ask(snapshot, '/no-slash'), 'no-allow-rule')
    t.equal(snapshot.revision, 2)
  })

  await t.test('a DENY denies everything, until it is mended', async (t) => {
    const snapshot = makeSnapshot()
    takeUpdate(update(1, [api, allow('all')]), snapshot)
    t.match(takeUpdate(update(2, [broken('ACTION_DENY')]), snapshot), { nack: { revision: 2 } })
    t.equal(ask(snapshot), 'policy-broken')
    t.match(takeUpdate(update(3, [deny('broken', { to: [{ paths: ['/x'] }] })]), snapshot), { ack: { revision: 3 } })
    t.equal(ask(snapshot), 'permit')
    t.equal(ask(snapshot, '/x'), 'denied-by-rule')
  })

  await t.test('a RateLimit limits to nothing, a Service leads nowhere', async (t) => {
    const snapshot = makeSnapshot()
    takeUpdate(update(1, [api, allow('all'), service('db', 5432, [{ host: '127.0.0.1', port: 1 }])]), snapshot)
    const answer = takeUpdate(
      update(2, [
        { name: nameOf('RateLimit', 'slow'), revision: 2, rateLimit: { limits: [{ name: 'x', requests: 0 }] } },
        { name: nameOf('Service', 'db'), revision: 2, service: { ports: [{ port: 0, targetPort: 0 }] } },
      ]),
      snapshot,
    )
    t.equal(ask(snapshot), 'permit')
    const { limits, destinations } = snapshot.policy.current
    t.match(limits.of({ principal: { kind: 'peer', id: idOf('web') }, method: 'GET', path: '/', port: 8080 }), [
      { broken: true },
    ])
    t.equal(resolveDestination(destinations, 'db'), undefined)
    const kinds = new Set(answer.nack?.violations?.map(({ resource }) => resource?.kind))
    t.same(kinds, new Set(['RateLimit', 'Service']))
  })

  await t.test('a kind that is not known closes everything', async (t) => {
    const snapshot = makeSnapshot()
    takeUpdate(update(1, [api, allow('all')]), snapshot)
    t.match(
      takeUpdate(
        update(2, [{ name: { kind: 'ThreatFilter', namespace: 'default', name: 'new' }, revision: 2 }]),
        snapshot,
      ),
      {
        nack: { violations: [{ resource: { kind: 'ThreatFilter' } }] },
      },
    )
    t.equal(ask(snapshot), 'policy-broken')
  })

  await t.test('a resource without a name too', async (t) => {
    const snapshot = makeSnapshot()
    takeUpdate(update(1, [api, allow('all')]), snapshot)
    t.match(takeUpdate(update(2, [{ revision: 2 }]), snapshot), { nack: { revision: 2 } })
    t.equal(ask(snapshot), 'policy-broken')
  })
})

t.test('a change of policy keeps the state of limits that stay', async (t) => {
  const buckets = new OwnBuckets()
  const snapshot = makeSnapshot(buckets)
  const limiter = new RateLimiter(() => clock.monotonic(), buckets)
  takeUpdate(update(1, [api, rateLimit('slow', {})]), snapshot)
  const check = (): boolean =>
    limiter.check(
      snapshot.policy.current.limits.of({
        principal: { kind: 'peer', id: idOf('web') },
        method: 'GET',
        path: '/',
        port: 1,
      }),
      idOf('web'),
    ).limited
  t.equal(check(), false)
  t.equal(check(), true)
  takeUpdate(update(2, [allow('all')]), snapshot)
  t.equal(check(), true)
  takeUpdate(update(3, [], [nameOf('RateLimit', 'slow')]), snapshot)
  takeUpdate(update(4, [rateLimit('slow', {})]), snapshot)
  t.equal(check(), false)
})
