import { ApiError } from '../kubernetes/failure.ts'
import type { ApiClient } from '../kubernetes/client.ts'
import { type ClusterObject, isRecord, type ResourceType } from '../kubernetes/objects.ts'
import { OutriderError } from '../lib/errors.ts'
import { nameOf, typeOf } from './object-types.ts'

/** Whose fields in the objects of the cluster what is installed becomes. */
export const FIELD_MANAGER = 'outrider'

/** `unchecked`: it will be made, but what it needs is not there yet, so that the API server cannot say more. */
export type Outcome = 'created' | 'changed' | 'unchanged' | 'unchecked'

export interface Step {
  readonly object: ClusterObject
  readonly type: ResourceType
  readonly outcome: Outcome
}

/** Conflicts that are told; more are counted. */
const MAX_TOLD = 10

/**
 * What applying the objects would change. The API server itself says it, by applying them without storing anything, so that what it
 * would refuse is known before the first change. Throws `install-conflict` where fields belong to somebody else, unless `force`.
 */
export async function planInstall(
  client: ApiClient,
  objects: readonly ClusterObject[],
  force: boolean,
): Promise<readonly Step[]> {
  const steps: Step[] = []
  const conflicts: string[] = []
  for (const object of objects) {
    const type = typeOf(object)
    try {
      steps.push({ object, type, outcome: await outcomeOf(client, type, object, force) })
    } catch (error) {
      if (!(error instanceof ApiError) || error.code !== 'kubernetes-conflict') throw error
      conflicts.push(...error.causes.map(({ field, message }) => `${nameOf(object)}: ${field}: ${message}`))
      if (error.causes.length === 0) throw error
    }
  }
  if (conflicts.length > 0) throw conflict(conflicts)
  return steps
}

function conflict(conflicts: readonly string[]): OutriderError<'install-conflict'> {
  const told = conflicts.slice(0, MAX_TOLD).join('; ')
  const more = conflicts.length > MAX_TOLD ? ` and ${conflicts.length - MAX_TOLD} more` : ''
  return new OutriderError(
    'install-conflict',
    `somebody else has set fields that the installation sets, and nothing was changed: ${told}${more}; let go of them, or take them with --force-conflicts`,
    { source: 'dependency' },
  )
}

async function outcomeOf(
  client: ApiClient,
  type: ResourceType,
  object: ClusterObject,
  force: boolean,
): Promise<Outcome> {
  const { name, namespace } = object.metadata
  let present: ClusterObject | undefined
  try {
    present = await client.get(type, name, namespace)
    const next = await client.apply(type, object, { fieldManager: FIELD_MANAGER, force, dryRun: true })
    if (present === undefined) return 'created'
    return contentOf(present) === contentOf(next) ? 'unchanged' : 'changed'
  } catch (error) {
    // Its namespace or its definition comes with this very installation.
    if (present === undefined && error instanceof ApiError && error.status === 404) return 'unchecked'
    throw error
  }
}

/** The object without what changes when nothing else does. */
function contentOf(object: ClusterObject): string {
  const { metadata, ...rest } = object
  const { resourceVersion: _version, generation: _generation, managedFields: _managed, ...kept }: Managed = metadata
  return canonical({ ...rest, metadata: kept, ours: isOurs(object) })
}

/** `managedFields` is read nowhere else. */
type Managed = ClusterObject['metadata'] & { readonly managedFields?: unknown }

/** Whether `outrider install` has made an object, or a part of it. */
export function isOurs({ metadata }: ClusterObject): boolean {
  const { managedFields }: Managed = metadata
  return (
    Array.isArray(managedFields) && managedFields.some((entry) => isRecord(entry) && entry['manager'] === FIELD_MANAGER)
  )
}

/** JSON with keys in order. */
export function canonical(value: unknown): string {
  return JSON.stringify(value, (_, item: unknown) =>
    typeof item === 'object' && item !== null && !Array.isArray(item)
      ? Object.fromEntries(Object.entries(item).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : item,
  )
}
