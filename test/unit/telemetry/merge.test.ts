import t from 'tap'
import { countsOf, mergeSnapshots, type MetricSnapshot } from '../../../src/telemetry/merge.ts'
import type { MetricDefinition, MetricTable } from '../../../src/telemetry/names.ts'
import { createMetrics } from '../../../src/telemetry/registry.ts'
import { TestClock } from '../../fixtures/clock.ts'

const table = {
  calls: { name: 'test_calls_total', type: 'counter', help: 'calls', labels: { side: ['a', 'b'], who: 'a name' } },
  open: { name: 'test_open', type: 'gauge', help: 'open', labels: {} },
  lag: { name: 'test_lag', type: 'gauge', help: 'lag', labels: {}, largest: true },
  size: { name: 'test_size', type: 'histogram', help: 'sizes', labels: { who: 'a name' }, buckets: [1, 10] },
} as const satisfies MetricTable

const definitions: readonly MetricDefinition[] = Object.values(table)

function counted(add: (metrics: ReturnType<typeof createMetrics<typeof table>>['metrics']) => void): MetricSnapshot {
  const registry = createMetrics(table, new TestClock())
  t.teardown(() => registry.destroy())
  add(registry.metrics)
  return registry.snapshot()
}

const one = counted(({ calls, open, lag, size }) => {
  calls.with({ side: 'a', who: 'x' }).inc(2)
  open.set(3)
  lag.set(0.5)
  for (const value of [0.5, 5]) size.with({ who: 'x' }).observe(value)
})
const two = counted(({ calls, open, lag, size }) => {
  calls.with({ who: 'x', side: 'a' }).inc(5)
  calls.with({ side: 'b', who: 'x' }).inc(1)
  open.set(4)
  lag.set(0.25)
  for (const value of [5, 50]) size.with({ who: 'x' }).observe(value)
})

t.test('what threads have counted is added up, or the largest counts', async (t) => {
  const merged = mergeSnapshots(definitions, [one, two])
  t.same(merged.get('test_calls_total'), [
    { suffix: '', labels: { side: 'a', who: 'x' }, value: 7 },
    { suffix: '', labels: { side: 'b', who: 'x' }, value: 1 },
  ])
  t.match(merged.get('test_open'), [{ value: 7 }])
  t.match(merged.get('test_lag'), [{ value: 0.5 }])
  t.match(merged.get('test_size'), [
    { suffix: '_bucket', labels: { le: '1' }, value: 1 },
    { suffix: '_bucket', labels: { le: '10' }, value: 3 },
    { suffix: '_bucket', labels: { le: '+Inf' }, value: 4 },
    { suffix: '_sum', value: 60.5 },
    { suffix: '_count', value: 4 },
  ])
})

t.test('of a thread that has ended the counts stay', async (t) => {
  const stays = countsOf(definitions, one)
  t.same([...stays.keys()], ['test_calls_total', 'test_size'])
  const merged = mergeSnapshots(definitions, [new Map(), stays, two])
  t.match(merged.get('test_calls_total'), [{ value: 7 }, { value: 1 }])
  t.match(merged.get('test_open'), [{ value: 4 }])
})

t.test('one thread alone is told as it is', async (t) => {
  t.equal(mergeSnapshots(definitions, [one]), one)
})
