import t from 'tap'
import { Sweep } from '../../../src/http/sweep.ts'
import { TestClock } from '../../fixtures/clock.ts'

function member(clock: TestClock, deadline: number): { deadline: number; fired: number[]; expired(): void } {
  const made = {
    deadline,
    fired: [] as number[],
    expired: () => {
      made.fired.push(clock.monotonic())
      made.deadline = Number.POSITIVE_INFINITY
    },
  }
  return made
}

t.test('a deadline fires once, never early and at most two periods late', (t) => {
  for (const delayMs of [0, 1, 499, 500, 501, 9_999]) {
    for (const phase of [0, 1, 250, 499]) {
      const clock = new TestClock()
      const sweep = new Sweep(clock)
      const other = member(clock, Number.POSITIVE_INFINITY)
      sweep.add(other)
      clock.advance(phase)
      const started = clock.monotonic()
      const timed = member(clock, sweep.in(delayMs))
      sweep.add(timed)
      for (let ms = 0; ms < 12_000; ms += 1) clock.advance(1)
      const late = timed.fired[0]! - started - delayMs
      t.ok(timed.fired.length === 1 && late >= 0 && late <= 1000, `${delayMs} ms, ${late} late`)
    }
  }
  t.end()
})

t.test('after a time without members, time has gone on', (t) => {
  const clock = new TestClock()
  const sweep = new Sweep(clock)
  const first = member(clock, sweep.in(10))
  sweep.add(first)
  sweep.remove(first)
  clock.advance(3_600_000)
  t.equal(clock.pending, 0, 'no members, no timer')
  const late = member(clock, sweep.in(10_000))
  sweep.add(late)
  clock.advance(9_999)
  t.strictSame(late.fired, [])
  clock.advance(1_001)
  t.equal(late.fired.length, 1)
  t.end()
})

t.test('who is removed by another is not called', (t) => {
  const clock = new TestClock()
  const sweep = new Sweep(clock)
  const second = member(clock, sweep.in(10))
  const first = { deadline: sweep.in(10), expired: () => sweep.remove(second) }
  sweep.add(first)
  sweep.add(second)
  clock.advance(2_000)
  t.strictSame(second.fired, [])
  t.end()
})
