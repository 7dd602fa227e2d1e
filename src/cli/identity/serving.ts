import { nameOf, type Reference, resourceKey } from '../../policy/model.ts'
import { validateResource } from '../../policy/validate.ts'
import { millisecondsOf } from '../../lib/protobuf-time.ts'
import type { Sidecar__Output } from '../../wire/outrider/admin/v1/Sidecar.ts'
import type { StoredResource__Output } from '../../wire/outrider/admin/v1/StoredResource.ts'

import { stateWord } from '../output.ts'

/** An identity that may serve a service, and a sidecar that has it. */
export interface Serving {
  readonly workload: string
  readonly spiffeId: string
  /** Absent when no sidecar of the identity is known. */
  readonly sidecar?: string
  readonly state: string
  readonly listeners: readonly string[]
  readonly svidNotAfterMs?: number
}

/** Who may serve the service in `stored`, among `workloads`, and which sidecars do. */
export function whoServes(
  stored: StoredResource__Output,
  workloads: readonly StoredResource__Output[],
  sidecars: readonly Sidecar__Output[],
): readonly Serving[] {
  const service = validateResource(JSON.parse(stored.document))
  if (!service.ok || service.resource.kind !== 'Service') return []
  const ids = identitiesOf(workloads)
  return service.resource.spec.workloads.flatMap((reference): readonly Serving[] => {
    const workload = `${reference.namespace}/${reference.name}`
    const spiffeId = ids.get(keyOf(reference))
    if (spiffeId === undefined) return [{ workload, spiffeId: '-', state: 'unregistered', listeners: [] }]
    const own = sidecars.filter((sidecar) => sidecar.spiffeId === spiffeId)
    if (own.length === 0) return [{ workload, spiffeId, state: 'no sidecar', listeners: [] }]
    return own.map(({ sidecarId, state, listeners, svidNotAfter }) => {
      const svidNotAfterMs = millisecondsOf(svidNotAfter)
      return {
        workload,
        spiffeId,
        sidecar: sidecarId,
        state: stateWord(state),
        listeners,
        ...(svidNotAfterMs === undefined ? {} : { svidNotAfterMs }),
      }
    })
  })
}

function identitiesOf(workloads: readonly StoredResource__Output[]): ReadonlyMap<string, string> {
  const ids = new Map<string, string>()
  for (const { document } of workloads) {
    const read = validateResource(JSON.parse(document))
    if (read.ok && read.resource.kind === 'Workload')
      ids.set(resourceKey(nameOf(read.resource)), read.resource.spec.spiffeId)
  }
  return ids
}

function keyOf({ namespace, name }: Reference): string {
  return resourceKey({ kind: 'Workload', namespace, name })
}
