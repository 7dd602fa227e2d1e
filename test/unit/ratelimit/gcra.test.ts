import t from 'tap'
import { remaining, take } from '../../../src/ratelimit/gcra.ts'

const INTERVAL = 100
const TOLERANCE = 200

t.test('a full bucket takes a burst, then one request per interval', async (t) => {
  let tat = Number.NEGATIVE_INFINITY
  for (const left of [2, 1, 0]) {
    const result = take(tat, 1000, INTERVAL, TOLERANCE)
    t.match(result, { allowed: true, retryAfterMs: 0 })
    tat = result.tat
    t.equal(remaining(tat, 1000, INTERVAL, TOLERANCE), left)
  }
  t.strictSame(take(tat, 1000, INTERVAL, TOLERANCE), { allowed: false, tat, retryAfterMs: 100 })
  t.strictSame(take(tat, 1099, INTERVAL, TOLERANCE), { allowed: false, tat, retryAfterMs: 1 })
  t.strictSame(take(tat, 1100, INTERVAL, TOLERANCE), { allowed: true, tat: tat + INTERVAL, retryAfterMs: 0 })
})

t.test('idle time fills the bucket and no more', async (t) => {
  t.equal(remaining(Number.NEGATIVE_INFINITY, 0, INTERVAL, TOLERANCE), 3)
  t.equal(remaining(0, 1_000_000, INTERVAL, TOLERANCE), 3)
  t.equal(take(0, 1_000_000, INTERVAL, TOLERANCE).tat, 1_000_000 + INTERVAL)
})
