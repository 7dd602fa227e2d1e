import { unreachable } from '../../lib/unreachable.ts'
import {
  matchesReference,
  nameOf,
  type Resource,
  type ResourceName,
  resourceKey,
  type Workload,
} from '../../policy/model.ts'
import { MAX_REFUSALS } from '../../policy/crd/status.ts'
import type { Mesh } from '../publish/mesh.ts'
import { versionIn } from '../publish/resolve.ts'
import type { Session } from '../publish/session.ts'
import type { Counts } from './status-document.ts'

/** What becomes of a resource in the sidecars that are connected here. */
export function countsOf(name: ResourceName, sessions: Iterable<Session>, mesh: Mesh): Counts {
  const { catalogue } = mesh
  const resource = catalogue.get(name)
  const refusals: Counts['refusals'][number][] = []
  const counts = { sidecars: 0, applied: 0, refused: 0, refusals }
  // Of a trust domain sidecars are told nothing: its bundle travels with those of all.
  if (resource === undefined || resource.kind === 'TrustDomain') return counts
  const version = versionIn(resource, mesh)
  const key = resourceKey(name)
  for (const session of sessions) {
    const workload = catalogue.workloadOf(session.peer.id)
    if (workload === undefined || !isFor(resource, workload)) continue
    counts.sidecars += 1
    if (session.held.get(key)?.revision === version) counts.applied += 1
    const why = session.refusalOf(key)
    if (why === undefined) continue
    counts.refused += 1
    if (refusals.length < MAX_REFUSALS) refusals.push({ sidecar: session.sidecarId, message: why })
  }
  // In one order, whoever connected first.
  return { ...counts, refusals: refusals.toSorted((a, b) => (a.sidecar < b.sidecar ? -1 : 1)) }
}

/** The resources that the sidecars of a workload are sent. */
export function resourcesFor(workload: Workload, { catalogue }: Mesh): readonly ResourceName[] {
  return [
    workload,
    ...catalogue.governing(workload.metadata),
    ...catalogue.upstreams(workload),
    ...catalogue.revocations(),
    ...catalogue.meshConfigs(),
  ].map((resource) => nameOf(resource))
}

function isFor(resource: Exclude<Resource, { kind: 'TrustDomain' }>, { metadata, spec }: Workload): boolean {
  switch (resource.kind) {
    case 'ApiKey':
    case 'AuthorizationPolicy':
    case 'ExternalAuthorization':
    case 'RateLimit':
    case 'RequestAuthentication': {
      const { workloads } = resource.spec
      if (resource.metadata.namespace !== metadata.namespace) return false
      return workloads.length === 0 || workloads.includes(metadata.name)
    }
    case 'MeshConfig':
    case 'Revocation':
      return true
    case 'Service':
      return spec.upstreams.some((pattern) => matchesReference(pattern, resource.metadata))
    case 'Workload':
      return resource.metadata.namespace === metadata.namespace && resource.metadata.name === metadata.name
    default:
      return unreachable(resource)
  }
}
