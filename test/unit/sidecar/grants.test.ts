import t from 'tap'
import { WatchCell } from '../../../src/lib/watch.ts'
import { closedPolicy } from '../../../src/policy/closed.ts'
import type { CompiledPolicy } from '../../../src/policy/compile.ts'
import { Grant, Grants } from '../../../src/sidecar/grants.ts'
import { type Refusal, refuse } from '../../../src/sidecar/refusal.ts'
import { createLogger } from '../../../src/telemetry/log.ts'
import { TestClock } from '../../fixtures/clock.ts'
import { nextTurn } from '../../fixtures/http.ts'

const none = closedPolicy('none')
/** No turn may ask more. */
const MOST = 256

/** A grant that `verdict` judges; it is over when it is withdrawn. */
class Held extends Grant {
  readonly #grants: Grants
  readonly #verdict: (policy: CompiledPolicy, nowMs: number) => boolean
  policies: CompiledPolicy[] = []
  refusal: Refusal | undefined

  constructor(
    grants: Grants,
    verdict: (policy: CompiledPolicy, nowMs: number) => boolean = () => true,
    endsAtMs?: number,
  ) {
    super(endsAtMs)
    this.#grants = grants
    this.#verdict = verdict
    grants.add(this)
  }

  refusedBy(policy: CompiledPolicy, nowMs: number): Refusal | undefined {
    this.policies.push(policy)
    return this.#verdict(policy, nowMs) ? undefined : refuse('permission-withdrawn')
  }

  withdraw(refusal: Refusal): void {
    this.refusal = refusal
    this.#grants.remove(this)
  }
}

function setUp() {
  const clock = new TestClock(1_000_000)
  const lines: { message: string; withdrawn: number }[] = []
  const log = createLogger({
    name: 'sidecar',
    level: 'info',
    clock,
    sink: { write: (line) => lines.push(JSON.parse(line)) },
  })
  const policy = new WatchCell(none)
  return { clock, lines, policy, grants: new Grants(policy, clock, log) }
}

t.test('a new policy is asked about each, and what it refuses is withdrawn', async (t) => {
  const { policy, grants, lines } = setUp()
  const next = closedPolicy('next')
  const kept = new Held(grants)
  const ended = [new Held(grants, () => false), new Held(grants, () => false)]
  const over = new Held(grants)
  grants.remove(over)
  policy.set(next)
  t.strictSame(kept.policies, [next])
  t.strictSame(over.policies, [])
  t.strictSame(
    ended.map(({ refusal }) => refusal?.code),
    ['permission-withdrawn', 'permission-withdrawn'],
  )
  t.match(lines, [{ message: /^ended: /, withdrawn: 2 }])
  policy.set(next)
  t.equal(kept.policies.length, 2)
  t.equal(ended[0]?.policies.length, 1, 'what is over is not asked about')
  t.equal(lines.length, 1, 'nothing to say')
})

t.test('what time or a token changes is asked by the same way', async (t) => {
  const { clock, grants } = setUp()
  const untilNoon = new Held(grants, (_, nowMs) => nowMs < 1_500_000)
  grants.recheck()
  t.equal(untilNoon.refusal, undefined)
  clock.advance(600_000)
  grants.recheck()
  t.equal(untilNoon.refusal?.code, 'permission-withdrawn')
})

t.test('10 000 are asked in turns, each once, and what comes meanwhile is not', async (t) => {
  const { policy, grants, lines } = setUp()
  const all = Array.from({ length: 10_000 }, (_, index) => new Held(grants, () => index % 2 === 0))
  const asked = (): number => all.filter(({ policies }) => policies.length > 0).length
  policy.set(closedPolicy('next'))
  const late = new Held(grants)
  let turns = 1
  for (let before = 0; asked() < all.length; turns += 1) {
    t.ok(asked() - before <= MOST, 'no more in one turn')
    t.ok(asked() > before, 'some in each')
    before = asked()
    await nextTurn()
  }
  await nextTurn()
  t.equal(turns, Math.ceil(all.length / MOST))
  t.ok(all.every(({ policies }) => policies.length === 1))
  t.equal(all.filter(({ refusal }) => refusal !== undefined).length, all.length / 2)
  t.strictSame(late.policies, [], 'it was granted by the new policy')
  t.match(lines, [{ withdrawn: all.length / 2 }])
  grants.close()
})

