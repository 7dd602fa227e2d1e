import type { Clock } from '../lib/clock.ts'
import type { LabelValues } from './names.ts'

export interface Counter {
  /** Adds `by`, which is not negative; 1 when not given. */
  inc(by?: number): void
}

export interface Gauge {
  set(value: number): void
  /** Adds `by`, which may be negative. */
  add(by: number): void
}

export interface Histogram {
  observe(value: number): void
}

/** A label set of one series. */
export type Labels = Readonly<Record<string, string>>

/** One line of the exposition: `suffix` is `_bucket`, `_sum`, `_count` or nothing. */
export interface Sample {
  readonly suffix: string
  readonly labels: Labels
  readonly value: number
}

/**
 * One series. The hot path holds on to it and pays an addition and two flags for an update. A series that was dropped
 * for being idle may still have holders: `rejoin` gives the series that has its labels now, and the update goes there.
 */
export interface Series {
  readonly key: string
  readonly labels: Labels
  /** Updated since the last sweep. */
  used: boolean
  attached: boolean
  /** May be dropped when idle: a gauge that is not zero describes something that exists. */
  readonly droppable: boolean
  /** Called when the series is dropped: a counter begins anew at zero, as after a restart. */
  reset(): void
  samples(): readonly Sample[]
}

/** Where a series belongs. */
export interface Home<S extends Series> {
  rejoin(series: S): S
}

export class CounterSeries implements Series, Counter {
  readonly key: string
  readonly labels: Labels
  readonly droppable = true
  used = true
  attached = true
  #value = 0
  readonly #home: Home<CounterSeries>

  constructor(key: string, labels: Labels, home: Home<CounterSeries>) {
    this.key = key
    this.labels = labels
    this.#home = home
  }

  inc(by: number = 1): void {
    if (!this.attached) {
      const present = this.#home.rejoin(this)
      if (present !== this) return present.inc(by)
    }
    this.#value += by
    this.used = true
  }

  reset(): void {
    this.#value = 0
  }

  samples(): readonly Sample[] {
    return [{ suffix: '', labels: this.labels, value: this.#value }]
  }
}

export class GaugeSeries implements Series, Gauge {
  readonly key: string
  readonly labels: Labels
  used = true
  attached = true
  #value = 0
  readonly #home: Home<GaugeSeries>

  constructor(key: string, labels: Labels, home: Home<GaugeSeries>) {
    this.key = key
    this.labels = labels
    this.#home = home
  }

  get droppable(): boolean {
    return this.#value === 0
  }

  set(value: number): void {
    this.#present().#update(value)
  }

  add(by: number): void {
    const present = this.#present()
    present.#update(present.#value + by)
  }

  #present(): GaugeSeries {
    return this.attached ? this : this.#home.rejoin(this)
  }

  #update(value: number): void {
    this.#value = value
    this.used = true
  }

  reset(): void {
    this.#value = 0
  }

