import t from 'tap'
import { remaining, take } from '../../../src/ratelimit/gcra.ts'
import { brokenPlan, type LimitDefinition, planLimit } from '../../../src/ratelimit/plan.ts'

const definition: LimitDefinition = {
  scope: 'RateLimit/shop/a',
  name: 'calls',
  key: 'identity',
  requests: 100,
  perMs: 1000,
  burst: 100,
}

t.test('the state has a new name whenever the arithmetic changes, and only then', async (t) => {
  const { id } = planLimit(definition)
  t.equal(planLimit({ ...definition }).id, id)
  const changes = [{ scope: 'x' }, { name: 'x' }, { key: 'all' as const }, { requests: 1 }, { perMs: 1 }, { burst: 1 }]
  const ids = changes.map((change) => planLimit({ ...definition, ...change }).id)
  t.equal(new Set([id, ...ids]).size, 7)
})

t.test('the policy field counts whole seconds', async (t) => {
  const cases = [
    [100, 1000, '"calls";q=100;w=1'],
    [100, 60_000, '"calls";q=100;w=60'],
    [5, 500, '"calls";q=10;w=1'],
    [3, 1500, '"calls";q=4;w=2'],
  ] as const
  for (const [requests, perMs, field] of cases)
    t.equal(planLimit({ ...definition, requests, perMs }).policyField, field)
})

t.test('a burst is exact, whatever fraction the interval is', async (t) => {
  for (const [requests, perMs] of [
    [3, 1000],
    [7, 1000],
    [999, 1000],
    [10_000, 1000],
    [1, 31 * 86_400_000],
  ] as const) {
    for (const now of [0, 123.456, 1e8]) {
      const burst = Math.min(requests, 5000)
      const { emissionIntervalMs, toleranceMs } = planLimit({ ...definition, requests, perMs, burst })
      let tat = Number.NEGATIVE_INFINITY
      let taken = 0
      while (taken <= burst) {
        const result = take(tat, now, emissionIntervalMs, toleranceMs)
        if (!result.allowed) break
        taken += 1
        tat = result.tat
      }
      t.equal(taken, burst, `${requests} per ${perMs} ms at ${now}`)
      t.equal(remaining(tat, now, emissionIntervalMs, toleranceMs), 0)
    }
  }
})

t.test('a broken plan is its own', async (t) => {
  t.match(brokenPlan('RateLimit/shop/a'), { broken: true, id: 'RateLimit/shop/a broken' })
})
