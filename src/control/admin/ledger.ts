import { timestampOf } from '../../lib/protobuf-time.ts'
import type { Sidecar } from '../../wire/outrider/admin/v1/Sidecar.ts'
import type { Session, SyncState } from '../publish/session.ts'
import type { Sessions } from '../publish/sessions.ts'
import type { SidecarRegistry } from '../sidecars.ts'
import type { SidecarRecord } from '../store/store.ts'

const WIRE_STATE = {
  synced: 'STATE_SYNCED',
  pending: 'STATE_PENDING',
  nacked: 'STATE_NACKED',
  draining: 'STATE_DRAINING',
} as const satisfies Record<SyncState, Sidecar['state']>

/** Which sidecars there are, or were a while ago, and which revision each one runs; by SPIFFE ID and sidecar ID. */
export function listSidecars(sidecars: SidecarRegistry, sessions: Sessions): Sidecar[] {
  const records = [...sidecars.records()].map(({ record }) => record)
  return records.toSorted(byName).map((record) => {
    const session = sessions.get(record.spiffeId, record.sidecarId)
    return session === undefined ? disconnected(record) : { ...disconnected(record), ...connected(session) }
  })
}

function byName(a: SidecarRecord, b: SidecarRecord): number {
  if (a.spiffeId !== b.spiffeId) return a.spiffeId < b.spiffeId ? -1 : 1
  return a.sidecarId < b.sidecarId ? -1 : 1
}

function disconnected({ sidecarId, spiffeId, programVersion, lastSeenMs, listeners }: SidecarRecord): Sidecar {
  return {
    sidecarId,
    spiffeId,
    state: 'STATE_DISCONNECTED',
    programVersion,
    lastSeen: timestampOf(lastSeenMs),
    listeners: listeners.map(({ address, port, appPort }) => `${address}:${port}=${appPort}`),
  }
}

function connected(session: Session): Sidecar {
  return {
    state: WIRE_STATE[session.state],
    appliedRevision: session.appliedRevision,
    sentRevision: session.sentRevision,
    connectedAt: timestampOf(session.connectedAtMs),
    lastSeen: timestampOf(session.lastSeenMs),
    svidNotBefore: timestampOf(session.peer.notBeforeMs),
    svidNotAfter: timestampOf(session.peer.notAfterMs),
    violations: [...session.violations],
    clockAheadMs: Math.round(session.trust?.clockAheadMs ?? 0),
  }
}
