import type { ResolvedResource } from '../../policy/model.ts'
import { toWire } from '../../policy/wire.ts'
import { protocols } from '../../rpc/load.ts'
import type { Difference } from './diff.ts'
import type { Versioned } from './resolve.ts'
import type { Session } from './session.ts'

/** Last stage: sends the difference, unless there is none or the sidecar has just refused all of it, and nothing is asked of it. */
export function serve(session: Session, difference: Difference, revision: number): void {
  const news = session.withoutRefused(difference)
  if (news.changed.length === 0 && news.removed.length === 0 && !session.isNew && !session.isToBeAsked) return
  session.send(revision, news, news.changed.map(encoded))
}

/** A resource is encoded once, for however many sidecars: `resolve` gives all of them the same one. */
const known = new WeakMap<ResolvedResource, { readonly revision: number; readonly bytes: Buffer }>()

function encoded({ resource, revision }: Versioned): Buffer {
  const present = known.get(resource)
  if (present?.revision === revision) return present.bytes
  const bytes = protocols().policy.Resource.serialize(toWire(resource, revision))
  known.set(resource, { revision, bytes })
  return bytes
}
