import { nameOf, type ResourceName } from '../../policy/model.ts'
import { timestampOf } from '../../lib/protobuf-time.ts'
import type { FederatedDomain as WireFederated } from '../../wire/outrider/admin/v1/FederatedDomain.ts'
import type { ResourceRef } from '../../wire/outrider/admin/v1/ResourceRef.ts'
import type { StoredResource as WireStored } from '../../wire/outrider/admin/v1/StoredResource.ts'
import type { FederatedDomain } from '../federation/federation.ts'
import type { StoredResource } from '../store/store.ts'

export function wireRef({ kind, namespace, name }: ResourceName): ResourceRef {
  return { kind, namespace, name }
}

export function wireStored({ resource, revision, changedAtMs, document }: StoredResource): WireStored {
  return { ref: wireRef(nameOf(resource)), revision, changedAt: timestampOf(changedAtMs), document }
}

export function wireFederated(domain: FederatedDomain): WireFederated {
  const { trustDomain, resource, bundle, fetchedAtMs, nextPollAtMs, failure } = domain
  const { url = '', profile = '' } = resource.spec.bundleEndpoint ?? {}
  return {
    trustDomain,
    url,
    profile,
    believed: bundle !== undefined,
    sequence: bundle?.sequence ?? 0,
    x509Authorities: bundle?.authorities.length ?? 0,
    jwtAuthorities: bundle?.jwtAuthorities.size ?? 0,
    fetchedAt: fetchedAtMs === undefined ? null : timestampOf(fetchedAtMs),
    nextPollAt: nextPollAtMs === undefined ? null : timestampOf(nextPollAtMs),
    failureCode: failure?.code ?? '',
    failure: failure?.message ?? '',
  }
}
