import type { TrustDomain } from '../../identity/spiffe-id.ts'
import type { ApiClient } from '../../kubernetes/client.ts'
import { keyOf } from '../../kubernetes/objects.ts'
import { reflect, type Reflector } from '../../kubernetes/reflect.ts'
import type { Clock, Timer } from '../../lib/clock.ts'
import { describeError } from '../../lib/errors.ts'
import type { Random } from '../../lib/random.ts'
import { nameOf, type ResourceName, resourceKey } from '../../policy/model.ts'
import type { Logger } from '../../telemetry/log.ts'
import { commit } from '../publish/commit.ts'
import type { Mesh } from '../publish/mesh.ts'
import type { Change } from '../store/store.ts'
import { admitInRounds, type Candidate, type HeldBack } from './admit-in-rounds.ts'
import { ClusterIndex } from './cluster-index.ts'
import { Collection, type CollectionSink } from './collection.ts'
import { Desired } from './desired.ts'
import { explained } from './missing-types.ts'
import { nameIn, type Part, partsOf } from './parts.ts'
import { Progress, type ProgressPart } from './progress.ts'
import { WrittenObjects } from './written.ts'

export interface FeedOptions {
  readonly client: ApiClient
  readonly trustDomain: TrustDomain
  readonly clusterDomain: string
  /** Of the control servers: what concerns the whole mesh is taken there alone. */
  readonly meshNamespace: string
  /** None: all. */
  readonly namespaces: readonly string[]
  readonly maxObjects: number
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
}

/** What one collection was told. */
interface Told {
  readonly part: ProgressPart
  readonly revision: number
  readonly lists: number
}

export interface FeedEvents {
  /** The store was brought in step with the cluster for the first time. */
  synced(): void
  /** `Source.reach` may say something else now. */
  reached(): void
  /** A resource that was held back, and of which the store had nothing, is gone: what sidecars have of it goes too. */
  released(): void
  /** What is known of this custom resource has changed: whether it is served, or what the cluster has of it. */
  written(name: ResourceName): void
}

/** The objects of one event come together, such as those of a roll-out. */
const DEBOUNCE_MS = 20
/** When the store does not take what there is. */
const RETRY_MS = 1_000

/**
 * Keeps the store equal to the cluster. The cluster is the source: what is deleted there is deleted here, and what is not valid there is
 * held back, while the last form that was stays in force. Nothing is stored and nothing deleted before every collection was listed.
 */
export class Feed {
  readonly collections: readonly Collection[]
  readonly written: WrittenObjects
  readonly #options: FeedOptions
  readonly #mesh: Mesh
  readonly #events: FeedEvents
  readonly #index = new ClusterIndex()
  readonly #desired: Desired
  readonly #progress: Progress
  readonly #reflectors: readonly Reflector[]
  /** Not served in the form that the cluster has, by resource key. */
  #held: ReadonlyMap<string, HeldBack> = new Map()
  /** Named by the cluster and not dealt with, as after a write that failed. */
  readonly #waiting = new Map<string, ResourceName>()
  /** Deleted in the cluster: what is stored of them goes, also where a derived one takes their name and cannot be served. */
  readonly #deleted = new Set<string>()
  /** Of the latest object that may come to something. */
  #newest = 0
  /** What the collections were told since the store was last brought in step. */
  readonly #told = new Map<ProgressPart, { revision: number; lists: number }>()
  #timer: Timer | undefined
  #working = false
  #again = false
  #synced = false
  #closed = false

