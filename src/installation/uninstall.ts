import type { ApiClient } from '../kubernetes/client.ts'
import type { ClusterObject, ResourceType } from '../kubernetes/objects.ts'
import { TRUST_CONFIG_MAP } from '../control/kubernetes/trust-config-map.ts'
import type { Clock } from '../lib/clock.ts'
import { OutriderError } from '../lib/errors.ts'
import { ApiError } from '../kubernetes/failure.ts'
import { INJECTED } from '../injector/names.ts'
import { typeOf, types } from './object-types.ts'
import { isOurs } from './plan.ts'
import { waitGone } from './wait.ts'

export interface UninstallOptions {
  readonly client: ApiClient
  readonly clock: Clock
  readonly signal: AbortSignal
  readonly timeoutMs: number
  /** Goes on although pods run with sidecars. */
  readonly force: boolean
  /** Removes the definitions, which deletes all policy, and the Secret with the keys of the mesh, too. */
  readonly purge: boolean
  readonly dryRun: boolean
}

export interface Removal {
  readonly object: ClusterObject
  /** `kept` until `purge`; `foreign`: `outrider install` did not make it. */
  readonly outcome: 'removed' | 'kept' | 'foreign'
}

/** What holds the policy and the keys of the mesh, and where the keys are. */
const lasting: ReadonlySet<string> = new Set(['CustomResourceDefinition', 'Secret', 'Namespace'])
/** Namespaces that have the trust bundle, and pods that are counted. */
const MAX_OBJECTS = 100_000
const MAX_NAMED = 3

/**
 * Removes what `outrider install` has made, the last first: from the first step on no pod waits for the injector any more. Throws
 * `uninstall-in-use` while pods run with sidecars, and `install-timeout`.
 */
export async function uninstall(
  objects: readonly ClusterObject[],
  options: UninstallOptions,
): Promise<readonly Removal[]> {
  const { client, clock, signal, timeoutMs, force, purge, dryRun } = options
  if (!force) await checkUnused(client)
  const removals: Removal[] = []
  for (const object of objects.toReversed()) {
    const present = await presentOf(client, typeOf(object), object)
    if (present === undefined) continue
    const outcome = isOurs(present) ? (purge || !lasting.has(object.kind ?? '') ? 'removed' : 'kept') : 'foreign'
    removals.push({ object, outcome })
  }
  const bundles = purge ? await trustBundles(client) : []
  removals.push(...bundles.map((object) => ({ object, outcome: 'removed' }) as const))
  if (dryRun) return removals
  const gone = removals.filter(({ outcome }) => outcome === 'removed')
  // The bundles when no control server has the right any more to write them anew; the namespace last, for it takes all else with it.
  for (const { object } of gone.toSorted((a, b) => rank(a.object) - rank(b.object))) {
    signal.throwIfAborted()
    const { name, namespace } = object.metadata
    await client.delete(object.kind === 'ConfigMap' ? types.configMaps : typeOf(object), name, namespace)
  }
  const waiting = { client, clock, signal, endMs: clock.monotonic() + timeoutMs }
  const slow = gone.filter(({ object }) => lasting.has(object.kind ?? ''))
  for (const { object } of timeoutMs === 0 ? [] : slow) await waitGone(waiting, object)
  return removals
}

function rank({ kind }: ClusterObject): number {
  return kind === 'Namespace' ? 2 : kind === 'ConfigMap' ? 1 : 0
}

async function presentOf(
  client: ApiClient,
  type: ResourceType,
  { metadata: { name, namespace } }: ClusterObject,
): Promise<ClusterObject | undefined> {
  try {
    return await client.get(type, name, namespace)
  } catch (error) {
    // Its definition is gone already.
    if (error instanceof ApiError && error.status === 404) return undefined
    throw error
  }
}

async function trustBundles(client: ApiClient): Promise<readonly ClusterObject[]> {
  const { items } = await client.list(types.configMaps, {
    fieldSelector: `metadata.name=${TRUST_CONFIG_MAP}`,
    maxObjects: MAX_OBJECTS,
    slim: ({ metadata }) => ({ apiVersion: 'v1', kind: 'ConfigMap', metadata }),
  })
  return items
}

/** A sidecar whose control server is gone serves on for as long as its certificate, and then closes its pod to the mesh. */
async function checkUnused(client: ApiClient): Promise<void> {
  const { items } = await client.list(types.pods, {
    fieldSelector: 'status.phase!=Succeeded,status.phase!=Failed',
    maxObjects: MAX_OBJECTS,
    slim: ({ metadata }) => ({
      metadata: {
        name: metadata.name,
        ...(metadata.namespace === undefined ? {} : { namespace: metadata.namespace }),
        ...(metadata.annotations?.[INJECTED] === undefined ? {} : { annotations: { [INJECTED]: '' } }),
      },
    }),
  })
  const meshed = items.filter(({ metadata }) => metadata.annotations?.[INJECTED] !== undefined)
  if (meshed.length === 0) return
  const names = meshed.slice(0, MAX_NAMED).map(({ metadata: { namespace, name } }) => `${namespace}/${name}`)
  const more = meshed.length > MAX_NAMED ? ` and ${meshed.length - MAX_NAMED} more` : ''
  throw new OutriderError(
    'uninstall-in-use',
    `${meshed.length} pods run with a sidecar, and lose the mesh: ${names.join(', ')}${more}; take the label outrider.mesh/inject off their namespaces and roll them out anew, or give --force`,
    { source: 'dependency' },
  )
}
