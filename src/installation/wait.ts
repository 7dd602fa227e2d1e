import type { ApiClient } from '../kubernetes/client.ts'
import { type ClusterObject, isRecord } from '../kubernetes/objects.ts'
import type { Clock } from '../lib/clock.ts'
import { OutriderError } from '../lib/errors.ts'
import { pause } from '../lib/pause.ts'
import { nameOf, typeOf, types } from './object-types.ts'

export interface Waiting {
  readonly client: ApiClient
  readonly clock: Clock
  readonly signal: AbortSignal
  /** By the monotonic clock, in milliseconds. */
  readonly endMs: number
}

const LOOK_AGAIN_MS = 500
const MAX_PODS = 100

/** Looks until `missing` says nothing more. Throws `install-timeout` with what it said last. */
export async function waitUntil(
  { clock, signal, endMs }: Waiting,
  missing: () => Promise<string | undefined>,
): Promise<void> {
  for (;;) {
    const what = await missing()
    if (what === undefined) return
    if (clock.monotonic() >= endMs)
      throw new OutriderError('install-timeout', `${what}; what was done stays: the same command goes on (--timeout)`, {
        source: 'dependency',
        retryable: true,
      })
    await pause(LOOK_AGAIN_MS, clock, signal)
    signal.throwIfAborted()
  }
}

/** Objects of a new kind can be made when its definition is established. */
export async function waitEstablished(waiting: Waiting, definition: ClusterObject): Promise<void> {
  await waitUntil(waiting, async () => {
    const present = await waiting.client.get(types.definitions, definition.metadata.name)
    return conditionOf(present, 'Established') === 'True' ? undefined : `${nameOf(definition)} is not established`
  })
}

/** As `kubectl rollout status`: every replica is of the present template, and available. */
export async function waitAvailable(waiting: Waiting, deployment: ClusterObject): Promise<void> {
  const { name, namespace } = deployment.metadata
  await waitUntil(waiting, async () => {
    const present = await waiting.client.get(types.deployments, name, namespace)
    const why = present === undefined ? 'is not there' : unavailable(present)
    if (why === undefined) return undefined
    const pods = waiting.clock.monotonic() >= waiting.endMs ? await podsOf(waiting.client, deployment) : ''
    return `${nameOf(deployment)} ${why}${pods}`
  })
}

/** Why a Deployment is not wholly rolled out; undefined when it is. */
export function unavailable({ metadata, spec, status }: ClusterObject): string | undefined {
  const { replicas: wanted = 1 } = isRecord(spec) ? spec : {}
  const {
    observedGeneration = 0,
    replicas = 0,
    updatedReplicas = 0,
    availableReplicas = 0,
  } = isRecord(status) ? status : {}
  if (Number(observedGeneration) < (metadata.generation ?? 0)) return 'was not looked at by its controller yet'
  if (Number(updatedReplicas) < Number(wanted)) return `has ${Number(updatedReplicas)} of ${Number(wanted)} new pods`
  if (Number(replicas) > Number(updatedReplicas)) return 'still has old pods'
  if (Number(availableReplicas) < Number(wanted))
    return `has ${Number(availableReplicas)} of ${Number(wanted)} pods available`
  return undefined
}

/** Waits until an object that was deleted is gone: some are cleaned up first. */
export async function waitGone(waiting: Waiting, object: ClusterObject): Promise<void> {
  const { name, namespace } = object.metadata
  await waitUntil(waiting, async () =>
    (await waiting.client.get(typeOf(object), name, namespace)) === undefined
      ? undefined
      : `${nameOf(object)} is not gone yet`,
  )
}

export function conditionOf(object: ClusterObject | undefined, type: string): string | undefined {
  const { conditions } = isRecord(object?.['status']) ? object['status'] : {}
  const found: unknown = Array.isArray(conditions)
    ? conditions.find((one) => isRecord(one) && one['type'] === type)
    : {}
  return isRecord(found) && typeof found['status'] === 'string' ? found['status'] : undefined
}

/** What the kubelets say of the pods of a Deployment that do not run. */
async function podsOf(client: ApiClient, { metadata: { name, namespace } }: ClusterObject): Promise<string> {
  const { items } = await client.list(types.pods, {
    ...(namespace === undefined ? {} : { namespace }),
    labelSelector: `app.kubernetes.io/name=${name}`,
    maxObjects: MAX_PODS,
  })
  const reasons = items.flatMap((pod) => {
    const why = troubleOf(pod)
    return why === undefined ? [] : [`${pod.metadata.name}: ${why}`]
  })
  return reasons.length === 0 ? '' : `: ${reasons.slice(0, 3).join('; ')}`
}

/** The first thing that keeps a pod from running, in the words of the kubelet or the scheduler. */
export function troubleOf({ status }: ClusterObject): string | undefined {
  const { initContainerStatuses, containerStatuses, conditions } = isRecord(status) ? status : {}
  const containers = [initContainerStatuses, containerStatuses].flatMap((list) => (Array.isArray(list) ? list : []))
  for (const container of containers.filter(isRecord)) {
    const state = isRecord(container['state']) ? container['state'] : {}
    const waiting = isRecord(state['waiting']) ? state['waiting'] : {}
    const { reason, message } = waiting
    if (typeof reason === 'string' && reason !== 'PodInitializing' && reason !== 'ContainerCreating')
      return [reason, message].filter((text) => typeof text === 'string' && text !== '').join(', ')
  }
  const scheduled = Array.isArray(conditions)
    ? conditions.filter(isRecord).find(({ type, status: held }) => type === 'PodScheduled' && held === 'False')
    : undefined
  return typeof scheduled?.['message'] === 'string' ? `cannot be scheduled: ${scheduled['message']}` : undefined
}
