import type { SpiffeId } from '../../identity/spiffe-id.ts'
import {
  type Endpoint,
  nameOf,
  type ResolvedResource,
  type ResolvedService,
  type ResolvedWorkload,
  type Resource,
  resourceKey,
  type Service,
  type TrustDomain,
  type Workload,
} from '../../policy/model.ts'
import { MAX_ENDPOINTS } from '../../policy/validate.ts'
import type { StoredResource } from '../store/store.ts'
import type { Catalogue } from './catalogue.ts'
import type { Mesh } from './mesh.ts'
import type { Overlay } from './overlay.ts'
import { versionOf } from './version.ts'

/** A resource as one workload needs it, and what sidecars compare: `versionOf` its content, or the revision of an overlay. */
export interface Versioned {
  readonly resource: ResolvedResource
  readonly revision: number
}

/** All that a workload needs, by resource key. */
export type WorkloadPolicy = ReadonlyMap<string, Versioned>

/**
 * Third stage: what the workload with this identity needs to know, now; for a canary with the resources of `overlay` in place of
 * those that are stored. `undefined` when no workload is registered with it.
 */
export function resolve(id: SpiffeId, mesh: Mesh, overlay?: Overlay): WorkloadPolicy | undefined {
  if (overlay === undefined) return resolveWith(id, mesh, undefined)
  return mesh.catalogue.whatIf(overlay.resources, () => resolveWith(id, mesh, overlay))
}

function resolveWith(id: SpiffeId, mesh: Mesh, overlay: Overlay | undefined): WorkloadPolicy | undefined {
  const { catalogue, store } = mesh
  const workload = catalogue.workloadOf(id)
  if (workload === undefined) return undefined
  const policy = new Map<string, Versioned>()
  const sources = [
    workload,
    ...catalogue.governing(workload.metadata),
    ...catalogue.upstreams(workload),
    ...catalogue.revocations(),
    ...catalogue.meshConfigs(),
  ]
  for (const source of sources) {
    const name = nameOf(source)
    const laid = overlay?.get(name)
    const stored = laid ?? store.get(name)
    if (stored === undefined) continue
    const versioned = resolved(source, stored, mesh)
    // Canaries are sent an overlay, and what is stored after it, even where both mean the same: their answer is waited for.
    policy.set(resourceKey(name), laid === undefined ? versioned : { ...versioned, revision: laid.revision })
  }
  return policy
}

/** What sidecars have that act by a resource of the catalogue as it is; `undefined` when it is not stored. */
export function versionIn(source: Exclude<Resource, TrustDomain>, mesh: Mesh): number | undefined {
  const stored = mesh.store.get(nameOf(source))
  return stored && resolved(source, stored, mesh).revision
}

/** The services a workload sees, without addresses: as they are compiled at admission, when they are not stored yet. */
export function visible(workload: Workload, catalogue: Catalogue): ResolvedService[] {
  return catalogue.upstreams(workload).map((service) => resolveService(service, catalogue, () => []))
}

export function resolvedWorkload({ kind, metadata, spec }: Workload): ResolvedWorkload {
  return { kind, metadata, spec: { spiffeId: spec.spiffeId } }
}

/** A stored resource is replaced whenever its resolved form changes, so that it can be the key of that form. */
const resolvedOf = new WeakMap<StoredResource, Versioned>()

function resolved(
  source: Exclude<Resource, TrustDomain>,
  stored: StoredResource,
  { catalogue, endpointsOf }: Mesh,
): Versioned {
  const known = resolvedOf.get(stored)
  if (known !== undefined) return known
  const made =
    source.kind === 'Service'
      ? resolveService(source, catalogue, endpointsOf)
      : source.kind === 'Workload'
        ? resolvedWorkload(source)
        : source
  const versioned = { resource: made, revision: versionOf(made) }
  resolvedOf.set(stored, versioned)
  return versioned
}

function resolveService(
  { kind, metadata, spec }: Service,
  catalogue: Catalogue,
  endpointsOf: (id: SpiffeId) => readonly Endpoint[],
): ResolvedService {
  const identities = spec.workloads.flatMap((reference) => catalogue.workload(reference)?.spec.spiffeId ?? [])
  const targets = new Set(spec.ports.map(({ targetPort }) => targetPort))
  const endpoints = new Map<string, Endpoint>()
  for (const endpoint of [...spec.endpoints, ...identities.flatMap(endpointsOf)]) {
    const { address, port, appPort } = endpoint
    if (targets.has(appPort) && endpoints.size < MAX_ENDPOINTS) endpoints.set(`${address} ${port} ${appPort}`, endpoint)
  }
  const { hosts, ports, addresses } = spec
  return { kind, metadata, spec: { hosts, ports, identities, endpoints: [...endpoints.values()], addresses } }
}
