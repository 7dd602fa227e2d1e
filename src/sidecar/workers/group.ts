import { randomBytes } from 'node:crypto'
import type { SidecarConfig } from '../../config/sidecar.ts'
import { Backoff } from '../../lib/backoff.ts'
import { type Clock, processMonotonic, type Timer } from '../../lib/clock.ts'
import { describeError } from '../../lib/errors.ts'
import type { PortSharing } from '../../lib/listen.ts'
import type { Random } from '../../lib/random.ts'
import { LOCK_BYTES, releaseLock, ThreadLock } from '../../lib/thread-lock.ts'
import type { Watch } from '../../lib/watch.ts'
import type { Credentials } from '../../mtls/credentials.ts'
import { Lockout } from '../../ratelimit/lockout.ts'
import { TableMaker, TableStore } from '../../ratelimit/tables.ts'
import type { AccessLogSink } from '../../telemetry/access-log.ts'
import type { RootLogger } from '../../telemetry/log.ts'
import { countsOf, mergeSnapshots, type MetricSnapshot } from '../../telemetry/merge.ts'
import { processMetrics, sidecarMetrics } from '../../telemetry/names.ts'
import type { MetricsOf } from '../../telemetry/registry.ts'
import type { KeySetKeeper } from '../authentication/key-sets.ts'
import { ApiKeyUses } from '../authentication/api-key-uses.ts'
import type { Provers } from '../authentication/open.ts'
import { UsedProofs, usedProofsMemory } from '../authentication/used-proofs.ts'
import { atPorts } from '../data-plane.ts'
import { changesBetween } from '../snapshot/changes.ts'
import type { HeldResources, Snapshot } from '../snapshot/snapshot.ts'
import type { AuthorityUses } from '../trust-report.ts'
import type { OpenPorts, ServedConnection, ServedTlsFailure, Traffic } from '../traffic.ts'
import { clearLoad, loadsMemory } from './balance.ts'
import { SinkInTurns } from './lines.ts'
import type { SentPolicy, SharedMemory, ToWorker } from './messages.ts'
import { digestWith, sendCredentials } from './sent.ts'
import { clearTallies, talliesMemory } from './tallies.ts'
import { WorkerThread } from './thread.ts'

export interface WorkerGroupOptions {
  readonly config: SidecarConfig
  /** At least 2. */
  readonly workers: number
  readonly clock: Clock
  readonly random: Random
  readonly log: RootLogger
  readonly metrics: MetricsOf<typeof sidecarMetrics>
  readonly accessLog: AccessLogSink
}

/** The place of one worker; the thread in it may be replaced. */
interface Place {
  /** From 1. */
  readonly worker: number
  readonly backoff: Backoff
  thread: WorkerThread | undefined
  /** Monotonic time since which its ports are open; undefined while they are not. */
  openSinceMs: number | undefined
  /** Of the policy that it enforces. */
  order: number
  /** When it was last asked. */
  counted: MetricSnapshot
  restart: Timer | undefined
}

const RESTART = { initialMs: 500, maxMs: 30_000, jitter: 0.2 }
/** What a thread may take beyond its drain, to write its logs. */
const LAST_WORDS_MS = 5_000

const definitions = [...Object.values(processMetrics), ...Object.values(sidecarMetrics)]

/**
 * Traffic that is served by several worker threads with a data plane each. This thread serves none of it: it holds the identity,
 * the policy stream, the admin endpoint and the logs. A worker that ends is replaced with back-off, and until then the sidecar
 * is not ready; the others go on, with the same policy.
 */
export class WorkerGroup implements Traffic {
  readonly buckets: TableMaker
  readonly #options: WorkerGroupOptions
  readonly #places: readonly Place[]
  readonly #memory: SharedMemory
  readonly #digestSecret = randomBytes(16).toString('hex')
  readonly #accessLog: SinkInTurns
  #unsubscribe: (() => void)[] = []
  /** Order of the newest policy, and the resources that it was made of. */
  #policies = 0
  #held: HeldResources = new Map()
  #awaiting: { readonly order: number; readonly inForce: () => void }[] = []
  #departed: MetricSnapshot = new Map()
  #sources:
    | { readonly credentials: Watch<Credentials>; readonly snapshot: Snapshot; readonly keySets: KeySetKeeper }
    | undefined
  #config: SidecarConfig
  #provers: Provers | undefined
  #closing = false

