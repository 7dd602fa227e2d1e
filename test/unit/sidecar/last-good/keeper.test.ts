import { chmodSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { sealingIdentity } from '../../../../src/sidecar/last-good/sealed.ts'
import { takeUpdate } from '../../../../src/sidecar/snapshot/path.ts'
import { TestClock } from '../../../fixtures/clock.ts'
import { temporaryFolder } from '../../../fixtures/control.ts'
import { newCredentials, startRun } from '../../../fixtures/last-good.ts'
import { allow, deny, update, workloadOf } from '../../../fixtures/sidecar.ts'

const api = workloadOf('api')
const unseen = (error: unknown): void => void t.fail('the time beside the copy is not read', { error })

t.test('identity and policy are on disk, private, a moment after they came', async (t) => {
  const folder = temporaryFolder(t)
  const clock = new TestClock(Date.now())
  const credentials = newCredentials()
  const run = startRun(t, folder, clock, credentials)
  await run.keeper.settled()
  t.same(readdirSync(folder), ['identity.json'])
  const kept = run.identityFile.read(clock.now())
  t.equal(kept?.svid.chainPem, credentials.svid.chainPem)
  t.ok(kept?.svid.privateKey.equals(credentials.svid.privateKey))
  t.same([...(kept?.bundles.keys() ?? [])], [...credentials.bundles.keys()])

  takeUpdate(update(1, [api, allow('all')]), run.snapshot)
  takeUpdate(update(2, [deny('admin', { to: [{ paths: ['/admin'] }] })]), run.snapshot)
  await run.keeper.settled()
  t.same(readdirSync(folder), ['identity.json'], 'updates are gathered')
  clock.advance(1_000)
  await run.keeper.settled()
  t.same(readdirSync(folder).toSorted(), ['identity.json', 'policy.sealed'])
  for (const name of readdirSync(folder)) t.equal(statSync(join(folder, name)).mode & 0o777, 0o600, name)
  t.match(run.policyFile.read(sealingIdentity(credentials.svid), unseen), { revision: 2, syncedAtMs: clock.now() })
  t.equal(await run.metric('outrider_last_good_writes_total', { result: 'written' }), 2)
  await run.keeper.close()
  t.equal(clock.pending, 0)
})

t.test('the time goes on while the control server is there, and stops when it is not', async (t) => {
  const folder = temporaryFolder(t)
  const clock = new TestClock(Date.now())
  const credentials = newCredentials()
  const identity = sealingIdentity(credentials.svid)
  const run = startRun(t, folder, clock, credentials)
  takeUpdate(update(1, [api, allow('all')]), run.snapshot)
  clock.advance(1_000)
  await run.keeper.settled()
  const whole = readFileSync(join(folder, 'policy.sealed'))
  const seenAt = (): number | undefined => run.policyFile.read(identity, unseen)?.syncedAtMs
  clock.advance(59_000)
  await run.keeper.settled()
  t.equal(seenAt(), clock.now())
  t.ok(readFileSync(join(folder, 'policy.sealed')).equals(whole), 'of the policy nothing was written again')
  clock.advance(60_000)
  await run.keeper.settled()
  t.equal(seenAt(), clock.now())

  clock.advance(20_000)
  run.snapshot.outOfStep()
  const lost = clock.now()
  clock.advance(10 * 60_000)
  await run.keeper.settled()
  t.equal(seenAt(), lost - 20_000, 'less than half a period is not written')
  await run.keeper.close()
  t.equal(seenAt(), lost, 'but it is at the end')

  writeFileSync(join(folder, 'policy.seen'), 'outrider last-good seen 1\n{}\n', { mode: 0o600 })
  const told: unknown[] = []
  const copy = run.policyFile.read(identity, (error) => told.push(error))
  t.match(told, [{ code: 'last-good-malformed', place: /policy\.seen$/ }])
  t.equal(copy?.syncedAtMs, lost - 20_000 - 120_000 + 1_000, 'without it the copy is as old as it says itself')
})

t.test('a clock that goes on while the time is written keeps nobody from the end', async (t) => {
  class GoingClock extends TestClock {
    override now(): number {
      this.step(1)
      return super.now()
    }
  }
  const clock = new GoingClock(Date.now())
  const run = startRun(t, temporaryFolder(t), clock, newCredentials())
  takeUpdate(update(1, [api, allow('all')]), run.snapshot)
  clock.advance(1_000)
  await run.keeper.settled()
  const writes = await run.metric('outrider_last_good_writes_total')
  await run.keeper.close()
  t.equal(await run.metric('outrider_last_good_writes_total'), writes + 1)
})

t.test('a new key finds the policy sealed for it, also when that was cut short', async (t) => {
  const folder = temporaryFolder(t)
  const clock = new TestClock(Date.now())
  const [first, second] = [newCredentials(), newCredentials()]
  const run = startRun(t, folder, clock, first)
  takeUpdate(update(5, [api, allow('all')]), run.snapshot)
  clock.advance(1_000)
  await run.keeper.settled()
  // Before the identity is written: there are copies for both keys.
  t.ok(await run.policyFile.prepare(sealingIdentity(first.svid), sealingIdentity(second.svid)))
  for (const { svid } of [first, second]) {
    t.match(run.policyFile.read(sealingIdentity(svid), unseen), { revision: 5 })
  }
  rmSync(join(folder, 'policy.next.sealed'))
  clock.advance(59_000)
  run.credentials.set(second)
  await run.keeper.settled()
  t.same(readdirSync(folder).toSorted(), ['identity.json', 'policy.sealed', 'policy.seen'])
  t.match(run.identityFile.read(clock.now()), { svid: { serial: second.svid.serial } })
  t.match(run.policyFile.read(sealingIdentity(second.svid), unseen), { revision: 5, syncedAtMs: clock.now() })
  t.throws(() => run.policyFile.read(sealingIdentity(first.svid), unseen), { code: 'last-good-key' })
  clock.advance(60_000)
  await run.keeper.settled()
  t.match(run.policyFile.read(sealingIdentity(second.svid), unseen), { revision: 5, syncedAtMs: clock.now() })

  // Another run, whose control server renews the SVID and says nothing of the policy yet.
  await run.keeper.close()
  const third = newCredentials()
  const next = startRun(t, folder, clock, second, run.identityFile.read(clock.now()))
  next.credentials.set(third)
  await next.keeper.settled()
  t.match(next.policyFile.read(sealingIdentity(third.svid), unseen), { revision: 5 })
  await next.keeper.close()
})

t.test('an identity that comes from elsewhere is not kept, and a new one has the policy all the same', async (t) => {
  const folder = temporaryFolder(t)
  const clock = new TestClock(Date.now())
  const run = startRun(t, folder, clock, newCredentials(), undefined, 'elsewhere')
  takeUpdate(update(5, [api, allow('all')]), run.snapshot)
  clock.advance(1_000)
  await run.keeper.settled()
  const next = newCredentials()
  run.credentials.set(next)
  await run.keeper.close()
  t.same(readdirSync(folder).toSorted(), ['policy.sealed'])
  t.match(run.policyFile.read(sealingIdentity(next.svid), unseen), { revision: 5, syncedAtMs: clock.now() })
})

t.test('what cannot be written is told and tried again; a copy that is outdated by that is removed', async (t) => {
  const folder = temporaryFolder(t)
  const clock = new TestClock(Date.now())
  const run = startRun(t, folder, clock, newCredentials())
  takeUpdate(update(1, [api, allow('all')]), run.snapshot)
  clock.advance(1_000)
  await run.keeper.settled()
  t.ok(readdirSync(folder).includes('policy.sealed'))
  // In the way of the file that is written first; also root cannot write over a folder.
  mkdirSync(join(folder, 'policy.sealed.unfinished', 'x'), { recursive: true })
  takeUpdate(update(2, [deny('all', {})]), run.snapshot)
  clock.advance(1_000)
  await run.keeper.settled()
  t.notOk(readdirSync(folder).includes('policy.sealed'), 'it lacks a DENY that is in force')
  t.match(run.lines.at(-1), { level: 'error', error: { code: 'last-good-unwritable' } })
  t.equal(await run.metric('outrider_last_good_writes_total', { result: 'failed' }), 1)
  rmSync(join(folder, 'policy.sealed.unfinished'), { recursive: true })
  clock.advance(60_000)
  await run.keeper.settled()
  t.match(run.policyFile.read(sealingIdentity(run.credentials.current.svid), unseen), { revision: 2 })
  await run.keeper.close()
})

t.test('a kept identity that is not whole, not ours or not valid is refused', async (t) => {
  const folder = temporaryFolder(t)
  const clock = new TestClock(Date.now())
  const run = startRun(t, folder, clock, newCredentials())
  await run.keeper.close()
  const { path } = run.identityFile
  const whole = readFileSync(path, 'utf8')
  const refused = (code: string, nowMs = clock.now()): void => {
    t.throws(() => run.identityFile.read(nowMs), { code, place: path }, code)
  }
  refused('expired', clock.now() + 366 * 86_400_000)
  refused('not-yet-valid', run.credentials.current.svid.notBeforeMs - 600_000)
  for (const text of ['', '{', '[]', whole.slice(0, -20), whole.replace('"version":1', '"version":2')]) {
    writeFileSync(path, text)
    refused('kept-identity-malformed')
  }
  writeFileSync(path, whole.replace(/"privateKey":"[^"]*"/, '"privateKey":"no key"'))
  refused('kept-identity-malformed')
  const { privateKey } = newCredentials().svid
  const other = JSON.stringify(privateKey.export({ type: 'pkcs8', format: 'pem' }))
  writeFileSync(
    path,
    whole.replace(/"privateKey":"[^"]*"/, () => `"privateKey":${other}`),
  )
  refused('svid-key-mismatch')
  writeFileSync(path, whole)
  chmodSync(path, 0o644)
  refused('private-file-exposed')
  chmodSync(path, 0o600)
  t.ok(run.identityFile.read(clock.now()))
  rmSync(path)
  t.equal(run.identityFile.read(clock.now()), undefined)
})
