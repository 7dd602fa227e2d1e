import { pathOf } from '../identity/spiffe-id.ts'
import type { Resource, Violation } from './model.ts'

/**
 * What is wrong with a resource that reaches beyond the namespace it is written in, where namespaces belong to different people. Those
 * of the whole mesh, and identities that are not below `/ns/NAMESPACE/`, are for `meshNamespace` alone. undefined: nothing.
 */
export function beyondNamespace(resource: Resource, meshNamespace: string): Violation | undefined {
  const { namespace } = resource.metadata
  if (namespace === meshNamespace) return undefined
  switch (resource.kind) {
    case 'MeshConfig':
    case 'Revocation':
    case 'TrustDomain':
      return {
        field: 'metadata.namespace',
        code: 'mesh-wide-elsewhere',
        message: `a ${resource.kind} holds for the whole mesh, and is taken in the namespace ${meshNamespace} alone`,
      }
    case 'Workload': {
      const { spiffeId } = resource.spec
      if (pathOf(spiffeId).startsWith(`/ns/${namespace}/`)) return undefined
      return {
        field: 'spec.spiffeId',
        code: 'identity-elsewhere',
        message: `a Workload here has an identity below /ns/${namespace}/; others are given in the namespace ${meshNamespace} alone`,
      }
    }
    case 'ApiKey':
    case 'AuthorizationPolicy':
    case 'ExternalAuthorization':
    case 'RateLimit':
    case 'RequestAuthentication':
    case 'Service':
      break
  }
  return undefined
}