  constructor(options: WorkerGroupOptions) {
    const { config, workers, random } = options
    this.#options = options
    // Secrets do not cross: a clone of one would be an empty object.
    this.#config = { ...config, joinToken: undefined }
    this.buckets = new TableMaker(config.rateLimitMaxKeys)
    this.#accessLog = new SinkInTurns(options.accessLog)
    this.#memory = {
      lock: new SharedArrayBuffer(LOCK_BYTES),
      tallies: talliesMemory(workers),
      loads: loadsMemory(workers),
      usedProofs: usedProofsMemory(),
    }
    this.#places = Array.from({ length: workers }, (_, index) => ({
      worker: index + 1,
      backoff: new Backoff(RESTART, random),
      thread: undefined,
      openSinceMs: undefined,
      order: 0,
      counted: new Map(),
      restart: undefined,
    }))
  }

  async open(credentials: Watch<Credentials>, snapshot: Snapshot, keySets: KeySetKeeper): Promise<OpenPorts> {
    this.#sources = { credentials, snapshot, keySets }
    this.#held = snapshot.held
    this.#unsubscribe = [
      credentials.subscribe((value) => this.#tell({ kind: 'credentials', credentials: sendCredentials(value) })),
      snapshot.policy.subscribe(() => this.#tellPolicy(snapshot.held)),
      keySets.states.subscribe((states) => this.#tell({ kind: 'key-sets', keySets: states })),
      this.#options.log.levels.subscribe((level) => this.#tell({ kind: 'log-level', level })),
    ]
    const [founder, ...others] = this.#places
    const ports = await this.#start(founder!, 'founds')
    this.#config = atPorts(this.#config, ports)
    await Promise.all(others.map((place) => this.#start(place, 'joins')))
    return ports
  }

  whenInForce(inForce: () => void): void {
    this.#awaiting.push({ order: this.#policies, inForce })
    this.#answerAwaiting()
  }

  get notReady(): string | undefined {
    const missing = this.#places.find(({ openSinceMs }) => openSinceMs === undefined)
    return missing === undefined ? undefined : `worker ${missing.worker} is not running`
  }

  async notLive(): Promise<string | undefined> {
    return this.#askAll((thread) => thread.ask('life')).then(
      () => undefined,
      (error: unknown) => describeError(error),
    )
  }

  async connections(): Promise<readonly ServedConnection[]> {
    const lists = await this.#askAll(async (thread, { worker }) => {
      const { connections } = await thread.ask('connections')
      return connections.map((connection) => ({ ...connection, worker }))
    })
    return lists.flat()
  }

  async tlsFailures(): Promise<readonly ServedTlsFailure[]> {
    const lists = await this.#askAll(async (thread, { worker }) => {
      const { failures } = await thread.ask('tls-failures')
      return failures.map((failure) => ({ ...failure, worker }))
    })
    return lists.flat()
  }

  async authorityUses(): Promise<AuthorityUses> {
    const all = await this.#askAll(async (thread) => (await thread.ask('authority-uses')).uses)
    const uses = new Map<string, number>()
    for (const [authority, connections] of all.flatMap((counted) => [...counted])) {
      uses.set(authority, (uses.get(authority) ?? 0) + connections)
    }
    return uses
  }

  provers(): Provers {
    const { config, workers } = this.#options
    const { snapshot, keySets } = this.#sources!
    if (this.#provers !== undefined) return this.#provers
    // One more holder than there are workers.
    const lock = new ThreadLock(this.#memory.lock, workers + 1)
    const digest = digestWith(this.#digestSecret)
    const store = new TableStore({ maxKeys: config.rateLimitMaxKeys, lock, digest })
    store.adopt(this.buckets.tables)
    this.#unsubscribe.push(snapshot.policy.subscribe(() => store.adopt(this.buckets.tables)))
    const usedProofs = new UsedProofs({ memory: this.#memory.usedProofs, lock, digest, monotonic: processMonotonic })
    this.#provers = {
      sources: { keySets: keySets.states, wantKeys: (uri) => keySets.want(uri), usedProofs },
      lockout: new Lockout(processMonotonic, store),
      apiKeyUses: new ApiKeyUses(),
    }
    return this.#provers
  }

  async takeApiKeyUses(): Promise<ReadonlyMap<string, number>> {
    const answers = await this.#askAll(async (thread) => (await thread.ask('api-key-uses')).uses)
    const all = [...answers, this.#provers?.apiKeyUses.take() ?? new Map<string, number>()]
    const uses = new Map<string, number>()
    for (const [id, lastMs] of all.flatMap((taken) => [...taken])) uses.set(id, Math.max(lastMs, uses.get(id) ?? 0))
    return uses
  }

  async metrics(): Promise<readonly MetricSnapshot[]> {
    await this.#askAll(async (thread, place) => {
      const { metrics } = await thread.ask('metrics')
      if (place.thread === thread) place.counted = metrics
    })
    return [this.#departed, ...this.#places.map(({ counted }) => counted)]
  }

  async drain(): Promise<boolean> {
    const withinMs = this.#options.config.drainTimeoutMs + LAST_WORDS_MS
    this.#stopReplacing()
    const inTime = await this.#askAll((thread) => thread.drain(withinMs))
    await this.destroy()
    return inTime.every(Boolean)
  }

  async destroy(): Promise<void> {
    this.#stopReplacing()
    for (const stop of this.#unsubscribe.splice(0)) stop()
    await this.#askAll((thread) => thread.end())
    this.#accessLog.close()
  }

  #stopReplacing(): void {
    this.#closing = true
    for (const { restart } of this.#places) restart?.cancel()
  }

  #askAll<T>(ask: (thread: WorkerThread, place: Place) => Promise<T>): Promise<T[]> {
    return Promise.all(this.#places.flatMap((place) => (place.thread === undefined ? [] : [ask(place.thread, place)])))
  }

  #tell(message: ToWorker): void {
    for (const { thread } of this.#places) thread?.post(message)
  }

  /** Each worker has what was sent before: only what is different now travels, and arrives in the same order. */
  #tellPolicy(held: HeldResources): void {
    const changes = changesBetween(this.#held, held)
    const base = this.#policies
    this.#policies += 1
    this.#held = held
    this.#tell({ kind: 'policy', policy: { order: this.#policies, base, ...changes, tables: this.buckets.tables } })
  }

  #wholePolicy(): SentPolicy {
    const changed = [...this.#held]
    return { order: this.#policies, base: undefined, changed, removed: [], tables: this.buckets.tables }
  }

  /** Starts the thread of a place with what is true now; what changes from here on is told to it. */
  async #start(place: Place, ports: PortSharing): Promise<OpenPorts> {
    const { workers, clock, log } = this.#options
    const { credentials, keySets } = this.#sources!
    const { worker } = place
    const policy = this.#wholePolicy()
    const start = {
      worker,
      workers,
      config: this.#config,
      ports,
      logLevel: log.level,
      memory: this.#memory,
      digestSecret: this.#digestSecret,
      credentials: sendCredentials(credentials.current),
      policy,
      keySets: keySets.states.current,
    }
    const thread = new WorkerThread(start, clock, {
      onInForce: (order) => {
        place.order = order
        this.#answerAwaiting()
      },
      onKeysWanted: (uri) => keySets.want(uri),
      onLines: (kind, lines, written) => {
        if (kind === 'access-log') this.#accessLog.write(lines, (error) => written(error?.message))
        else {
          log.relay(lines)
          written()
        }
      },
      onEnded: (reason) => this.#onEnded(place, reason),
    })
    place.thread = thread
    place.order = policy.order
    const opened = await thread.open
    place.openSinceMs = clock.monotonic()
    return opened
  }

  #onEnded(place: Place, reason: Error): void {
    const { openSinceMs, worker, counted, backoff } = place
    place.thread = undefined
    place.openSinceMs = undefined
    place.counted = new Map()
    releaseLock(this.#memory.lock, worker)
    clearTallies(this.#memory.tallies, worker - 1)
    clearLoad(this.#memory.loads, worker - 1)
    this.#departed = mergeSnapshots(definitions, [this.#departed, countsOf(definitions, counted)])
    this.#answerAwaiting()
    // While it was being started, whoever did that is told.
    if (openSinceMs === undefined) return
    if (this.#options.clock.monotonic() - openSinceMs > RESTART.maxMs) backoff.reset()
    this.#replace(place, reason)
  }

  #replace(place: Place, error: unknown): void {
    if (this.#closing) return
    const { clock, log } = this.#options
    const { worker, backoff } = place
    const retryInMs = Math.round(backoff.next())
    log.error({ worker, error, retryInMs }, 'a worker has ended: not ready until another one has its place')
    place.restart = clock.after(retryInMs, () => void this.#restart(place))
  }

  async #restart(place: Place): Promise<void> {
    const { log, metrics } = this.#options
    try {
      await this.#start(place, 'joins')
      metrics.workerRestarts.inc()
      log.info({ worker: place.worker }, 'worker replaced')
    } catch (error) {
      this.#replace(place, error)
    }
  }

  #answerAwaiting(): void {
    const running = this.#places.filter(({ thread }) => thread !== undefined)
    const reached = Math.min(...running.map(({ order }) => order))
    const answered = this.#awaiting.filter(({ order }) => order <= reached)
    this.#awaiting = this.#awaiting.filter(({ order }) => order > reached)
    for (const { inForce } of answered) inForce()
  }
}