  samples(): readonly Sample[] {
    return [{ suffix: '', labels: this.labels, value: this.#value }]
  }
}

export class HistogramSeries implements Series, Histogram {
  readonly key: string
  readonly labels: Labels
  readonly droppable = true
  used = true
  attached = true
  readonly #bounds: readonly number[]
  /** Per bucket, not cumulative; the last one is for what lies above all bounds. */
  readonly #counts: Float64Array
  #sum = 0
  readonly #home: Home<HistogramSeries>

  constructor(key: string, labels: Labels, bounds: readonly number[], home: Home<HistogramSeries>) {
    this.key = key
    this.labels = labels
    this.#bounds = bounds
    this.#counts = new Float64Array(bounds.length + 1)
    this.#home = home
  }

  observe(value: number): void {
    if (!this.attached) {
      const present = this.#home.rejoin(this)
      if (present !== this) return present.observe(value)
    }
    const bounds = this.#bounds
    let bucket = 0
    while (bucket < bounds.length && value > bounds[bucket]!) bucket += 1
    this.#counts[bucket]! += 1
    this.#sum += value
    this.used = true
  }

  reset(): void {
    this.#counts.fill(0)
    this.#sum = 0
  }

  samples(): readonly Sample[] {
    const { labels } = this
    const samples: Sample[] = []
    let count = 0
    for (const [bucket, inBucket] of this.#counts.entries()) {
      count += inBucket
      const le = String(this.#bounds[bucket] ?? '+Inf')
      samples.push({ suffix: '_bucket', labels: { ...labels, le }, value: count })
    }
    samples.push({ suffix: '_sum', labels, value: this.#sum }, { suffix: '_count', labels, value: count })
    return samples
  }
}

export interface FamilyLimits {
  /** Series of one family; beyond it, updates go to a series whose open labels are `other`. */
  readonly maxSeries: number
  /** A series that was not updated for so long is dropped. */
  readonly idleMs: number
}

export interface FamilySettings {
  readonly labels: Readonly<Record<string, LabelValues>>
  readonly limits: FamilyLimits
  readonly clock: Clock
  /** Called for each update that had no room for a series of its own. */
  onDropped(): void
}

const OTHER = 'other'

/** A full family that nobody scrapes looks for idle series by itself, but not on every update. */
const SWEEP_INTERVAL_MS = 60_000

/** All series of one metric by their labels. */
export class Family<S extends Series> implements Home<S> {
  readonly #settings: FamilySettings
  readonly #make: (key: string, labels: Labels, home: Home<S>) => S
  readonly #labelNames: readonly string[]
  /** Labels without a closed set of values: only through these can the number of series grow. */
  readonly #openLabels: ReadonlySet<string>
  readonly #series = new Map<string, S>()
  readonly #idleSince = new WeakMap<S, number>()
  #sweptAt: number

  constructor(settings: FamilySettings, make: (key: string, labels: Labels, home: Home<S>) => S) {
    this.#settings = settings
    this.#make = make
    this.#labelNames = Object.keys(settings.labels)
    this.#openLabels = new Set(this.#labelNames.filter((name) => typeof settings.labels[name] === 'string'))
    this.#sweptAt = settings.clock.monotonic()
  }

  /** The series with these labels, made when there is none. Hold on to it where the labels stay the same. */
  with(labels: Labels): S {
    const key = this.#keyOf(labels)
    return this.#series.get(key) ?? this.#add(key, labels)
  }

  rejoin(series: S): S {
    const present = this.#series.get(series.key)
    if (present !== undefined) return present
    if (!this.#hasRoom()) return this.#overflow(series.labels)
    series.attached = true
    this.#series.set(series.key, series)
    return series
  }

  /** Drops what was idle too long, then tells the rest. */
  samples(): Sample[] {
    this.#sweep()
    return [...this.#series.values()].flatMap((series) => series.samples())
  }

  #keyOf(labels: Labels): string {
    let key = ''
    for (const name of this.#labelNames) key += `${labels[name]}\0`
    return key
  }

  #add(key: string, labels: Labels): S {
    if (!this.#hasRoom()) return this.#overflow(labels)
    const series = this.#make(key, { ...labels }, this)
    this.#series.set(key, series)
    return series
  }

  #hasRoom(): boolean {
    if (this.#series.size < this.#settings.limits.maxSeries) return true
    if (this.#settings.clock.monotonic() - this.#sweptAt >= SWEEP_INTERVAL_MS) this.#sweep()
    return this.#series.size < this.#settings.limits.maxSeries
  }

  #overflow(labels: Labels): S {
    this.#settings.onDropped()
    const folded = Object.fromEntries(
      Object.entries(labels).map(([name, value]) => [name, this.#openLabels.has(name) ? OTHER : value]),
    )
    const key = this.#keyOf(folded)
    const present = this.#series.get(key)
    if (present !== undefined) return present
    const series = this.#make(key, folded, this)
    this.#series.set(key, series)
    return series
  }

  #sweep(): void {
    const now = this.#settings.clock.monotonic()
    this.#sweptAt = now
    // Without open labels the number of series is bounded as it is, and a zero is worth showing.
    if (this.#openLabels.size === 0) return
    for (const series of this.#series.values()) {
      if (series.used || !series.droppable) {
        series.used = false
        this.#idleSince.set(series, now)
      } else if (now - (this.#idleSince.get(series) ?? now) >= this.#settings.limits.idleMs) {
        this.#series.delete(series.key)
        series.attached = false
        series.reset()
      }
    }
  }
}
