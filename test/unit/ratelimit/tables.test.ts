import { createHash } from 'node:crypto'
import { array, assert, constantFrom, property, record, subarray } from 'fast-check'
import t, { type Test } from 'tap'
import { LOCK_BYTES } from '../../../src/lib/thread-lock.ts'
import { OwnBuckets } from '../../../src/ratelimit/buckets.ts'
import { RateLimiter } from '../../../src/ratelimit/limiter.ts'
import { type LimitDefinition, type LimitPlan, planLimit } from '../../../src/ratelimit/plan.ts'
import type { KeyDigest } from '../../../src/ratelimit/table.ts'
import { TableMaker, TableStore } from '../../../src/ratelimit/tables.ts'
import { digestWith } from '../../../src/sidecar/workers/sent.ts'
import type { LimiterResult, LimiterTask } from '../../fixtures/threads/limiter.ts'
import { runThreads } from '../../fixtures/threads/start.ts'
import { TestClock } from '../../fixtures/clock.ts'

function plan(part: Partial<LimitDefinition>): LimitPlan {
  const requests = part.requests ?? 1
  return planLimit({ scope: 's', name: 'calls', key: 'identity', requests, perMs: 1000, burst: requests, ...part })
}

function digest(key: string): KeyDigest {
  const bytes = createHash('sha256').update(key).digest()
  return { high: bytes.readInt32BE(0) | 1, low: bytes.readInt32BE(4) }
}

const noLock = { enter: () => {}, leave: () => {} }

interface Shared {
  readonly maker: TableMaker
  readonly limiter: RateLimiter
  readonly adopt: () => void
}

function shared(clock: TestClock, plans: readonly LimitPlan[], maxKeys = 100): Shared {
  const maker = new TableMaker(maxKeys)
  const store = new TableStore({ maxKeys, lock: noLock, digest })
  const adopt = (): void => store.adopt(maker.tables)
  maker.retain(plans)
  adopt()
  return { maker, adopt, limiter: new RateLimiter(() => clock.monotonic(), store) }
}

t.test('the verdicts are those of buckets in one thread', async (t) => {
  const plans = [
    plan({ name: 'second', requests: 3 }),
    plan({ name: 'third', requests: 1000 / 3, perMs: 1000, burst: 2 }),
    plan({ name: 'all', key: 'all', requests: 7, perMs: 500 }),
    plan({ name: 'hour', requests: 20, perMs: 3_600_000 }),
  ]
  const step = record({
    waitMs: constantFrom(0, 0, 1, 10, 333, 1000, 100_000),
    key: constantFrom('a', 'b', 'c', 'd'),
    asked: subarray(plans, { minLength: 1 }),
  })
  assert(
    property(array(step, { maxLength: 100 }), (steps) => {
      const clock = new TestClock()
      const own = new RateLimiter(() => clock.monotonic(), new OwnBuckets())
      const { limiter } = shared(clock, plans)
      for (const { waitMs, key, asked } of steps) {
        clock.advance(waitMs)
        const expected = own.check(asked, key)
        const found = limiter.check(asked, key)
        if (JSON.stringify(found) !== JSON.stringify(expected)) return false
      }
      return true
    }),
    { numRuns: 300 },
  )
  t.pass('for all sequences')
})

t.test('callers beyond the bound are limited as one', async (t) => {
  const plans = [plan({})]
  const { limiter } = shared(new TestClock(), plans)
  let passed = 0
  for (let n = 0; n < 1000; n += 1) if (!limiter.check(plans, `caller-${n}`).limited) passed += 1
  t.equal(passed, 101)
})

t.test('buckets that are full again give way, others do not', async (t) => {
  const clock = new TestClock()
  const slow = plan({ name: 'slow', perMs: 60_000 })
  const fast = plan({ name: 'slow', perMs: 60_000, requests: 600, burst: 1 })
  const { limiter, maker, adopt } = shared(clock, [slow])
  // One limit whose callers pay different prices: the table does not know the plan, only the times.
  const priced = { ...fast, id: slow.id }
  for (let n = 0; n < 50; n += 1) limiter.check([slow], `slow-${n}`)
  for (let n = 0; n < 50; n += 1) limiter.check([priced], `fast-${n}`)
  clock.advance(1000)
  let passed = 0
  for (let n = 0; n < 200; n += 1) if (!limiter.check([slow], `new-${n}`).limited) passed += 1
  t.equal(passed, 51, 'fifty freed buckets and the first use of the shared one')
  for (let n = 0; n < 50; n += 1) t.ok(limiter.check([slow], `slow-${n}`).limited)
  maker.retain([slow, plan({ name: 'more' })])
  adopt()
  t.ok(limiter.check([slow], 'slow-0').limited, 'a limit that stays keeps its buckets')
  maker.retain([])
  maker.retain([slow])
  adopt()
  t.notOk(limiter.check([slow], 'slow-0').limited, 'one that was gone has new ones')
})

t.test('a limit without a table is a bug, not a free pass', async (t) => {
  const { limiter } = shared(new TestClock(), [])
  t.throws(() => limiter.check([plan({})], 'a'), TypeError)
})

async function hammer(t: Test, task: Pick<LimiterTask, 'plans' | 'keys' | 'checks' | 'nowMs'>) {
  const maxKeys = 100
  const maker = new TableMaker(maxKeys)
  maker.retain(task.plans)
  const lock = new SharedArrayBuffer(LOCK_BYTES)
  const tasks = [1, 2, 3].map((holder): LimiterTask => ({ ...task, holder, lock, maxKeys, tables: maker.tables }))
  const results = await runThreads<LimiterResult>(t, './limiter.ts', tasks)
  const allowed = (key: string): number => results.reduce((sum, result) => sum + result.allowed[key]!, 0)
  const elapsedMs = Math.max(...results.map(({ toMs }) => toMs)) - Math.min(...results.map(({ fromMs }) => fromMs))
  return { allowed, elapsedMs, tables: maker.tables }
}

t.test('threads together are allowed a burst and not one more', async (t) => {
  const wide = plan({ name: 'wide', requests: 5000, perMs: 3_600_000 })
  const tight = plan({ name: 'tight', requests: 300, perMs: 3_600_000 })
  const { allowed, tables } = await hammer(t, {
    plans: [wide, tight],
    keys: ['a', 'b'],
    checks: 20_000,
    nowMs: 1_000_000,
  })
  t.equal(allowed('a'), 300)
  t.equal(allowed('b'), 300)
  const store = new TableStore({ maxKeys: 100, lock: noLock, digest: digestWith('secret') })
  store.adopt(tables)
  const verdict = new RateLimiter(() => 1_000_000, store).check([wide], 'a')
  t.match(verdict, { limited: false, remaining: 5000 - 300 - 1 }, 'what one limit refused, the other has not counted')
})

t.test('while time passes, threads together get its pace and no more', async (t) => {
  const burst = 50
  const intervalMs = 0.5
  const { allowed, elapsedMs } = await hammer(t, {
    plans: [plan({ requests: 2000, burst })],
    keys: ['a'],
    checks: 300_000,
    nowMs: undefined,
  })
  const most = burst + elapsedMs / intervalMs
  t.comment(`${allowed('a')} of at most ${most.toFixed(1)} in ${elapsedMs.toFixed(0)} ms`)
  t.ok(allowed('a') <= most + 1)
  t.ok(allowed('a') >= burst + (most - burst) / 10, 'nor as if time stood still')
})
