import { chmodSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { OutriderError } from '../../../../src/lib/errors.ts'
import type { Credentials } from '../../../../src/mtls/credentials.ts'
import { takeUpdate } from '../../../../src/sidecar/snapshot/path.ts'
import type { Resource } from '../../../../src/wire/outrider/policy/v1/Resource.ts'
import { TestClock } from '../../../fixtures/clock.ts'
import { temporaryFolder } from '../../../fixtures/control.ts'
import { HOUR_MS, newCredentials, type Run, startRun, WAIT_MS } from '../../../fixtures/last-good.ts'
import { allow, deny, idOf, rateLimit, revocation, service, update, workloadOf } from '../../../fixtures/sidecar.ts'

const DAY_MS = 24 * HOUR_MS
const api = workloadOf('api')
const resources = [
  api,
  allow('all'),
  deny('admin', { to: [{ paths: ['/admin'] }] }),
  rateLimit('slow', {}),
  revocation('gone', { spiffeIds: [idOf('mallory')] }),
  service('db', 5432, [{ host: '127.0.0.1', port: 1 }]),
]

interface Left {
  readonly folder: string
  readonly clock: TestClock
  readonly credentials: Credentials
  /** The next run of the same sidecar. */
  readonly again: (t: Test) => Run
}

/** What a run leaves that held these resources. */
async function left(t: Test, held: Parameters<typeof update>[1] = resources): Promise<Left> {
  const folder = temporaryFolder(t)
  const clock = new TestClock(Date.now())
  const credentials = newCredentials()
  const run = startRun(t, folder, clock, credentials)
  takeUpdate(update(9, held), run.snapshot)
  await run.keeper.close()
  return { folder, clock, credentials, again: (t) => startRun(t, folder, clock, credentials, credentials) }
}

t.test('the copy is the policy of before, to its last word', async (t) => {
  const { clock, again } = await left(t)
  clock.advance(2 * HOUR_MS)
  const run = again(t)
  t.equal(run.ask(), 'policy-missing')
  const fallback = await run.fallback()
  t.equal(run.ask(), 'permit')
  t.equal(run.ask('/admin'), 'denied-by-rule')
  t.equal(fallback.fault, undefined)
  const { snapshot } = run
  t.match(snapshot, { revision: 9, source: 'last-good', inStep: false, ageMs: 2 * HOUR_MS + WAIT_MS, expired: false })
  t.equal(snapshot.leftMs, 22 * HOUR_MS - WAIT_MS)
  t.same(
    [...snapshot.held.values()].map((held) => held.ok && { ...held.resource }),
    resources.map((resource) => ({ ...resource })),
  )
  t.equal(await run.metric('outrider_policy_source', { source: 'last-good' }), 1)
  t.equal(await run.metric('outrider_policy_source', { source: 'none' }), 0)
  t.match(run.lines.at(-1), { level: 'warn', revision: 9, message: /the last-good one is in force/ })
})

t.test('what could not be read is not read better from the copy', async (t) => {
  const name = { kind: 'AuthorizationPolicy', namespace: 'default', name: 'broken' }
  const broken: Resource = {
    name,
    revision: 9,
    authorizationPolicy: { action: 'ACTION_DENY', rules: [{ to: [{ paths: ['x'] }] }] },
  }
  const unknown: Resource = { name: { ...name, kind: 'Later' }, revision: 9 }
  for (const resource of [broken, unknown]) {
    const { again } = await left(t, [api, allow('all'), resource])
    const run = again(t)
    await run.fallback()
    t.equal(run.snapshot.held.size, 3)
    t.equal(run.ask(), 'policy-broken', 'and closes what it closed')
  }
})

t.test('a condition that this version does not know is not forgotten', async (t) => {
  const name = { kind: 'AuthorizationPolicy', namespace: 'default', name: 'later' }
  const paths = (path: string): object[] => [{ paths: [path] }]
  const later = (action: 'ACTION_ALLOW' | 'ACTION_DENY', path: string): Resource => ({
    name: { ...name, name: action === 'ACTION_ALLOW' ? 'more' : 'less' },
    revision: 9,
    // As a server counts that has set one field more than is known here.
    authorizationPolicy: { action, fieldCount: 2, rules: [{ to: paths(path), fieldCount: 3 }] },
  })
  const found = await left(t, [
    api,
    allow('known', { to: [{ paths: ['/known', '/denied'] }] }),
    later('ACTION_ALLOW', '/unknown'),
    later('ACTION_DENY', '/denied'),
  ])
  const run = found.again(t)
  await run.fallback()
  t.equal(run.ask('/known'), 'permit')
  t.equal(run.ask('/unknown'), 'no-allow-rule', 'it is false in ALLOW')
  t.equal(run.ask('/denied'), 'denied-by-rule', 'and true in DENY')
  // What was read from the copy is kept again as it came.
  takeUpdate(update(9, []), run.snapshot)
  await run.keeper.close()
  const third = found.again(t)
  await third.fallback()
  t.equal(third.ask('/unknown'), 'no-allow-rule')
  t.equal(third.ask('/denied'), 'denied-by-rule')
})

t.test('the control server takes over, and only what it names is gone', async (t) => {
  const { again } = await left(t)
  const run = again(t)
  await run.fallback()
  takeUpdate(
    update(10, [deny('everything', {})], [{ kind: 'Service', namespace: 'default', name: 'db' }]),
    run.snapshot,
  )
  t.equal(run.ask(), 'denied-by-rule')
  t.match(run.snapshot, { source: 'control', inStep: true, ageMs: 0, leftMs: undefined })
  t.equal(run.snapshot.held.size, 6)
  t.ok(run.lines.some(({ message }) => String(message).includes('has taken over')))
  await run.keeper.close()
})

t.test('an older answer of the control server does not', async (t) => {
  const { again } = await left(t)
  const run = again(t)
  await run.fallback()
  t.match(takeUpdate(update(8, []), run.snapshot), { nack: { violations: [{ code: 'revision-older' }] } })
  t.equal(run.snapshot.source, 'last-good')
})

t.test('when it becomes too old nothing is allowed, and what denies and revokes stays', async (t) => {
  const { clock, again } = await left(t)
  clock.advance(DAY_MS - HOUR_MS)
  const run = again(t)
  const fallback = await run.fallback()
  clock.advance(HOUR_MS - WAIT_MS - 1)
  t.equal(run.ask(), 'permit')
  clock.advance(1)
  t.equal(run.ask(), 'policy-missing')
  t.match(fallback.fault, /last-good-too-old/)
  t.same(run.reopened, [6, 3], 'the control server is told what is held')
  t.match(run.lines.at(-1), { level: 'error', code: 'last-good-too-old', resources: 6, left: 3 })
  const { snapshot } = run
  t.same([...snapshot.held.keys()].toSorted(), [
    'AuthorizationPolicy/default/admin',
    'RateLimit/default/slow',
    'Revocation/default/gone',
  ])
  t.ok(snapshot.policy.current.revocations.ids.has(idOf('mallory')))
  t.equal(snapshot.policy.current.destinations.size, 0)
  clock.advance(60_000)
  t.equal(clock.pending, 1, 'that of the keeper')

  // What is no longer held comes again.
  takeUpdate(update(9, [api, allow('all')]), snapshot)
  t.equal(run.ask(), 'permit')
  t.equal(run.ask('/admin'), 'denied-by-rule')
  t.equal(fallback.fault, undefined)
  await run.keeper.close()
})

t.test('neither a wall clock that is set back nor one that jumps ahead makes it live longer', async (t) => {
  const { clock, again } = await left(t)
  const run = again(t)
  await run.fallback({ maxAgeMs: HOUR_MS })
  clock.step(-10 * HOUR_MS)
  clock.advance(HOUR_MS - WAIT_MS - 1)
  t.equal(run.ask(), 'permit')
  clock.advance(1)
  t.equal(run.ask(), 'policy-missing', 'by the clock that cannot be set')

  const other = (await left(t)).again(t)
  await other.fallback({ maxAgeMs: HOUR_MS })
  t.equal(other.ask(), 'permit')
  const { clock: second } = other.snapshot
  if (!(second instanceof TestClock)) throw new TypeError('not the clock of the test')
  second.step(HOUR_MS)
  second.advance(60_000)
  t.equal(other.ask(), 'policy-missing', 'a machine that slept is noticed within a minute')
})

/** The code of a start that finds this. */
async function refusedBy(
  t: Test,
  { again }: Left,
  options?: Parameters<Run['fallback']>[0],
): Promise<string | undefined> {
  const run = again(t)
  const fallback = await run.fallback(options)
  t.equal(run.snapshot.revision, 0)
  t.equal(run.ask(), 'policy-missing')
  t.equal(run.snapshot.held.size, 0, 'nothing of it')
  t.match(run.lines.at(-1), { level: 'error', message: /nothing is served/ })
  return /\(([a-z-]+)\)$/.exec(fallback.fault ?? '')?.[1]
}

t.test('too old, from the future, or not to be used against the word of the control server', async (t) => {
  const old = await left(t)
  old.clock.advance(DAY_MS - WAIT_MS)
  t.equal(await refusedBy(t, old), 'last-good-too-old')
  const ahead = await left(t)
  ahead.clock.step(-6 * 60_000)
  t.equal(await refusedBy(t, ahead), 'last-good-from-future')
  const little = await left(t)
  little.clock.step(-4 * 60_000)
  const run = little.again(t)
  await run.fallback()
  t.match(run.snapshot, { source: 'last-good', ageMs: 0 })
  const refusal = new OutriderError('identity-revoked', 'gone')
  t.equal(await refusedBy(t, await left(t), { refusal }), 'identity-revoked')
})

t.test('a file that is missing, damaged or of somebody else closes', async (t) => {
  const cases: readonly (readonly [code: string, damage: (path: string, left: Left) => void])[] = [
    ['last-good-missing', (path) => rmSync(path)],
    ['last-good-tampered', (path) => changed(path, (bytes) => (bytes[bytes.length - 1]! ^= 1))],
    ['last-good-tampered', (path) => changed(path, (bytes) => (bytes[bytes.indexOf('}\n') + 20]! ^= 1))],
    ['last-good-truncated', (path) => writeFileSync(path, readFileSync(path).subarray(0, -1))],
    ['last-good-malformed', (path) => writeFileSync(path, '')],
    ['last-good-malformed', (path) => writeFileSync(path, 'something else')],
    ['private-file-exposed', (path) => chmodSync(path, 0o644)],
    ['private-file-exposed', (path) => chmodSync(path, 0o660)],
    [
      'private-file-symlink',
      (path) => {
        renameSync(path, `${path}.there`)
        symlinkSync(`${path}.there`, path)
      },
    ],
  ]
  for (const [code, damage] of cases) {
    const found = await left(t)
    damage(join(found.folder, 'policy.sealed'), found)
    t.equal(await refusedBy(t, found), code)
  }
  const otherKey = await left(t)
  const credentials = newCredentials()
  const again = (t: Test): Run => startRun(t, otherKey.folder, otherKey.clock, credentials, credentials)
  t.equal(await refusedBy(t, { ...otherKey, again }), 'last-good-key')
  const stranger = newCredentials('web')
  const foreign = (t: Test): Run => startRun(t, otherKey.folder, otherKey.clock, stranger, stranger)
  t.equal(await refusedBy(t, { ...otherKey, again: foreign }), 'last-good-identity')
})

function changed(path: string, change: (bytes: Buffer) => void): void {
  const bytes = readFileSync(path)
  change(bytes)
  writeFileSync(path, bytes)
}

t.test('a policy that comes in time is not replaced by the copy', async (t) => {
  const { clock, again } = await left(t)
  const run = again(t)
  const waiting = run.fallback()
  takeUpdate(update(3, [api]), run.snapshot)
  const fallback = await waiting
  t.match(run.snapshot, { revision: 3, source: 'control' })
  clock.advance(WAIT_MS)
  t.equal(fallback.fault, undefined)
  await run.keeper.close()
})
