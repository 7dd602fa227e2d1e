import type { Clock, Timer } from '../../lib/clock.ts'
import { timestampOf } from '../../lib/protobuf-time.ts'
import type { Sidecar } from '../../wire/outrider/admin/v1/Sidecar.ts'
import type { Session, SyncState } from '../publish/session.ts'
import { sessionKey, type Sessions } from '../publish/sessions.ts'
import type { Canaries } from './canary.ts'
import type { ControlMetrics } from '../metrics.ts'
import type { SidecarRegistry } from '../sidecars.ts'
import type { SidecarRecord } from '../store/store.ts'

const WIRE_STATE = {
  synced: 'STATE_SYNCED',
  pending: 'STATE_PENDING',
  lagging: 'STATE_LAGGING',
  nacked: 'STATE_NACKED',
  draining: 'STATE_DRAINING',
} as const satisfies Record<SyncState, Sidecar['state']>

/** Which sidecars there are, or were a while ago, and which revision each one runs; by SPIFFE ID and sidecar ID. */
export function listSidecars(sidecars: SidecarRegistry, sessions: Sessions, canaries: Canaries): Sidecar[] {
  const records = [...sidecars.records()].map(({ record }) => record)
  return records.toSorted(byName).map((record) => {
    const session = sessions.get(record.spiffeId, record.sidecarId)
    if (session === undefined) return disconnected(record)
    const canary = canaries.holds(sessionKey(record.spiffeId, record.sidecarId))
    return { ...disconnected(record), ...connected(session), canary }
  })
}

const STATES = ['synced', 'pending', 'lagging', 'nacked', 'draining', 'disconnected'] as const
const COUNT_EVERY_MS = 1000

/** Keeps the metric of how many sidecars are in which state. Returns the way out. */
export function countSidecars(
  sidecars: SidecarRegistry,
  sessions: Sessions,
  metrics: ControlMetrics,
  clock: Clock,
): () => void {
  let timer: Timer
  const count = (): void => {
    const counts: Record<(typeof STATES)[number], number> = {
      synced: 0,
      pending: 0,
      lagging: 0,
      nacked: 0,
      draining: 0,
      disconnected: 0,
    }
    for (const { connected } of sidecars.records()) if (!connected) counts.disconnected += 1
    for (const session of sessions.all()) counts[session.state] += 1
    for (const state of STATES) metrics.sidecars.with({ state }).set(counts[state])
    timer = clock.after(COUNT_EVERY_MS, count)
  }
  count()
  return () => timer.cancel()
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
    pendingMs: Math.round(session.pendingMs),
    clockAheadMs: Math.round(session.trust?.clockAheadMs ?? 0),
  }
}
