import t from 'tap'
import { type Drainable, drain } from '../../../src/lib/drain.ts'
import { TestClock } from '../../fixtures/clock.ts'

/** Closes when the test says so, or when it is destroyed. */
class Part implements Drainable {
  readonly calls: string[] = []
  readonly #closed = Promise.withResolvers<void>()

  close(): Promise<void> {
    this.calls.push('close')
    return this.#closed.promise
  }

  destroy(): void {
    this.calls.push('destroy')
    this.finish()
  }

  finish(): void {
    this.#closed.resolve()
  }
}

t.test('all parts are asked at once, and all are waited for', async (t) => {
  const clock = new TestClock()
  const [one, two] = [new Part(), new Part()]
  const drained = drain([one, two], 1000, clock)
  t.same([one.calls, two.calls], [['close'], ['close']])
  one.finish()
  two.finish()
  t.equal(await drained, true)
  t.equal(clock.pending, 0)
})

t.test('what has not finished in time is destroyed', async (t) => {
  const clock = new TestClock()
  const [quick, slow] = [new Part(), new Part()]
  const drained = drain([quick, slow], 1000, clock)
  quick.finish()
  clock.advance(999)
  t.same(slow.calls, ['close'])
  clock.advance(1)
  t.equal(await drained, false)
  t.same(slow.calls, ['close', 'destroy'])
})

t.test('nothing to drain', async (t) => {
  t.equal(await drain([], 0, new TestClock()), true)
})
