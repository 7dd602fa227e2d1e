import { OutriderError } from '../../lib/errors.ts'
import type { Random } from '../../lib/random.ts'
import type { PolicyHandlers } from '../../rpc/handler.ts'
import type { Logger } from '../../telemetry/log.ts'
import { kinds, nameOf, type ResourceName } from '../../policy/model.ts'
import type { ControlMetrics } from '../metrics.ts'
import type { Commit } from '../store/store.ts'
import type { SidecarRegistry } from '../sidecars.ts'
import { checkNotRevoked, revocationOf } from './revoked.ts'
import { concerns } from './catalogue.ts'
import type { HeldResource } from './diff.ts'
import type { Mesh } from './mesh.ts'
import type { TrafficHealth } from './canary-judge.ts'
import type { Overlay } from './overlay.ts'
import { unregistered, update } from './path.ts'
import { Session, type SessionEvents, type SessionOptions } from './session.ts'

export interface SessionsOptions extends SessionOptions {
  readonly maxSidecars: number
}

/** What becomes of the sessions, for who has to follow them. */
export interface SessionObserver {
  /** Its sidecar has said who it is, and is given its first update next. */
  joined(session: Session): void
  /** After a NACK its violations tell why. */
  answered(session: Session, result: 'acked' | 'nacked'): void
  health(session: Session, report: TrafficHealth & { readonly revision: number }): void
  left(session: Session): void
}

/** As `SessionObserver`, for who keeps account of all of them; there may be several. */
export interface SessionFollower {
  joined(session: Session): void
  /** `names`: of the resources that the answered update brought. */
  answered(session: Session, names: readonly ResourceName[]): void
  left(session: Session): void
}

/** All policy streams of this control server. */
export class Sessions {
  readonly #sessions = new Map<string, Session>()
  readonly #mesh: Mesh
  readonly #sidecars: SidecarRegistry
  readonly #options: SessionsOptions
  readonly #random: Random
  readonly #log: Logger
  readonly #metrics: ControlMetrics
  readonly #events: SessionEvents
  /** What some sidecars are given in place of what is stored. */
  overlay: Overlay | undefined
  #observer: SessionObserver | undefined
  readonly #followers = new Set<SessionFollower>()

  constructor(
    mesh: Mesh,
    sidecars: SidecarRegistry,
    options: SessionsOptions,
    random: Random,
    log: Logger,
    metrics: ControlMetrics,
  ) {
    this.#mesh = mesh
    this.#sidecars = sidecars
    this.#options = options
    this.#random = random
    this.#log = log
    this.#metrics = metrics
    this.#events = {
      hello: (session) => this.#admit(session),
      due: (session) => update(session, mesh, this.overlay?.holds(keyOf(session)) ? this.overlay : undefined),
      listening: (session, listeners) => sidecars.listening(session, listeners),
      draining: (session) => sidecars.draining(session),
      health: (session, report) => this.#observer?.health(session, report),
      apiKeysUsed: (session, uses) => this.#apiKeysUsed(session, uses),
      answered: (session, result, names) => this.#answered(session, result, names),
      failed: (session, thrown) => this.#failed(session, thrown),
      closed: (session) => this.#closed(session),
    }
    mesh.store.watch((commit) => this.#wake(commit))
  }

