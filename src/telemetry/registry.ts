import type { Clock } from '../lib/clock.ts'
import { unreachable } from '../lib/unreachable.ts'
import { mergeSnapshots, type MetricSnapshot } from './merge.ts'
import { type MetricDefinition, type MetricTable, processMetrics } from './names.ts'
import { ProcessFigures } from './process.ts'
import {
  type Counter,
  CounterSeries,
  Family,
  type FamilyLimits,
  type FamilySettings,
  type Gauge,
  GaugeSeries,
  type Histogram,
  HistogramSeries,
  type Sample,
} from './series.ts'

type LabelsOf<D extends MetricDefinition> = {
  readonly [Name in keyof D['labels']]: D['labels'][Name] extends readonly (infer Value)[] ? Value : string
}

interface CellByType {
  readonly counter: Counter
  readonly gauge: Gauge
  readonly histogram: Histogram
}

/** A metric with labels; without, it is the cell itself. */
export type MetricOf<D extends MetricDefinition> = keyof D['labels'] extends never
  ? CellByType[D['type']]
  : { with(labels: LabelsOf<D>): CellByType[D['type']] }

/** The metrics of a table, typed: `metrics.connections.with({ listener: 'inbound' }).inc()`. */
export type MetricsOf<T extends MetricTable> = { readonly [Name in keyof T]: MetricOf<T[Name]> }

export interface MetricRegistry<T extends MetricTable> {
  readonly metrics: MetricsOf<T>
  readonly contentType: string
  /** The values of this thread at this moment: the table's metrics and those of the process. */
  snapshot(): MetricSnapshot
  /** The text that Prometheus scrapes, of this thread and `others`. */
  expose(others?: readonly MetricSnapshot[]): Promise<string>
  destroy(): void
}

type AnyFamily = Family<CounterSeries> | Family<GaugeSeries> | Family<HistogramSeries>

const defaultLimits: FamilyLimits = { maxSeries: 10_000, idleMs: 600_000 }

/**
 * Makes the metrics of a table. Their accumulators are our own, because a labelled update costs prom-client some
 * 400 ns, and a series that is held here a hundredth of it; prom-client writes the text.
 */
export function createMetrics<const T extends MetricTable>(
  table: T,
  clock: Clock,
  limits: FamilyLimits = defaultLimits,
): MetricRegistry<T> {
  const dropped = new Family<CounterSeries>(
    { labels: processMetrics.labelsDropped.labels, limits, clock, onDropped: () => {} },
    (key, labels, home) => new CounterSeries(key, labels, home),
  )
  const families = new Map<MetricDefinition, AnyFamily>([[processMetrics.labelsDropped, dropped]])
  const familyOf = (definition: MetricDefinition): AnyFamily => {
    const onDropped = (): void => dropped.with({ metric: definition.name }).inc()
    return makeFamily(definition, { labels: definition.labels, limits, clock, onDropped })
  }
  const metricsOf = <U extends MetricTable>(definitions: U): MetricsOf<U> => {
    const metrics: Record<string, unknown> = {}
    for (const [name, definition] of Object.entries(definitions)) {
      const family = families.get(definition) ?? familyOf(definition)
      families.set(definition, family)
      metrics[name] = Object.keys(definition.labels).length === 0 ? family.with({}) : family
    }
    if (!isWhole(definitions, metrics)) throw new TypeError('a metric has no family')
    return metrics
  }
  const figures = new ProcessFigures(metricsOf(processMetrics), clock)
  const metrics = metricsOf(table)
  const snapshot = (): MetricSnapshot => {
    figures.update()
    return new Map([...families].map(([{ name }, family]) => [name, family.samples()]))
  }
  return {
    metrics,
    contentType: 'text/plain; version=0.0.4; charset=utf-8',
    snapshot,
    expose: (others = []) =>
      expose([...families.keys()], mergeSnapshots([...families.keys()], [snapshot(), ...others])),
    destroy: () => figures.destroy(),
  }
}

function makeFamily({ type, buckets = [] }: MetricDefinition, settings: FamilySettings): AnyFamily {
  switch (type) {
    case 'counter':
      return new Family<CounterSeries>(settings, (key, labels, home) => new CounterSeries(key, labels, home))
    case 'gauge':
      return new Family<GaugeSeries>(settings, (key, labels, home) => new GaugeSeries(key, labels, home))
    case 'histogram':
      return new Family<HistogramSeries>(
        settings,
        (key, labels, home) => new HistogramSeries(key, labels, buckets, home),
      )
    default:
      return unreachable(type)
  }
}

/** `makeFamily` gave each definition the family of its type; with no name missing, the object has its promised shape. */
function isWhole<T extends MetricTable>(table: T, metrics: object): metrics is MetricsOf<T> {
  return Object.keys(table).every((name) => name in metrics)
}

/** Loaded at the first scrape: prom-client takes 40 ms and 20 MB that a process without a scraper saves. */
async function expose(definitions: readonly MetricDefinition[], snapshot: MetricSnapshot): Promise<string> {
  const { Gauge: Exposed, Registry } = await import('prom-client')
  const registry = new Registry()
  for (const { name, help, type } of definitions) {
    const exposed = new Exposed({ name, help, registers: [registry] })
    const values = (snapshot.get(name) ?? []).map(promValue(name))
    // Of the metric that prom-client knows only the name is used: it writes whatever `get` returns, of any type.
    Object.assign(exposed, { get: async () => ({ name, help, type, values }) })
  }
  return registry.metrics()
}

function promValue(name: string): (sample: Sample) => object {
  return ({ suffix, labels, value }) => ({ metricName: name + suffix, labels, value })
}
