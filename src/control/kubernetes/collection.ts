import { type ClusterObject, keyOf, nameOfType, type ResourceType } from '../../kubernetes/objects.ts'
import type { ReflectEvents } from '../../kubernetes/reflect.ts'
import type { Clock } from '../../lib/clock.ts'
import type { OutriderError } from '../../lib/errors.ts'
import { revisionOf } from './progress.ts'

/** What becomes of the objects of one collection. */
export interface CollectionSink {
  /** It is new or another one; `revision` is that of the object. */
  put(object: ClusterObject, revision: number): void
  /** `revision`: of the deletion, or a later one. */
  delete(key: string, revision: number): void
  /** Everything up to `revision` was told; `listed`: by a list. */
  told(revision: number, listed: boolean): void
  /** The state, or its reason, has changed. */
  state(collection: Collection): void
}

/** One type of objects in one namespace or in all, and how well it is known. */
export class Collection {
  readonly type: ResourceType
  readonly namespace: string | undefined
  /** It was listed at least once. */
  listed = false
  inStep = false
  /** Why it is not in step; undefined: it is, or nothing was heard yet. */
  failure: OutriderError | undefined
  /** When something was last heard of it, or how it stands. */
  progressedAtMs: number
  readonly #versions = new Map<string, string>()
  readonly #clock: Clock

  constructor(type: ResourceType, namespace: string | undefined, clock: Clock) {
    this.type = type
    this.namespace = namespace
    this.progressedAtMs = clock.now()
    this.#clock = clock
  }

  /** `plural.group`. */
  get name(): string {
    return nameOfType(this.type)
  }

  get size(): number {
    return this.#versions.size
  }

  /** Turns what the reflector says into single changes. What it throws makes the reflector begin anew, with the reason as its state. */
  events(sink: CollectionSink): ReflectEvents {
    const progressed = (revision: number, listed: boolean): void => {
      this.progressedAtMs = this.#clock.now()
      sink.told(revision, listed)
    }
    return {
      replaced: (objects, resourceVersion) => {
        const revision = revisionOf(resourceVersion, `list ${this.name}`)
        const present = new Set<string>()
        for (const object of objects) {
          present.add(keyOf(object))
          this.#put(object, sink)
        }
        for (const key of this.#versions.keys()) {
          if (present.has(key)) continue
          this.#versions.delete(key)
          sink.delete(key, revision)
        }
        this.listed = true
        progressed(revision, true)
      },
      changed: (type, object) => {
        const revision = revisionOf(object.metadata.resourceVersion, `watch ${this.name}`)
        if (type === 'put') this.#put(object, sink)
        else if (this.#versions.delete(keyOf(object))) sink.delete(keyOf(object), revision)
        progressed(revision, false)
      },
      progressed: (resourceVersion) => progressed(revisionOf(resourceVersion, `watch ${this.name}`), false),
      state: (state, error) => {
        this.inStep = state === 'synced'
        this.failure = this.inStep ? undefined : error
        sink.state(this)
      },
    }
  }

  #put(object: ClusterObject, sink: CollectionSink): void {
    const { resourceVersion = '' } = object.metadata
    const key = keyOf(object)
    if (this.#versions.get(key) === resourceVersion) return
    sink.put(object, revisionOf(resourceVersion, `${this.name} ${key}`))
    this.#versions.set(key, resourceVersion)
  }
}
