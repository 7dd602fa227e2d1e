import { timestampOf } from '../../lib/protobuf-time.ts'
import type { ClusterState } from '../../wire/outrider/admin/v1/ClusterState.ts'
import type { Feed } from './feed.ts'

const MAX_HELD_BACK = 100

/** What an operator is told of the copy. */
export function clusterState(feed: Feed, serverName: string): ClusterState {
  const { collections, held, synced, known } = feed
  return {
    synced,
    serverName,
    knownRevision: known,
    objects: collections.reduce((sum, { size }) => sum + size, 0),
    failures: collections
      .filter(({ inStep }) => !inStep)
      .map(({ name, namespace = '', progressedAtMs, failure }) => ({
        type: name,
        namespace,
        since: timestampOf(progressedAtMs),
        code: failure?.code ?? '',
        message: failure?.message ?? '',
      })),
    heldBack: held.slice(0, MAX_HELD_BACK).map(({ name, code, message }) => ({ ref: { ...name }, code, message })),
    heldBackTotal: held.length,
  }
}
