import { nameOf, type ResourceName } from '../../policy/model.ts'
import { timestampOf } from '../../rpc/time.ts'
import type { ResourceRef } from '../../wire/outrider/admin/v1/ResourceRef.ts'
import type { StoredResource as WireStored } from '../../wire/outrider/admin/v1/StoredResource.ts'
import type { StoredResource } from '../store/store.ts'

export function wireRef({ kind, namespace, name }: ResourceName): ResourceRef {
  return { kind, namespace, name }
}

export function wireStored({ resource, revision, changedAtMs, document }: StoredResource): WireStored {
  return { ref: wireRef(nameOf(resource)), revision, changedAt: timestampOf(changedAtMs), document }
}
