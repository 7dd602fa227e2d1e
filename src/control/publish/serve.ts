import { toWire } from '../../policy/wire.ts'
import type { Difference } from './diff.ts'
import type { Session } from './session.ts'

/** Last stage: sends the difference, unless there is none or the sidecar has just refused all of it. */
export function serve(session: Session, difference: Difference, revision: number): void {
  const news = session.withoutRefused(difference)
  if (news.changed.length === 0 && news.removed.length === 0 && !session.isNew) return
  session.send(
    revision,
    news,
    news.changed.map((versioned) => toWire(versioned.resource, versioned.revision)),
  )
}
