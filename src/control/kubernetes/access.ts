import type { Access } from '../../kubernetes/access.ts'
import type { ResourceType } from '../../kubernetes/objects.ts'
import { kinds } from '../../policy/model.ts'
import { CA_SECRET, secretType } from './kept-secret.ts'
import { configMapType, TRUST_CONFIG_MAP } from './trust-config-map.ts'
import { namespaceType } from './trust-config-maps.ts'
import { clusterTypes, leases, typeOfKind } from './types.ts'

const reviews: ResourceType = {
  group: 'authentication.k8s.io',
  version: 'v1',
  plural: 'tokenreviews',
  namespaced: false,
}

/** What a control server with `store: kubernetes` and `kubernetes: token-review` asks the API server for. */
export const controlAccess: readonly Access[] = [
  ...kinds.map((kind): Access => ({ type: typeOfKind(kind), verbs: ['get', 'list', 'watch'] })),
  ...kinds.map((kind): Access => ({ type: typeOfKind(kind), subresource: 'status', verbs: ['patch'] })),
  ...Object.values(clusterTypes).map((type): Access => ({ type, verbs: ['list', 'watch'] })),
  { type: namespaceType, verbs: ['list', 'watch'] },
  { type: reviews, verbs: ['create'] },
  // Applied by name, which is a patch, and a create where there is none.
  { type: configMapType, names: [TRUST_CONFIG_MAP], verbs: ['create', 'list', 'patch', 'watch'] },
  { type: secretType, names: [CA_SECRET], own: true, verbs: ['get', 'list', 'update', 'watch'] },
  // Each server has one, of its own name.
  { type: leases, own: true, verbs: ['create', 'delete', 'list', 'patch', 'watch'] },
]
