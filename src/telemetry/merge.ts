import type { MetricDefinition } from './names.ts'
import type { Sample } from './series.ts'

/** The samples of each metric by its name, as one thread has them. */
export type MetricSnapshot = ReadonlyMap<string, readonly Sample[]>

/** What several threads have counted, as one: series of the same labels are added up, or the largest counts. */
export function mergeSnapshots(
  definitions: readonly MetricDefinition[],
  snapshots: readonly MetricSnapshot[],
): MetricSnapshot {
  const [only] = snapshots
  if (only !== undefined && snapshots.length === 1) return only
  return new Map(
    definitions.map((definition) => {
      const samples = snapshots.flatMap((snapshot) => snapshot.get(definition.name) ?? [])
      return [definition.name, mergeSamples(definition, samples)]
    }),
  )
}

function mergeSamples({ labels: known, largest }: MetricDefinition, samples: readonly Sample[]): readonly Sample[] {
  const names = [...Object.keys(known), 'le']
  const merged = new Map<string, Sample>()
  for (const sample of samples) {
    const { suffix, labels, value } = sample
    const key = [suffix, ...names.map((name) => labels[name])].join('\0')
    const before = merged.get(key)?.value ?? 0
    merged.set(key, { suffix, labels, value: largest === true ? Math.max(before, value) : before + value })
  }
  return [...merged.values()]
}

/** What stays of a thread that has ended: what it has counted. What it had open is closed. */
export function countsOf(definitions: readonly MetricDefinition[], snapshot: MetricSnapshot): MetricSnapshot {
  const counted = new Set(definitions.filter(({ type }) => type !== 'gauge').map(({ name }) => name))
  return new Map([...snapshot].filter(([name]) => counted.has(name)))
}