  /** The handler of `PolicyService.Subscribe`. */
  readonly subscribe: PolicyHandlers['subscribe'] = (stream, { peer }) => {
    const { store, catalogue, clock, source } = this.#mesh
    source?.checkReady()
    if (catalogue.workloadOf(peer.id) === undefined) throw unregistered(peer.id)
    checkNotRevoked(catalogue, peer.id, peer.serial)
    // The session keeps itself alive through the listeners of its stream.
    const session = new Session(stream, peer, this.#options, this.#events, clock, this.#random)
    this.#log.debug({ spiffeId: session.peer.id, revision: store.revision }, 'policy stream opened')
  }

  get size(): number {
    return this.#sessions.size
  }

  all(): Iterable<Session> {
    return this.#sessions.values()
  }

  get(spiffeId: string, sidecarId: string): Session | undefined {
    return this.#sessions.get(sessionKey(spiffeId, sidecarId))
  }

  /** Returns the way out. */
  follow(follower: SessionFollower): () => void {
    this.#followers.add(follower)
    return () => this.#followers.delete(follower)
  }

  /** There is one observer at a time; `undefined` ends it. */
  observe(observer: SessionObserver | undefined): void {
    this.#observer = observer
  }

  /** The store has got as far as it was asked to: whoever waits for that is looked at again. */
  wakeNew(): void {
    for (const session of this.#sessions.values()) if (session.isNew) session.wake()
  }

  /** What is not to be taken away from sidecars has changed. */
  wakeAll(): void {
    for (const session of this.#sessions.values()) session.wake()
  }

  #admit(session: Session): void {
    const { maxSidecars } = this.#options
    const key = keyOf(session)
    const previous = this.#sessions.get(key)
    if (previous === undefined && this.#sessions.size >= maxSidecars) {
      throw new OutriderError('too-many-sidecars', `${maxSidecars} sidecars are connected, and that is the limit`, {
        retryable: true,
      })
    }
    this.#sessions.set(key, session)
    if (previous !== undefined) {
      this.#log.warn(describe(session), 'a second stream of the same sidecar takes the place of the first')
      previous.end(new OutriderError('stream-replaced', 'another stream with this SPIFFE ID and sidecar ID was opened'))
    }
    this.#sidecars.connected(session)
    this.#metrics.sidecarsConnected.set(this.#sessions.size)
    this.#log.info(describe(session), 'sidecar connected')
    this.#observer?.joined(session)
    for (const follower of this.#followers) follower.joined(session)
  }

  #wake({ changes, touched }: Commit): void {
    const { catalogue } = this.#mesh
    this.#metrics.storeRevision.set(this.#mesh.store.revision)
    const names = [
      ...changes.map((change) => (change.kind === 'put' ? nameOf(change.resource) : change.name)),
      ...touched,
    ]
    const revokes = names.some(({ kind }) => kind === 'Revocation')
    for (const session of this.#sessions.values()) {
      const workload = catalogue.workloadOf(session.peer.id)
      const { id, serial } = session.peer
      const revoked = revokes ? revocationOf(catalogue, id, serial) : undefined
      if (revoked !== undefined) session.end(revoked)
      else if (workload === undefined) session.end(unregistered(session.peer.id))
      else if (names.some((name) => concerns(name, workload))) session.wake()
    }
  }

  /** A sidecar speaks for the keys that its own workload accepts, and for no others. */
  #apiKeysUsed(session: Session, uses: ReadonlyMap<string, number>): void {
    const { store, catalogue } = this.#mesh
    const workload = catalogue.workloadOf(session.peer.id)
    if (workload === undefined) return
    const accepted = catalogue
      .governing(workload.metadata)
      .flatMap((resource) => (resource.kind === 'ApiKey' ? resource.spec.secrets : []))
    const known = new Set(accepted.map(({ id }) => id))
    const counted = new Map([...uses].filter(([id]) => known.has(id)))
    if (counted.size > 0) store.recordApiKeyUses(counted)
  }

  #answered(session: Session, result: 'acked' | 'nacked' | 'stale', names: readonly HeldResource['name'][]): void {
    this.#metrics.policyPushes.with({ result }).inc()
    // Of kinds that this version knows: others it has only taken away.
    const known = names.flatMap((name) => kinds.filter((kind) => kind === name.kind).map((kind) => ({ ...name, kind })))
    for (const follower of this.#followers) follower.answered(session, known)
    if (result !== 'stale') this.#observer?.answered(session, result)
    const fields = { ...describe(session), revision: session.sentRevision }
    switch (result) {
      case 'acked':
        return this.#log.debug(fields, 'the sidecar runs the update')
      case 'nacked':
        return this.#log.error({ ...fields, violations: session.violations }, 'the sidecar refused an update')
      case 'stale':
        return this.#log.warn(fields, 'an answer to no update in flight is ignored')
    }
  }

  #failed(session: Session, thrown: unknown): OutriderError {
    if (thrown instanceof OutriderError) return thrown
    this.#log.error({ ...describe(session), error: thrown }, 'a policy stream failed')
    return new OutriderError('internal-error', 'internal error; the log of the control server has more', {
      source: 'internal',
      cause: thrown,
    })
  }

  #closed(session: Session): void {
    const key = keyOf(session)
    // A stream that was replaced, or that was not let in, takes nothing with it.
    if (this.#sessions.get(key) !== session) return
    this.#sessions.delete(key)
    this.#sidecars.lost(session)
    this.#metrics.sidecarsConnected.set(this.#sessions.size)
    this.#log.info(describe(session), 'sidecar disconnected')
    this.#observer?.left(session)
    for (const follower of this.#followers) follower.left(session)
  }
}

/** Names a sidecar among all. */
export function sessionKey(spiffeId: string, sidecarId: string): string {
  return `${spiffeId} ${sidecarId}`
}

function keyOf({ peer, sidecarId }: Session): string {
  return sessionKey(peer.id, sidecarId)
}

function describe({ peer, sidecarId }: Session): { spiffeId: string; sidecarId: string } {
  return { spiffeId: peer.id, sidecarId }
}
