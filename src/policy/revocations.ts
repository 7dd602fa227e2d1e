import { noRevocations, type Revocations } from '../identity/revocation.ts'
import type { SpiffeId } from '../identity/spiffe-id.ts'
import { nameOf, type Revocation, resourceKey } from './model.ts'

/** What these resources revoke, each with the resource that does; where several do, the last by name. */
export function compileRevocations(resources: Iterable<Revocation>): Revocations {
  const named = Array.from(resources, (resource) => ({ resource, key: resourceKey(nameOf(resource)) }))
  if (named.length === 0) return noRevocations
  const serials = new Map<string, string>()
  const ids = new Map<SpiffeId, string>()
  for (const { resource, key } of named.toSorted((a, b) => (a.key < b.key ? -1 : 1))) {
    for (const serial of resource.spec.serials) serials.set(serial, key)
    for (const id of resource.spec.spiffeIds) ids.set(id, key)
  }
  return { serials, ids }
}
