import { OutriderError } from '../../lib/errors.ts'
import { REFUSAL_TRAILER, withTrailer } from '../../rpc/errors.ts'
import { protocols } from '../../rpc/load.ts'
import type { ApplyOutcome } from '../../wire/outrider/admin/v1/ApplyOutcome.ts'
import type { Outcome, Refused } from '../publish/admit.ts'
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

/** What an operator is told of documents that are not admitted: each violation in a trailer. */
export function refusal({ violations }: Refused): OutriderError {
  const [first] = violations
  const more = violations.length > 1 ? `, and ${violations.length - 1} more` : ''
  const error = new OutriderError(
    'resources-refused',
    `document ${(first?.document ?? 0) + 1}: ${first?.field ?? ''}: ${first?.message ?? ''}${more}`,
  )
  const encoded = protocols().admin.ApplyRefusal.serialize({ violations: [...violations] })
  return withTrailer(error, REFUSAL_TRAILER, encoded)
}

const WIRE_CHANGE = {
  created: 'CHANGE_CREATED',
  configured: 'CHANGE_CONFIGURED',
  unchanged: 'CHANGE_UNCHANGED',
} as const

export function wireOutcome({ name, change }: Outcome): ApplyOutcome {
  return { ref: wireRef(name), change: WIRE_CHANGE[change] }
}
