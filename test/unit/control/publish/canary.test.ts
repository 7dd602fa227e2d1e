import { assert, integer, nat, property, record } from 'fast-check'
import t from 'tap'
import { type Candidate, chooseCanaries } from '../../../../src/control/publish/canary-choice.ts'
import { HealthMeter } from '../../../../src/control/publish/canary-health.ts'
import {
  type Comparison,
  judge,
  MIN_BAD,
  MIN_REQUESTS,
  NO_TRAFFIC,
  quiet,
  sumOf,
  type TrafficHealth,
} from '../../../../src/control/publish/canary-judge.ts'

const ORDERS = 'spiffe://test.local/ns/default/sa/orders'

function traffic(requests: number, bad: Partial<TrafficHealth> = {}): TrafficHealth {
  return { ...NO_TRAFFIC, requests, ...bad }
}

function compared(canaries: TrafficHealth, before = traffic(0), rest = traffic(0)): Comparison {
  return { spiffeId: ORDERS, canaries, before, rest }
}

function codes(comparison: Comparison, maxDenials?: number): string[] {
  return judge([comparison], maxDenials).map(({ code }) => code)
}

t.test('the canaries may fare a little worse than before and than the rest, whichever is worse', async (t) => {
  // Half as many again, and one in a hundred: of 1000 requests with 10 % denied elsewhere, 160.
  const rest = traffic(1000, { denied: 100 })
  t.same(codes(compared(traffic(1000, { denied: 160 }), traffic(0), rest)), [])
  t.same(codes(compared(traffic(1000, { denied: 161 }), traffic(0), rest)), ['canary-denials'])
  t.same(codes(compared(traffic(1000, { denied: 160 }), rest, traffic(1000))), [], 'before counts as well')
  t.same(codes(compared(traffic(1000, { denied: 11 }))), ['canary-denials'], 'where nothing is known, 1 % is usual')
})

t.test('each kind of failure has its code', async (t) => {
  t.same(codes(compared(traffic(100, { denied: 50, appErrors: 20, ownErrors: 10 }))), [
    'canary-denials',
    'canary-app-errors',
    'canary-own-errors',
  ])
})

t.test('few requests and few failures are chance', async (t) => {
  t.same(codes(compared(traffic(MIN_REQUESTS - 1, { denied: MIN_REQUESTS - 1 }))), [])
  t.same(codes(compared(traffic(MIN_REQUESTS, { denied: MIN_BAD - 1 }))), [])
  t.same(codes(compared(traffic(MIN_REQUESTS, { denied: MIN_BAD }))), ['canary-denials'])
  t.same(
    codes(
      compared(traffic(MIN_REQUESTS, { denied: MIN_BAD }), traffic(MIN_REQUESTS - 1, { denied: MIN_REQUESTS - 1 })),
    ),
    ['canary-denials'],
    'nor is a rate made of few requests before',
  )
  t.same(quiet([compared(traffic(MIN_REQUESTS - 1))])[0]?.code, 'canary-quiet')
  t.same(quiet([compared(traffic(MIN_REQUESTS))]), [])
})

t.test('an absolute bound holds for all workloads together, whatever the rest has', async (t) => {
  const bad = compared(traffic(100, { denied: 2 }), traffic(0), traffic(100, { denied: 100 }))
  t.same(judge([bad, bad], 4), [])
  t.match(judge([bad, bad], 3), [{ code: 'canary-max-denials', message: /denied 4 requests, more than 3/ }])
  t.same(codes(compared(traffic(1, { denied: 1 })), 0), ['canary-max-denials'], 'one is enough when none may be')
})

t.test('one workload that fares badly is not hidden by others', async (t) => {
  const fine = compared(traffic(1_000_000))
  const bad = { ...compared(traffic(100, { ownErrors: 50 })), spiffeId: `${ORDERS}-2` }
  t.match(judge([fine, bad], undefined), [{ code: 'canary-own-errors', message: /orders-2: 50 of 100/ }])
})

t.test('more failures never speak for a change', (t) => {
  const health = record({
    requests: nat(1000),
    denied: nat(300),
    appErrors: nat(300),
    ownErrors: nat(300),
  })
  assert(
    property(health, health, health, nat(100), (canaries, before, rest, more) => {
      const reasons = codes(compared(canaries, before, rest))
      const worse = codes(compared({ ...canaries, denied: canaries.denied + more }, before, rest))
      return reasons.every((code) => worse.includes(code))
    }),
  )
  t.end()
})

function candidates(workload: string, count: number): Candidate[] {
  return Array.from({ length: count }, (_, index) => ({ spiffeId: workload, sidecarId: `${workload}-${index}` }))
}

t.test('who goes first: a part of each workload, at least one, never all, by lot', async (t) => {
  const workloads = new Map(['many', 'two', 'one'].map((name, index) => [name, candidates(name, [200, 2, 1][index]!)]))
  const { canaries, rest, without } = chooseCanaries(workloads, 10, 7)
  const of = (list: readonly Candidate[], name: string): number =>
    list.filter(({ spiffeId }) => spiffeId === name).length
  t.equal(of(canaries, 'many'), 20)
  t.equal(of(canaries, 'two'), 1)
  t.same(without, ['one'])
  t.equal(of(rest, 'many'), 100, 'more to compare with would tell no more')
  t.equal(of(rest, 'two'), 1)
  t.same(chooseCanaries(workloads, 10, 7), { canaries, rest, without }, 'the same question, the same answer')
  t.notSame(chooseCanaries(workloads, 10, 8).canaries, canaries, 'another revision, others')
  t.equal(chooseCanaries(new Map([['two', candidates('two', 2)]]), 99, 1).canaries.length, 1, 'one stays without')
})

t.test('canaries and rest are never the same', (t) => {
  assert(
    property(integer({ min: 2, max: 300 }), integer({ min: 1, max: 99 }), nat(), (count, percent, revision) => {
      const all = candidates('w', count)
      const { canaries, rest } = chooseCanaries(new Map([['w', all]]), percent, revision)
      const names = new Set([...canaries, ...rest].map(({ sidecarId }) => sidecarId))
      return canaries.length >= 1 && rest.length >= 1 && names.size === canaries.length + rest.length
    }),
  )
  t.end()
})

t.test('counts between two moments, over a restart of the sidecar', async (t) => {
  const meter = new HealthMeter()
  t.same(meter.value, NO_TRAFFIC)
  meter.add(traffic(1000, { denied: 10 }))
  t.same(meter.value, NO_TRAFFIC, 'the first report says where it begins')
  meter.add(traffic(1100, { denied: 12 }))
  t.same(meter.value, traffic(100, { denied: 2 }))
  meter.add(traffic(30, { denied: 1 }))
  t.same(meter.value, traffic(130, { denied: 3 }), 'a new process counts from nothing')
  meter.add(traffic(40, { denied: 1 }))
  t.same(meter.value, traffic(140, { denied: 3 }))
  meter.reset()
  t.same(meter.value, NO_TRAFFIC)
  meter.add(traffic(45, { denied: 1 }))
  t.same(meter.value, traffic(5))
  meter.resetAt(traffic(50, { denied: 4 }))
  meter.add(traffic(60, { denied: 5 }))
  t.same(sumOf([meter.value, traffic(1, { appErrors: 1 })]), traffic(11, { denied: 1, appErrors: 1 }))
})
