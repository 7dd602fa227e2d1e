import t, { type Test } from 'tap'
import { type MetricTable, sidecarMetrics } from '../../../src/telemetry/names.ts'
import { createMetrics } from '../../../src/telemetry/registry.ts'
import { TestClock } from '../../fixtures/clock.ts'

const table = {
  plain: { name: 'test_plain_total', type: 'counter', help: 'plain', labels: {} },
  open: { name: 'test_open_total', type: 'counter', help: 'open', labels: { side: ['a', 'b'], who: 'a name' } },
  closed: { name: 'test_closed_total', type: 'counter', help: 'closed', labels: { side: ['a', 'b'] } },
  level: { name: 'test_level', type: 'gauge', help: 'a gauge', labels: { who: 'a name' } },
  size: { name: 'test_size', type: 'histogram', help: 'sizes', labels: { who: 'a name' }, buckets: [1, 10] },
} as const satisfies MetricTable

const IDLE_MS = 600_000

function setUp(t: Test, maxSeries: number = 3) {
  const clock = new TestClock()
  const registry = createMetrics(table, clock, { maxSeries, idleMs: IDLE_MS })
  t.teardown(() => registry.destroy())
  /** The sample lines of one metric. */
  const lines = async (name: string): Promise<string[]> => {
    const text = await registry.expose()
    return text.split('\n').filter((line) => line.startsWith(name))
  }
  return { clock, lines, metrics: registry.metrics }
}

t.test('counters and gauges', async (t) => {
  const { metrics, lines } = setUp(t)
  t.same(await lines('test_plain'), ['test_plain_total 0'], 'a metric without labels is shown from the start')
  metrics.plain.inc()
  metrics.plain.inc(2)
  t.same(await lines('test_plain'), ['test_plain_total 3'])
  const level = metrics.level.with({ who: 'x' })
  level.set(5)
  level.add(-2)
  t.same(await lines('test_level'), ['test_level{who="x"} 3'])
})

t.test('one label set is one series', async (t) => {
  const { metrics, lines } = setUp(t)
  metrics.open.with({ side: 'a', who: 'x' }).inc()
  metrics.open.with({ who: 'x', side: 'a' }).inc()
  metrics.open.with({ side: 'b', who: 'x' }).inc()
  t.same(await lines('test_open'), ['test_open_total{side="a",who="x"} 2', 'test_open_total{side="b",who="x"} 1'])
})

t.test('a histogram counts each value once, bounds included', async (t) => {
  const { metrics, lines } = setUp(t)
  const size = metrics.size.with({ who: 'x' })
  for (const value of [0, 1, 1.5, 10, 11]) size.observe(value)
  t.same(await lines('test_size'), [
    'test_size_bucket{who="x",le="1"} 2',
    'test_size_bucket{who="x",le="10"} 4',
    'test_size_bucket{who="x",le="+Inf"} 5',
    'test_size_sum{who="x"} 23.5',
    'test_size_count{who="x"} 5',
  ])
})

t.test('label values cannot break out of their line', async (t) => {
  const { metrics, lines } = setUp(t)
  metrics.level.with({ who: 'x"} 1\ntest_level{who="y\\' }).set(1)
  t.same(await lines('test_level'), ['test_level{who="x\\"} 1\\ntest_level{who=\\"y\\\\"} 1'])
})

t.test('beyond the bound, open labels become `other`, and that is counted', async (t) => {
  const { metrics, lines } = setUp(t)
  for (let who = 0; who < 10; who += 1) metrics.open.with({ side: who % 2 === 0 ? 'a' : 'b', who: `w${who}` }).inc()
  const shown = await lines('test_open')
  t.equal(shown.length, 5)
  t.ok(shown.includes('test_open_total{side="a",who="other"} 3'))
  t.ok(shown.includes('test_open_total{side="b",who="other"} 4'))
  t.same(await lines('outrider_metric_labels_dropped'), [
    'outrider_metric_labels_dropped_total{metric="test_open_total"} 7',
  ])
})

t.test('idle series are dropped, and come back where they are still held', async (t) => {
  const { clock, metrics, lines } = setUp(t)
  const held = metrics.open.with({ side: 'a', who: 'x' })
  held.inc(100)
  await lines('')
  clock.advance(IDLE_MS - 1)
  t.equal((await lines('test_open')).length, 1)
  clock.advance(1)
  t.same(await lines('test_open'), [], 'gone')
  metrics.open.with({ side: 'a', who: 'x' }).inc()
  held.inc(2)
  t.same(await lines('test_open'), ['test_open_total{side="a",who="x"} 3'], 'both holders feed the new series')
  clock.advance(1)
  await lines('')
  clock.advance(IDLE_MS)
  t.same(await lines('test_open'), [])
  held.inc()
  t.same(await lines('test_open'), ['test_open_total{side="a",who="x"} 1'], 'the held one is put back')
})

t.test('a dropped histogram comes back empty', async (t) => {
  const { clock, metrics, lines } = setUp(t)
  const held = metrics.size.with({ who: 'x' })
  held.observe(1)
  await lines('')
  clock.advance(IDLE_MS)
  t.same(await lines('test_size'), [])
  held.observe(2)
  t.match(await lines('test_size'), [/le="1"} 0/, /le="10"} 1/, /Inf"} 1/, /sum{who="x"} 2/, /count{who="x"} 1/])
})

t.test('series that are bounded or describe something present stay', async (t) => {
  const { clock, metrics, lines } = setUp(t)
  metrics.closed.with({ side: 'a' }).inc()
  const level = metrics.level.with({ who: 'x' })
  level.set(5)
  await lines('')
  for (let turn = 0; turn < 3; turn += 1) {
    clock.advance(IDLE_MS)
    t.equal((await lines('test_closed')).length, 1)
    t.equal((await lines('test_level')).length, 1)
  }
  level.set(0)
  await lines('')
  clock.advance(IDLE_MS)
  t.same(await lines('test_level'), [], 'zero and idle')
  level.add(1)
  t.same(await lines('test_level'), ['test_level{who="x"} 1'])
})

t.test('a full family without a scraper makes room by itself', async (t) => {
  const { clock, metrics, lines } = setUp(t)
  for (const who of ['x', 'y', 'z']) metrics.open.with({ side: 'a', who }).inc()
  clock.advance(60_000)
  metrics.open.with({ side: 'a', who: 'first' }).inc()
  clock.advance(IDLE_MS)
  metrics.open.with({ side: 'a', who: 'second' }).inc()
  t.ok((await lines('test_open')).includes('test_open_total{side="a",who="second"} 1'))
})

t.test('the figures of the process', async (t) => {
  const { lines } = setUp(t)
  const value = async (name: string): Promise<number> => Number((await lines(name))[0]?.split(' ')[1])
  t.ok((await value('process_resident_memory_bytes')) > 1e6)
  t.ok((await value('process_cpu_seconds_total')) > 0)
  t.ok((await value('nodejs_eventloop_lag_p99_seconds')) >= 0)
})

t.test('the real table is exposed with help and types', async (t) => {
  const registry = createMetrics(sidecarMetrics, new TestClock())
  t.teardown(() => registry.destroy())
  const text = await registry.expose()
  for (const { name, type } of Object.values(sidecarMetrics)) t.ok(text.includes(`# TYPE ${name} ${type}\n`), name)
  t.match(registry.contentType, /^text\/plain; version=0\.0\.4/)
})
