import t from 'tap'
import { OwnBuckets } from '../../../src/ratelimit/buckets.ts'
import { rateLimitHeaders, RateLimiter } from '../../../src/ratelimit/limiter.ts'
import { brokenPlan, type LimitDefinition, type LimitPlan, planLimit } from '../../../src/ratelimit/plan.ts'
import { TestClock } from '../../fixtures/clock.ts'

function plan(part: Partial<LimitDefinition>): LimitPlan {
  const requests = part.requests ?? 2
  return planLimit({ scope: 's', name: 'calls', key: 'identity', requests, perMs: 1000, burst: requests, ...part })
}

function limiterAt(clock: TestClock, maxKeys?: number): RateLimiter {
  return new RateLimiter(() => clock.monotonic(), new OwnBuckets(maxKeys))
}

t.test('callers have a bucket each, or one together', async (t) => {
  const limiter = limiterAt(new TestClock())
  const own = [plan({ requests: 1 })]
  t.notOk(limiter.check(own, 'a').limited)
  t.ok(limiter.check(own, 'a').limited)
  t.notOk(limiter.check(own, 'b').limited)
  const together = [plan({ requests: 1, key: 'all', name: 'total' })]
  t.notOk(limiter.check(together, 'a').limited)
  t.ok(limiter.check(together, 'b').limited)
})

t.test('time brings requests back', async (t) => {
  const clock = new TestClock()
  const limiter = limiterAt(clock)
  const limits = [plan({})]
  t.match(limiter.check(limits, 'a'), { limited: false, remaining: 1, resetS: 1 })
  t.match(limiter.check(limits, 'a'), { limited: false, remaining: 0, resetS: 1 })
  t.match(limiter.check(limits, 'a'), { limited: true, retryAfterS: 1, limit: { name: 'calls' } })
  clock.advance(499)
  t.ok(limiter.check(limits, 'a').limited)
  clock.advance(1)
  t.notOk(limiter.check(limits, 'a').limited)
  clock.advance(10_000)
  t.match(limiter.check(limits, 'a'), { limited: false, remaining: 1 })
})

t.test('a refusal by one limit takes nothing from the others', async (t) => {
  const clock = new TestClock()
  const limiter = limiterAt(clock)
  const wide = plan({ name: 'wide', requests: 10, perMs: 60_000 })
  const tight = plan({ name: 'tight', requests: 1, perMs: 60_000 })
  t.match(limiter.check([wide, tight], 'a'), { limited: false, limit: { name: 'tight' }, remaining: 0, resetS: 60 })
  for (let n = 0; n < 20; n += 1)
    t.match(limiter.check([wide, tight], 'a'), { limited: true, limit: { name: 'tight' }, retryAfterS: 60 })
  t.match(limiter.check([wide], 'a'), { limited: false, remaining: 8 })
})

t.test('of several refusals the longest wait counts', async (t) => {
  const limiter = limiterAt(new TestClock())
  const limits = [
    plan({ name: 'second', requests: 1 }),
    plan({ name: 'hour', requests: 1, perMs: 3_600_000 }),
    plan({ name: 'minute', requests: 1, perMs: 60_000 }),
  ]
  limiter.check(limits, 'a')
  t.match(limiter.check(limits, 'a'), { limited: true, limit: { name: 'hour' }, retryAfterS: 3600 })
})

t.test('a broken limit lets nothing through', async (t) => {
  const limiter = limiterAt(new TestClock())
  const verdict = limiter.check([plan({}), brokenPlan('s')], 'a')
  t.match(verdict, { limited: true, limit: { broken: true } })
  t.match(limiter.check([plan({})], 'a'), { remaining: 1 })
})

t.test('an unchanged limit goes on after a policy change, a removed one is forgotten', async (t) => {
  const buckets = new OwnBuckets()
  const limiter = new RateLimiter(() => 0, buckets)
  limiter.check([plan({ requests: 1 })], 'a')
  buckets.retain([plan({ requests: 1 }), plan({ name: 'new' })])
  t.ok(limiter.check([plan({ requests: 1 })], 'a').limited)
  buckets.retain([])
  t.notOk(limiter.check([plan({ requests: 1 })], 'a').limited)
})

t.test('a flood of callers is limited as one, never unlimited', async (t) => {
  const limiter = limiterAt(new TestClock(), 100)
  const limits = [plan({ requests: 1 })]
  let passed = 0
  for (let n = 0; n < 1000; n += 1) if (!limiter.check(limits, `caller-${n}`).limited) passed += 1
  t.equal(passed, 101)
})

t.test('header fields', async (t) => {
  const limiter = limiterAt(new TestClock())
  const limits = [plan({ requests: 2, perMs: 60_000 })]
  t.strictSame(rateLimitHeaders(limiter.check([], 'a')), [])
  const policy = ['ratelimit-policy', '"calls";q=2;w=60']
  t.strictSame(rateLimitHeaders(limiter.check(limits, 'a')), [...policy, 'ratelimit', '"calls";r=1;t=30'])
  limiter.check(limits, 'a')
  t.strictSame(rateLimitHeaders(limiter.check(limits, 'a')), [
    ...policy,
    'ratelimit',
    '"calls";r=0;t=60',
    'retry-after',
    '30',
  ])
})
