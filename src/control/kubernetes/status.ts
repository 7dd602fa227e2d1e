import type { ApiClient } from '../../kubernetes/client.ts'
import { ApiError } from '../../kubernetes/failure.ts'
import type { Clock, Timer } from '../../lib/clock.ts'
import { describeError } from '../../lib/errors.ts'
import { type ResourceName, resourceKey } from '../../policy/model.ts'
import type { Logger } from '../../telemetry/log.ts'
import type { ControlMetrics } from '../metrics.ts'
import type { Mesh } from '../publish/mesh.ts'
import type { Session } from '../publish/session.ts'
import type { Sessions } from '../publish/sessions.ts'
import type { Feed } from './feed.ts'
import { countsOf, resourcesFor } from './status-counts.ts'
import { nextStatus, serversIn } from './status-document.ts'
import { typeOfKind } from './types.ts'

export interface StatusOptions {
  readonly client: ApiClient
  readonly feed: Feed
  readonly mesh: Mesh
  readonly sessions: Sessions
  readonly serverName: string
  /** Of servers: their entries are taken out. */
  readonly isGone: (server: string) => boolean
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: ControlMetrics
}

/** A change waits so long for others of its resource. */
const DEBOUNCE_MS = 1_000
/** Writes in each of these times: a mesh that changes as a whole must not take the API server from everybody else. */
const MAX_WRITES = 20
const AT_ONCE = 5
/** After a round in which writes failed; doubles up to the second. */
const PAUSE_MS = { least: 2_000, most: 30_000 }

/**
 * Writes back to each custom resource what became of it. Every control server writes what it knows itself, sums with what the others have
 * written, and takes part in conflicts: whoever is late reads again and tries once more in the next round.
 */
export class StatusWriter {
  readonly #options: StatusOptions
  readonly #dirty = new Map<string, ResourceName>()
  readonly #unfollow: () => void
  #timer: Timer | undefined
  #closed = false
  #pauseMs = 0
  #failed = false

  constructor(options: StatusOptions) {
    const { sessions } = options
    this.#options = options
    this.#unfollow = sessions.follow({
      joined: (session) => this.#touchAllOf(session),
      answered: (_, names) => {
        for (const name of names) this.touch(name)
      },
      left: (session) => this.#touchAllOf(session),
    })
  }

  /** Something about this resource may have to be written. */
  touch(name: ResourceName): void {
    if (this.#closed || this.#options.feed.written.get(name) === undefined) return
    this.#dirty.set(resourceKey(name), name)
    this.#arm(DEBOUNCE_MS)
  }

  /** Another server came or went: what names one that is gone is written anew. */
  serversChanged(): void {
    const { feed, isGone } = this.#options
    for (const { name, status } of feed.written.all()) if (serversIn(status).some(isGone)) this.touch(name)
  }

  close(): void {
    this.#closed = true
    this.#unfollow()
    this.#timer?.cancel()
  }

  #touchAllOf({ peer }: Session): void {
    const { mesh } = this.#options
    const workload = mesh.catalogue.workloadOf(peer.id)
    if (workload !== undefined) for (const name of resourcesFor(workload, mesh)) this.touch(name)
  }

  #arm(delayMs: number): void {
    if (this.#closed) return
    this.#timer ??= this.#options.clock.after(Math.max(delayMs, this.#pauseMs), () => void this.#round())
  }

  async #round(): Promise<void> {
    this.#failed = false
    try {
      const writes = this.#take()
      for (let from = 0; from < writes.length && !this.#closed; from += AT_ONCE) {
        // oxlint-disable-next-line no-await-in-loop -- a few at a time, on purpose
        await Promise.all(writes.slice(from, from + AT_ONCE).map((write) => write()))
      }
    } catch (thrown) {
      // Status is for people: nothing else may end with it.
      this.#options.log.error({ error: describeError(thrown) }, 'the status of resources could not be made')
    }
    this.#pauseMs = this.#failed ? Math.min(PAUSE_MS.most, Math.max(PAUSE_MS.least, this.#pauseMs * 2)) : 0
    this.#timer = undefined
    if (this.#dirty.size > 0) this.#arm(DEBOUNCE_MS)
  }

  #take(): readonly (() => Promise<void>)[] {
    const writes: (() => Promise<void>)[] = []
    for (const [key, name] of this.#dirty) {
      if (writes.length >= MAX_WRITES) break
      this.#dirty.delete(key)
      const write = this.#writeOf(name)
      if (write !== undefined) writes.push(write)
    }
    return writes
  }

  /** undefined: what is there is right. */
  #writeOf(name: ResourceName): (() => Promise<void>) | undefined {
    const { feed, mesh, sessions, serverName, isGone, clock } = this.#options
    const object = feed.written.get(name)
    // Told again when it is judged.
    if (object === undefined || object.judged !== object.generation) return undefined
    const observation = {
      server: serverName,
      generation: object.generation,
      heldBack: feed.heldBack(name),
      counts: countsOf(name, sessions.all(), mesh),
    }
    const status = nextStatus(object.status, observation, isGone, clock.now())
    if (status === undefined) return undefined
    const patch = { metadata: { resourceVersion: object.resourceVersion, uid: object.uid }, status }
    return () => this.#write(name, patch)
  }

  async #write(name: ResourceName, patch: object): Promise<void> {
    const { client, feed, metrics, log } = this.#options
    const type = typeOfKind(name.kind)
    try {
      feed.written.seen(
        name.kind,
        await client.mergePatch(type, name.name, name.namespace, patch, { subresource: 'status' }),
      )
      metrics.kubernetesStatusWrites.with({ result: 'written' }).inc()
    } catch (thrown) {
      if (this.#closed) return
      if (thrown instanceof ApiError && thrown.code === 'kubernetes-conflict') {
        metrics.kubernetesStatusWrites.with({ result: 'conflict' }).inc()
        await this.#readAgain(name)
        return
      }
      // It is gone; the watch says so too.
      if (thrown instanceof ApiError && thrown.status === 404) return
      metrics.kubernetesStatusWrites.with({ result: 'failed' }).inc()
      if (this.#pauseMs === 0 && !this.#failed)
        log.warn({ ...name, error: describeError(thrown) }, 'the status of a resource was not written')
      // The same again would be refused again: it waits for the next change of the resource, and nobody else for it.
      if (thrown instanceof ApiError && thrown.code === 'kubernetes-refused' && !thrown.retryable) return
      this.#failed = true
      this.#dirty.set(resourceKey(name), name)
    }
  }

  /** The next round then starts from what the other one has written; the watch may be behind. */
  async #readAgain(name: ResourceName): Promise<void> {
    const { client, feed } = this.#options
    try {
      const object = await client.get(typeOfKind(name.kind), name.name, name.namespace)
      if (object !== undefined) feed.written.seen(name.kind, object)
    } catch {
      // The watch tells it, if later.
    }
    this.#dirty.set(resourceKey(name), name)
  }
}
