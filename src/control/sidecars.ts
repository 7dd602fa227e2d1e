import { isUnspecified, parseHost } from '../lib/address.ts'
import type { SpiffeId } from '../identity/spiffe-id.ts'
import type { VerifiedPeer } from '../identity/verify.ts'
import type { Clock, Timer } from '../lib/clock.ts'
import { describeError, OutriderError } from '../lib/errors.ts'
import { type Endpoint, nameOf } from '../policy/model.ts'
import type { Logger } from '../telemetry/log.ts'
import type { InboundListener__Output } from '../wire/outrider/policy/v1/InboundListener.ts'
import type { Catalogue } from './publish/catalogue.ts'
import type { SidecarRecord, Store } from './store/store.ts'

/** A sidecar as its stream introduces it. */
export interface Introduced {
  readonly peer: VerifiedPeer
  readonly sidecarId: string
  readonly programVersion: string
}

const MAX_LISTENERS = 64
/** When a withdrawal could not be stored, it is tried again. */
const RETRY_MS = 5_000
const DAY_MS = 24 * 60 * 60 * 1000

interface Entry {
  record: SidecarRecord
  connected: boolean
  /** What it showed last. */
  peer: VerifiedPeer | undefined
  /** Takes its endpoints away when the sidecar does not come back. */
  grace: Timer | undefined
}

/**
 * Which sidecars there are and where their inbound listeners are. Listeners are stored, so that a restart of the control
 * server takes no endpoint away: they stay for the grace period, in which their sidecars come back and say so.
 */
export class SidecarRegistry {
  readonly #entries = new Map<SpiffeId, Map<string, Entry>>()
  readonly #store: Store
  readonly #catalogue: Catalogue
  readonly #clock: Clock
  readonly #graceMs: number
  readonly #log: Logger

  constructor(store: Store, catalogue: Catalogue, clock: Clock, graceMs: number, log: Logger) {
    this.#store = store
    this.#catalogue = catalogue
    this.#clock = clock
    this.#graceMs = graceMs
    this.#log = log
    for (const record of store.sidecars()) {
      const entry: Entry = { record, connected: false, peer: undefined, grace: undefined }
      this.#group(record.spiffeId).set(record.sidecarId, entry)
      this.#startGrace(entry, graceMs)
    }
  }

  endpointsOf(id: SpiffeId): readonly Endpoint[] {
    return [...(this.#entries.get(id)?.values() ?? [])].flatMap(({ record }) => record.listeners)
  }

  *records(): Iterable<Readonly<Pick<Entry, 'record' | 'connected' | 'peer'>>> {
    for (const group of this.#entries.values()) yield* group.values()
  }

  connected(sidecar: Introduced): void {
    const entry = this.#entry(sidecar)
    entry.connected = true
    entry.peer = sidecar.peer
    entry.record = { ...entry.record, programVersion: sidecar.programVersion, lastSeenMs: this.#clock.now() }
  }

  /** Errors: `too-many-listeners`, `listener-invalid`, and those of the store. */
  listening(sidecar: Introduced, reported: readonly InboundListener__Output[]): void {
    const entry = this.#entry(sidecar)
    this.#keep(entry, endpoints(reported))
    entry.grace?.cancel()
    entry.grace = undefined
  }

  draining(sidecar: Introduced): void {
    this.#keep(this.#entry(sidecar), [])
  }

  lost(sidecar: Introduced): void {
    const entry = this.#entry(sidecar)
    entry.connected = false
    entry.record = { ...entry.record, lastSeenMs: this.#clock.now() }
    this.#startGrace(entry, this.#graceMs)
  }

  /** Forgets sidecars that have been away for a day. */
  prune(): void {
    const longAgo = this.#clock.now() - DAY_MS
    for (const [spiffeId, group] of this.#entries) {
      for (const [sidecarId, { record, connected }] of group) {
        if (connected || record.listeners.length > 0 || record.lastSeenMs > longAgo) continue
        this.#store.forgetSidecar(spiffeId, sidecarId)
        group.delete(sidecarId)
      }
      if (group.size === 0) this.#entries.delete(spiffeId)
    }
  }

  close(): void {
    for (const group of this.#entries.values()) for (const { grace } of group.values()) grace?.cancel()
  }

  #entry({ peer, sidecarId, programVersion }: Introduced): Entry {
    const group = this.#group(peer.id)
    let entry = group.get(sidecarId)
    if (entry === undefined) {
      const lastSeenMs = this.#clock.now()
      const record = { spiffeId: peer.id, sidecarId, programVersion, lastSeenMs, listeners: [] }
      entry = { record, connected: false, peer, grace: undefined }
      group.set(sidecarId, entry)
    }
    return entry
  }

  #group(id: SpiffeId): Map<string, Entry> {
    let group = this.#entries.get(id)
    if (group === undefined) {
      group = new Map()
      this.#entries.set(id, group)
    }
    return group
  }

  #startGrace(entry: Entry, delayMs: number): void {
    entry.grace?.cancel()
    entry.grace = undefined
    if (entry.record.listeners.length === 0) return
    const { spiffeId, sidecarId } = entry.record
    entry.grace = this.#clock.after(delayMs, () => {
      entry.grace = undefined
      try {
        this.#keep(entry, [])
        this.#log.warn({ spiffeId, sidecarId }, 'the sidecar did not come back: its endpoints are withdrawn')
      } catch (thrown) {
        this.#log.error({ spiffeId, sidecarId, error: describeError(thrown) }, 'endpoints could not be withdrawn')
        this.#startGrace(entry, RETRY_MS)
      }
    })
  }

  /** Stores the listeners, when they are others, and that the services of the workload resolve differently. */
  #keep(entry: Entry, listeners: readonly Endpoint[]): void {
    const { record } = entry
    if (JSON.stringify(listeners) === JSON.stringify(record.listeners)) return
    const next = { ...record, listeners, lastSeenMs: this.#clock.now() }
    const workload = this.#catalogue.workloadOf(record.spiffeId)
    const touched = workload === undefined ? [] : [...this.#catalogue.servedBy(workload.metadata)].map(nameOf)
    this.#store.commit({ sidecar: next, touched }, this.#clock.now())
    entry.record = next
  }
}

function endpoints(reported: readonly InboundListener__Output[]): readonly Endpoint[] {
  if (reported.length > MAX_LISTENERS) {
    throw new OutriderError('too-many-listeners', `a sidecar may have ${MAX_LISTENERS} inbound listeners`)
  }
  return reported.map(({ address, port, appPort }, index) => {
    const host = parseHost(address)
    if (host === undefined || isUnspecified(host) || !isPort(port) || !isPort(appPort)) {
      throw new OutriderError(
        'listener-invalid',
        `${address}:${port} for port ${appPort} is not a place to connect to`,
        {
          place: `listeners[${index}]`,
        },
      )
    }
    return { address: host, port, appPort }
  })
}

function isPort(value: number): boolean {
  return value >= 1 && value <= 65_535
}
