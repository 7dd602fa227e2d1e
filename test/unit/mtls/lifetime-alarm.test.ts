import t from 'tap'
import { LifetimeAlarm } from '../../../src/mtls/source/lifetime-alarm.ts'
import { makeTestCa } from '../../fixtures/ca.ts'
import { TestClock } from '../../fixtures/clock.ts'
import { credentialsOf, TRUST_DOMAIN } from '../../fixtures/sidecar.ts'

const HOUR_MS = 3_600_000

t.test('an SVID that nothing replaces: once at 80 % of its lifetime, once at its end', async (t) => {
  const ca = makeTestCa(TRUST_DOMAIN)
  const clock = new TestClock(Math.floor(Date.now() / 1000) * 1000)
  const leaf = (): ReturnType<typeof credentialsOf> =>
    credentialsOf(ca.issue('/web', { notAfterMs: clock.now() + HOUR_MS }), ca.bundles())
  const events: string[] = []
  const alarm = new LifetimeAlarm(clock, (what, { serial }) => void events.push(`${what} ${serial}`))
  const first = leaf().svid
  alarm.watch(first)
  clock.advance(HOUR_MS * 0.8 - 1)
  t.same(events, [])
  clock.advance(1)
  t.same(events.splice(0), [`overdue ${first.serial}`])
  const second = leaf().svid
  alarm.watch(second)
  clock.advance(HOUR_MS)
  t.same(events, [`overdue ${second.serial}`, `expired ${second.serial}`], 'the one that was replaced is forgotten')
  alarm.watch(second)
  alarm.close()
  t.equal(clock.pending, 0)
})