  constructor(mesh: Mesh, options: FeedOptions, events: FeedEvents) {
    const { clock, trustDomain, clusterDomain, meshNamespace, namespaces } = options
    this.#mesh = mesh
    this.#options = options
    this.#events = events
    this.#desired = new Desired(this.#index, trustDomain, clusterDomain)
    this.written = new WrittenObjects(this.#desired, meshNamespace)
    this.#progress = new Progress(() => this.#events.reached())
    const collections: Collection[] = []
    const reflectors: Reflector[] = []
    for (const namespace of namespaces.length === 0 ? [undefined] : namespaces) {
      for (const { type, slim, sink } of partsOf(this.#index, this.written, trustDomain)) {
        const collection = new Collection(type, namespace, clock)
        collections.push(collection)
        reflectors.push(this.#reflect(collection, slim, sink))
      }
    }
    this.collections = collections
    this.#reflectors = reflectors
  }

  /** The store is in step with the cluster, or was. */
  get synced(): boolean {
    return this.#synced
  }

  /** Everything up to this revision is in the store; 0: nothing is known yet. */
  get known(): number {
    return this.#progress.known
  }

  /** Custom resources that are not served as they are written. */
  get held(): readonly HeldBack[] {
    return [...this.#held.values()]
  }

  /** As `Source.isHeldBack`. */
  isHeldBack(key: string): boolean {
    const held = this.#held.get(key)
    return held !== undefined && this.#mesh.store.get(held.name) === undefined
  }

  /** Why it is not; undefined: it is, or there is none. */
  heldBack(name: ResourceName): HeldBack | undefined {
    return this.#held.get(resourceKey(name))
  }

  reach(revision: number): 'known' | 'awaited' | 'beyond' {
    // What the store had when this process started: nothing says what of it was whole.
    if (!this.#synced && revision <= this.#mesh.store.revision) return 'known'
    return this.#progress.reach(revision)
  }

  close(): void {
    this.#closed = true
    this.#timer?.cancel()
    for (const reflector of this.#reflectors) reflector.close()
  }

  #reflect(collection: Collection, slim: Part['slim'], part: Part['sink']): Reflector {
    const { client, maxObjects, clock, random, log } = this.#options
    const { type, namespace } = collection
    let reflector: Reflector | undefined = undefined
    const progress = this.#progress.add(() => reflector?.relist())
    this.#told.set(progress, { revision: 0, lists: 0 })
    const sink: CollectionSink = {
      put: (object, revision) => {
        if (part.put(object)) this.#noticed(revision)
        // What was written back to it by others is known at once; what it says, when it is judged.
        else if (part.kind !== undefined) this.#events.written(nameIn(part.kind, keyOf(object)))
      },
      delete: (key, revision) => {
        if (part.kind !== undefined) this.#deleted.add(resourceKey(nameIn(part.kind, key)))
        if (part.delete(key)) this.#noticed(revision)
      },
      told: (revision, listed) => {
        const told = this.#told.get(progress)!
        told.revision = Math.max(told.revision, revision)
        if (listed) {
          told.lists += 1
          this.#due()
        }
        // It counts once it is stored: who waits for this revision is looked at then.
        if (this.#timer === undefined && !this.#working) this.#tell(this.#takeTold())
      },
      state: (changed) => this.#stateChanged(changed),
    }
    reflector = reflect(
      client,
      { type, maxObjects, slim, ...(namespace === undefined ? {} : { namespace }) },
      collection.events(sink),
      { clock, random, log },
    )
    return reflector
  }

  #takeTold(): readonly Told[] {
    const taken = [...this.#told].map(([part, { revision, lists }]) => ({ part, revision, lists }))
    for (const told of this.#told.values()) told.lists = 0
    return taken
  }

  #tell(told: readonly Told[]): void {
    for (const { part, revision, lists } of told) part.told(revision, lists)
  }

  #noticed(revision: number): void {
    this.#newest = Math.max(this.#newest, revision)
    this.#due()
  }

  #due(delayMs: number = DEBOUNCE_MS): void {
    this.#again = true
    if (this.#working || this.#closed || !this.collections.every(({ listed }) => listed)) return
    this.#timer ??= this.#options.clock.after(delayMs, () => {
      this.#timer = undefined
      void this.#work()
    })
  }

  async #work(): Promise<void> {
    const { log } = this.#options
    this.#working = true
    this.#again = false
    const told = this.#takeTold()
    try {
      await this.#reconcile()
      this.#tell(told)
      if (!this.#synced) {
        this.#synced = true
        log.info(
          { revision: this.#mesh.store.revision, ...this.#desired.derived },
          'the store is in step with the cluster',
        )
        this.#events.synced()
      }
    } catch (thrown) {
      if (this.#closed) return
      // Nothing is lost: what was not stored is waiting still.
      for (const { part, lists } of told) this.#told.get(part)!.lists += lists
      log.error({ error: describeError(thrown) }, 'what the cluster has could not be stored')
      this.#working = false
      this.#due(RETRY_MS)
      return
    }
    this.#working = false
    if (this.#again) this.#due()
  }

  async #reconcile(): Promise<void> {
    const { store } = this.#mesh
    for (const name of this.#desired.takeDirty()) this.#waiting.set(resourceKey(name), name)
    if (!this.#synced) {
      // What the copy has and the cluster has not.
      for (const { resource } of store.list()) this.#waiting.set(resourceKey(nameOf(resource)), nameOf(resource))
    }
    const names = new Map(this.#waiting)
    // Endpoints come and go; anything else may be what others waited for.
    if ([...names.values()].some(({ kind }) => kind !== 'Service'))
      for (const [key, { name }] of this.#held) names.set(key, name)
    const generations = new Map([...names].map(([key, name]) => [key, this.written.get(name)?.generation ?? 0]))
    const candidates: Candidate[] = []
    const deletions: ResourceName[] = []
    for (const name of names.values()) {
      const wanted = this.#desired.want(name)
      if (wanted === 'held') continue
      if (wanted !== undefined) candidates.push({ name, ...wanted })
      else if (store.get(name) !== undefined) deletions.push(name)
    }
    const revision = Math.max(store.revision, this.#newest)
    const held = await admitInRounds(candidates, deletions, this.#mesh, (changes) => this.#store(changes, revision))
    const left = [...held.values()].filter(({ name }) => {
      const key = resourceKey(name)
      return this.#deleted.has(key) && this.written.get(name) === undefined && store.get(name) !== undefined
    })
    if (left.length > 0)
      this.#store(
        left.map(({ name }): Change => ({ kind: 'delete', name })),
        revision,
      )
    for (const key of names.keys()) this.#deleted.delete(key)
    this.#waiting.clear()
    this.#settle(names, held)
    for (const [key, name] of names) {
      // It may have been written again meanwhile.
      this.written.judge(name, generations.get(key) ?? 0)
      this.#events.written(name)
    }
  }

  #store(changes: readonly Change[], revision: number): void {
    if (this.#closed) throw new Error('the control server stops')
    commit(changes, this.#mesh, Math.max(revision, this.#mesh.store.revision))
    this.#options.log.debug(
      { revision: this.#mesh.store.revision, changes: changes.length },
      'changes of the cluster are stored',
    )
  }

  /** Takes over what is held back, and says so where that is new. */
  #settle(names: ReadonlyMap<string, ResourceName>, held: ReadonlyMap<string, HeldBack>): void {
    const { log } = this.#options
    const next = new Map(this.#held)
    let released = false
    for (const [key, name] of names) {
      const before = next.get(key)
      const now = this.written.unreadable(name) ?? held.get(key)
      if (now !== undefined) next.set(key, now)
      else if (next.delete(key) && this.#mesh.store.get(name) === undefined) released = true
      if (now !== undefined && (before?.code !== now.code || before.message !== now.message))
        log.warn({ ...name, code: now.code, reason: now.message }, 'a resource of the cluster is not served')
    }
    this.#held = next
    if (released) this.#events.released()
  }

  #stateChanged(collection: Collection): void {
    const { name, failure } = collection
    const missing = failure && explained(failure, collection)
    if (missing !== undefined) this.#options.log.error({ collection: name, code: missing.code }, missing.message)
  }
}
