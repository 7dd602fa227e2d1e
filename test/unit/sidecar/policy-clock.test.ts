import t from 'tap'
import { WatchCell } from '../../../src/lib/watch.ts'
import { closedPolicy } from '../../../src/policy/closed.ts'
import type { CompiledPolicy } from '../../../src/policy/compile.ts'
import { PolicyClock } from '../../../src/sidecar/policy-clock.ts'
import { TestClock } from '../../fixtures/clock.ts'

function policyWith(...boundariesMs: readonly number[]): CompiledPolicy {
  return { ...closedPolicy('test'), schedule: { asksForTime: true, boundariesMs, everyMinute: false } }
}

t.test('says when a policy begins or ends, and is silent when none does', async (t) => {
  const clock = new TestClock(1000)
  const policy = new WatchCell(closedPolicy('none'))
  let changes = 0
  const policyClock = new PolicyClock(policy, clock, () => (changes += 1))
  t.equal(clock.pending, 0)
  policy.set(policyWith(900, 3000, 200_000))
  clock.advance(1999)
  t.equal(changes, 0)
  clock.advance(1)
  t.equal(changes, 1)
  clock.advance(196_999)
  t.equal(changes, 1)
  clock.advance(1)
  t.equal(changes, 2)
  t.equal(clock.pending, 0, 'nothing more is to come')
  policy.set(policyWith(300_000))
  policy.set(closedPolicy('none'))
  t.equal(clock.pending, 0, 'another policy has another schedule')
  policy.set(policyWith(300_000))
  policyClock.close()
  t.equal(clock.pending, 0)
  policy.set(policyWith(400_000))
  t.equal(clock.pending, 0, 'closed is closed')
  t.equal(changes, 2)
})

t.test('a wall clock that is set is seen within a minute', async (t) => {
  const clock = new TestClock(0)
  const policy = new WatchCell(policyWith(3_600_000))
  let changes = 0
  const policyClock = new PolicyClock(policy, clock, () => (changes += 1))
  clock.step(3_600_000)
  clock.advance(60_000)
  t.equal(changes, 1, 'forward over the end')
  policy.set(policyWith(3_600_000, 9_000_000))
  clock.step(-7_200_000)
  clock.advance(60_000)
  t.equal(changes, 2, 'and back')
  policyClock.close()
})
