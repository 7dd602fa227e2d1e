import t from 'tap'
import { describeError, OutriderError } from '../../../src/lib/errors.ts'
import { systemRandom } from '../../../src/lib/random.ts'
import { unreachable } from '../../../src/lib/unreachable.ts'

t.test('an OutriderError says what, where and whose fault', async (t) => {
  const plain = new OutriderError('config-unknown-key', 'no such option')
  t.match(plain, { code: 'config-unknown-key', source: 'input', retryable: false, place: undefined })
  t.notOk('cause' in plain)
  const cause = new Error('disk full')
  const full = new OutriderError('store-failed', 'cannot write', {
    place: 'data',
    source: 'dependency',
    retryable: true,
    cause,
  })
  t.match(full, { name: 'OutriderError', place: 'data', source: 'dependency', retryable: true })
  t.equal(full.cause, cause)
})

t.test('one line out of anything that was thrown', async (t) => {
  const root = new Error('connection refused')
  t.equal(describeError(new Error('cannot attest', { cause: root })), 'cannot attest: connection refused')
  t.equal(describeError(new Error('failed: connection refused', { cause: root })), 'failed: connection refused')
  t.equal(describeError(new TypeError('', { cause: 'why' })), 'TypeError: why')
  t.equal(describeError('text'), 'text')
  t.equal(describeError({ code: 1 }), '{"code":1}')
  t.equal(describeError(undefined), '')
  let deep = new Error('0')
  for (let depth = 1; depth < 100; depth += 1) deep = new Error(`level ${depth}`, { cause: deep })
  t.equal(describeError(deep), 'level 99: level 98: level 97: level 96: level 95')
  const circle = new Error('round')
  circle.cause = circle
  t.equal(describeError(circle), 'round')
})

t.test('random numbers lie in [0, 1), and the unreachable throws', async (t) => {
  for (let count = 0; count < 1000; count += 1) {
    const value = systemRandom()
    if (!(value >= 0 && value < 1)) t.fail(String(value))
  }
  // @ts-expect-error the compiler refuses what is not never
  t.throws(() => unreachable('surprise'), TypeError)
})
