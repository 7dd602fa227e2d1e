import t from 'tap'
import { KeyedBuckets } from '../../../src/ratelimit/keyed.ts'

const FULL = Number.NEGATIVE_INFINITY

function use(buckets: KeyedBuckets, key: string, now: number, tat: number): number {
  const before = buckets.read(key, now)
  buckets.write(key, tat)
  return before
}

t.test('each key has its bucket', async (t) => {
  const buckets = new KeyedBuckets(10)
  t.equal(use(buckets, 'a', 0, 5), FULL)
  t.equal(use(buckets, 'b', 0, 6), FULL)
  t.equal(buckets.read('a', 0), 5)
  t.equal(buckets.read('b', 0), 6)
  t.equal(buckets.size, 2)
})

t.test('keys beyond the bound share one bucket', async (t) => {
  const buckets = new KeyedBuckets(3)
  for (const key of ['a', 'b', 'c']) use(buckets, key, 0, 100)
  t.equal(use(buckets, 'd', 0, 7), FULL)
  t.equal(use(buckets, 'e', 0, 8), 7)
  t.equal(buckets.read('f', 0), 8)
  t.equal(use(buckets, 'a', 0, 101), 100, 'known keys keep theirs')
  t.equal(buckets.read('a', 0), 101)
  t.equal(buckets.size, 3)
})

t.test('a bucket that is full again gives way, others do not', async (t) => {
  const buckets = new KeyedBuckets(100)
  for (let key = 0; key < 100; key += 1) use(buckets, `k${key}`, 0, key < 50 ? 1000 : 10)
  let taken = 0
  for (let key = 0; key < 200; key += 1) if (use(buckets, `n${key}`, 500, 2000) === FULL) taken += 1
  t.equal(buckets.size, 100)
  for (let key = 0; key < 50; key += 1) t.equal(buckets.read(`k${key}`, 500), 1000)
  t.equal(taken, 51, 'fifty freed buckets and the first use of the shared one')
})
