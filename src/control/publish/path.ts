import { setImmediate as turn } from 'node:timers/promises'
import { OutriderError } from '../../lib/errors.ts'
import type { ResourceName } from '../../policy/model.ts'
import { type Admitted, admit, admitDeletion, type Refused } from './admit.ts'
import { commit } from './commit.ts'
import { type Difference, diff } from './diff.ts'
import type { Mesh } from './mesh.ts'
import type { Overlay } from './overlay.ts'
import { resolve } from './resolve.ts'
import { serve } from './serve.ts'
import type { Session } from './session.ts'

/** From documents to a revision of the store. Once per call of an operator. */
export function publish(documents: readonly string[], mesh: Mesh, dryRun: boolean): Published | Refused {
  const admitted = admit(documents, mesh)
  if (admitted.kind === 'refused') return admitted
  const revision = dryRun ? mesh.store.revision : commit(admitted.changes, mesh)
  return { ...admitted, revision }
}

/**
 * As `publish`, with a turn of the event loop between the check and the disk: streams that wait for the one need not wait for the
 * other. When something was stored in that turn, `before` and the check are done again.
 */
export async function publishInTurns(
  documents: readonly string[],
  mesh: Mesh,
  before: () => void,
): Promise<Published | Refused> {
  before()
  const { revision } = mesh.store
  const admitted = admit(documents, mesh)
  if (admitted.kind === 'refused') return admitted
  await turn()
  if (mesh.store.revision === revision) return { ...admitted, revision: commit(admitted.changes, mesh) }
  before()
  return publish(documents, mesh, false)
}

/** Takes one resource away that is there; nothing may name it any more. Returns the revision. */
export function withdraw(name: ResourceName, mesh: Mesh): number {
  admitDeletion(name, mesh)
  return commit([{ kind: 'delete', name }], mesh)
}

/** From the store to one sidecar. Once per sidecar whenever something that concerns it has changed. */
export function update(session: Session, mesh: Mesh, overlay?: Overlay): void {
  const wanted = resolve(session.peer.id, mesh, overlay)
  if (wanted === undefined) throw unregistered(session.peer.id)
  const { source } = mesh
  const difference = diff(wanted, session.held, source && ((key) => source.isHeldBack(key)))
  const revision = revisionFor(session, difference, mesh)
  if (revision !== undefined) serve(session, difference, revision)
}

/**
 * The revision of the next update; `undefined` while the sidecar has to wait, because another server has told it what we do not know yet:
 * what we have would bring an older policy back. A sidecar that has the very same as we, has nothing to wait for.
 */
function revisionFor(session: Session, { changed, removed }: Difference, { store, source }: Mesh): number | undefined {
  if (source === undefined) return store.revision
  const least = Math.max(session.sentRevision, session.isNew ? session.revisionAtHello : 0)
  if (!session.isNew || least <= 0 || (changed.length === 0 && removed.length === 0))
    return Math.max(store.revision, least)
  const reach = source.reach(least)
  if (reach === 'awaited') return undefined
  // Of a source that was set back, as by a restored backup: the sidecar refuses it as older, and shows that.
  return reach === 'known' ? Math.max(store.revision, least) : store.revision
}

export interface Published extends Admitted {
  readonly revision: number
}

export function unregistered(id: string): OutriderError<'workload-unknown'> {
  return new OutriderError('workload-unknown', `no Workload is registered for ${id}`)
}