t.test('policies that come faster than a round ends keep nobody from being asked', async (t) => {
  const { policy, grants } = setUp()
  const all = Array.from({ length: 2000 }, () => new Held(grants))
  for (let turn = 0; turn < 10; turn += 1) {
    policy.set(closedPolicy(String(turn)))
    await nextTurn()
  }
  t.ok(all.every(({ policies }) => policies.length > 0))
  const last = policy.current
  for (let turn = 0; turn < 10; turn += 1) await nextTurn()
  t.ok(
    all.every(({ policies }) => policies.at(-1) === last),
    'the last one is asked about all',
  )
  t.ok(
    all.every(({ policies }) => new Set(policies).size === policies.length),
    'and none twice',
  )
  grants.close()
})

t.test('what is over in the middle of a round, in any place', async (t) => {
  const { policy, grants } = setUp()
  const all = Array.from({ length: 1000 }, () => new Held(grants))
  policy.set(closedPolicy('next'))
  const gone = all.filter((_, index) => index % 3 === 0)
  for (const grant of gone) grants.remove(grant)
  for (let turn = 0; turn < 6; turn += 1) await nextTurn()
  for (const [index, { policies }] of all.entries())
    t.equal(policies.length, index % 3 === 0 && index >= MOST ? 0 : 1, `grant ${index}`)
  for (const grant of all) if (!gone.includes(grant)) grants.remove(grant)
  const again = new Held(grants)
  policy.set(closedPolicy('last'))
  t.equal(again.policies.length, 1)
})

t.test('closed, it asks about nothing more', async (t) => {
  const { policy, grants } = setUp()
  const all = Array.from({ length: 600 }, () => new Held(grants))
  policy.set(closedPolicy('next'))
  grants.close()
  policy.set(closedPolicy('last'))
  for (let turn = 0; turn < 4; turn += 1) await nextTurn()
  t.equal(all.filter(({ policies }) => policies.length > 0).length, MOST)
})

t.test('what ends by itself is asked about at its end, each at its own', async (t) => {
  const { clock, grants } = setUp()
  const until = (endMs: number): Held => new Held(grants, (_policy, nowMs) => nowMs < endMs, endMs)
  const start = clock.now()
  const late = until(start + 60_000)
  const early = until(start + 5000)
  const endless = new Held(grants)
  t.equal(clock.pending, 1, 'one timer for all of them')
  clock.advance(4999)
  t.equal(early.policies.length, 0)
  clock.advance(1)
  t.ok(early.refusal, 'the first is over')
  t.equal(late.refusal, undefined)
  t.equal(endless.refusal, undefined)
  clock.advance(54_999)
  t.equal(late.refusal, undefined)
  clock.advance(1)
  t.ok(late.refusal, 'and then the next')
  t.equal(clock.pending, 0)
  grants.close()
})

t.test('rounds for ends are a second apart', async (t) => {
  const { clock, grants } = setUp()
  const start = clock.now()
  const held = Array.from({ length: 50 }, (_, index) => {
    const endMs = start + 10 * index
    return new Held(grants, (_policy, nowMs) => nowMs < endMs, endMs)
  })
  clock.advance(999)
  t.equal(held.filter(({ policies }) => policies.length > 0).length, 0)
  clock.advance(1)
  t.ok(
    held.every(({ refusal }) => refusal !== undefined),
    'one round ends all of them',
  )
  t.ok(held.every(({ policies }) => policies.length === 1))
  grants.close()
})
