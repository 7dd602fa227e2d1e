import { hostname } from 'node:os'
import type { ControlConfig } from '../../config/control.ts'
import { parseTrustDomain } from '../../identity/spiffe-id.ts'
import type { ApiClient } from '../../kubernetes/client.ts'
import type { Clock } from '../../lib/clock.ts'
import { OutriderError } from '../../lib/errors.ts'
import type { Random } from '../../lib/random.ts'
import type { Logger } from '../../telemetry/log.ts'
import type { ControlMetrics } from '../metrics.ts'
import type { ClusterState } from '../../wire/outrider/admin/v1/ClusterState.ts'
import type { Mesh, Source } from '../publish/mesh.ts'
import type { Sessions } from '../publish/sessions.ts'
import { Feed } from './feed.ts'
import { countFeed } from './feed-metrics.ts'
import { Leases } from './leases.ts'
import { clusterState } from './report.ts'
import { StatusWriter } from './status.ts'

export interface ClusterSurroundings {
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  readonly metrics: ControlMetrics
}

/** The cluster as the store of policy: everything of it that the control server has to know. */
export class ClusterStore implements Source {
  readonly client: ApiClient
  readonly #config: ControlConfig
  readonly #surroundings: ClusterSurroundings
  /** The store holds what an earlier process has copied: old, and better than nothing. */
  readonly #hasCopy: boolean
  readonly #undo: (() => void)[] = []
  #feed: Feed | undefined
  #leases: Leases | undefined
  #status: StatusWriter | undefined

  constructor(config: ControlConfig, client: ApiClient, surroundings: ClusterSurroundings, hasCopy: boolean) {
    this.#config = config
    this.#surroundings = surroundings
    this.#hasCopy = hasCopy
    this.client = client
  }

  /** Begins to follow the cluster. Once. */
  start(mesh: Mesh, sessions: Sessions): void {
    const { clusterDomain, kubernetesMaxObjects, kubernetesNamespace, kubernetesNamespaces, trustDomain } = this.#config
    const chosen = kubernetesNamespaces?.split(',') ?? []
    const { clock, log, metrics, random } = this.#surroundings
    const feed = new Feed(
      mesh,
      {
        client: this.client,
        trustDomain: parseTrustDomain(trustDomain),
        clusterDomain,
        meshNamespace: kubernetesNamespace,
        namespaces: chosen.length === 0 ? [] : [...new Set([kubernetesNamespace, ...chosen])],
        maxObjects: kubernetesMaxObjects,
        clock,
        random,
        log,
      },
      {
        synced: () => sessions.wakeNew(),
        reached: () => sessions.wakeNew(),
        released: () => sessions.wakeAll(),
        written: (name) => this.#status?.touch(name),
      },
    )
    this.#feed = feed
    const { client, serverName } = this
    const namespace = this.#config.kubernetesNamespace
    const leases = new Leases({ client, namespace, serverName, clock, random, log }, () =>
      this.#status?.serversChanged(),
    )
    const isGone = (server: string): boolean => leases.isGone(server)
    const status = new StatusWriter({ client, feed, mesh, sessions, serverName, isGone, clock, log, metrics })
    this.#leases = leases
    this.#status = status
    this.#undo.push(
      () => feed.close(),
      countFeed(feed, metrics, clock),
      () => leases.close(),
      () => status.close(),
    )
  }

  get notReady(): string | undefined {
    if (this.#hasCopy || this.#feed?.synced === true) return undefined
    const waiting = this.#feed?.collections.filter(({ listed }) => !listed) ?? []
    const first = waiting.find(({ failure }) => failure !== undefined) ?? waiting[0]
    if (first === undefined) return 'what the cluster has is not stored yet'
    const why = first.failure === undefined ? '' : `: ${first.failure.message}`
    return `the cluster has not told of ${waiting.length} types of objects, ${first.name} among them${why}`
  }

  /** Whether a control server of this name is known to be gone. */
  isGone(server: string): boolean {
    return this.#leases?.isGone(server) ?? false
  }

  /** Control servers that are known to be there, besides this one. */
  get otherServers(): readonly string[] {
    return this.#leases?.present ?? []
  }

  checkReady(): void {
    const why = this.notReady
    if (why !== undefined) {
      throw new OutriderError('store-not-synced', `who is in the mesh is not known yet: ${why}`, {
        source: 'dependency',
        retryable: true,
      })
    }
  }

  reach(revision: number): 'known' | 'awaited' | 'beyond' {
    return this.#feed?.reach(revision) ?? 'known'
  }

  isHeldBack(key: string): boolean {
    return this.#feed?.isHeldBack(key) ?? false
  }

  /** How the copy stands; undefined before `start`. */
  get state(): ClusterState | undefined {
    return this.#feed && clusterState(this.#feed, this.serverName)
  }

  get serverName(): string {
    return (
      this.#config.kubernetesServerName ??
      hostname()
        .toLowerCase()
        .replaceAll(/[^a-z0-9.-]/g, '-')
    )
  }

  /** As `close`; the other servers are told that this one is gone. */
  async leave(): Promise<void> {
    this.#status?.close()
    await this.#leases?.release()
  }

  close(): void {
    for (let step = this.#undo.pop(); step !== undefined; step = this.#undo.pop()) step()
  }
}
