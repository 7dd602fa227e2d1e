import t from 'tap'
import { Backoff } from '../../../src/lib/backoff.ts'

t.test('doubles up to its bound and begins anew after reset', async (t) => {
  const backoff = new Backoff({ initialMs: 100, maxMs: 1000, jitter: 0 }, () => 0.3)
  t.same(
    [0, 1, 2, 3, 4, 5].map(() => backoff.next()),
    [100, 200, 400, 800, 1000, 1000],
  )
  backoff.reset()
  t.equal(backoff.next(), 100)
  for (let attempt = 0; attempt < 2000; attempt += 1) backoff.next()
  t.equal(backoff.next(), 1000)
})

function first(random: number): number {
  return new Backoff({ initialMs: 100, maxMs: 1000, jitter: 0.2 }, () => random).next()
}

t.test('jitter spreads to both sides and never above the bound', async (t) => {
  t.equal(first(0), 80)
  t.equal(first(0.5), 100)
  t.equal(Math.round(first(1)), 120)
  t.equal(new Backoff({ initialMs: 1000, maxMs: 1000, jitter: 0.5 }, () => 0.9).next(), 1000)
})
