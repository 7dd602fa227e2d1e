import type { ApiClient } from '../../kubernetes/client.ts'
import { type ClusterObject, keyOf, type ResourceType } from '../../kubernetes/objects.ts'
import type { Clock } from '../../lib/clock.ts'

/** What every look into the cluster has. */
export interface Look {
  readonly client: ApiClient
  readonly clock: Clock
  readonly signal: AbortSignal
  /** As `outrider install` would make them. */
  readonly manifests: readonly ClusterObject[]
  /** Of the program that looks. */
  readonly version: string
}

/** Of one type. */
const MAX_OBJECTS = 100_000

/**
 * What `keep` makes of each object of a type, by `namespace/name`. The objects themselves are forgotten page by page: those of a large
 * cluster take much memory.
 */
export async function collect<T>(
  { client, signal }: Look,
  type: ResourceType,
  keep: (object: ClusterObject) => T,
  fieldSelector?: string,
): Promise<ReadonlyMap<string, T>> {
  // By key: a list that expires midway begins anew.
  const kept = new Map<string, T>()
  await client.list(type, {
    maxObjects: MAX_OBJECTS,
    signal,
    ...(fieldSelector === undefined ? {} : { fieldSelector }),
    slim: (object) => {
      kept.set(keyOf(object), keep(object))
      return { metadata: { name: '' } }
    },
  })
  return kept
}
