import t from 'tap'
import { controlMetrics, type MetricTable, processMetrics, sidecarMetrics } from '../../../src/telemetry/names.ts'

const tables: readonly MetricTable[] = [processMetrics, sidecarMetrics, controlMetrics]
const all = tables.flatMap((table) => Object.values(table))

t.test('every metric is there once', async (t) => {
  t.equal(new Set(all.map(({ name }) => name)).size, all.length)
})

t.test('names, labels and buckets follow the conventions of Prometheus', async (t) => {
  for (const { name, type, help, labels, buckets } of all) {
    t.match(name, /^(?:outrider|process|nodejs)_[a-z0-9_]+$/)
    t.equal(type === 'counter', name.endsWith('_total'), `${name}: counters, and only they, end in _total`)
    t.match(help, /\.$/, `${name}: help is a sentence`)
    for (const label of Object.keys(labels)) t.match(label, /^(?!le$)[a-z_]+$/, `${name}: label ${label}`)
    t.equal(type === 'histogram', buckets !== undefined, `${name}: histograms, and only they, have buckets`)
    t.same(
      buckets,
      buckets?.toSorted((a, b) => a - b),
      `${name}: buckets ascend`,
    )
  }
})
