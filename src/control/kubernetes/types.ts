import type { ResourceType } from '../../kubernetes/objects.ts'
import { apiGroup, apiVersionName, pluralOf } from '../../policy/crd/names.ts'
import type { Kind } from '../../policy/model.ts'

/** The custom resource of a kind of ours. */
export function typeOfKind(kind: Kind): ResourceType {
  return { group: apiGroup, version: apiVersionName, plural: pluralOf(kind), namespaced: true }
}

/** What else of a cluster says who is where. */
export const clusterTypes: Readonly<Record<'services' | 'endpointSlices' | 'pods', ResourceType>> = {
  services: { group: '', version: 'v1', plural: 'services', namespaced: true },
  endpointSlices: { group: 'discovery.k8s.io', version: 'v1', plural: 'endpointslices', namespaced: true },
  pods: { group: '', version: 'v1', plural: 'pods', namespaced: true },
}

/** By which control servers know that others are there. */
export const leases: ResourceType = { group: 'coordination.k8s.io', version: 'v1', plural: 'leases', namespaced: true }
