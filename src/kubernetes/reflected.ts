import { ApiError } from './failure.ts'
import { type ClusterObject, keyOf, nameOfType } from './objects.ts'
import type { ReflectEvents, Reflection } from './reflection.ts'

/** What was told of a collection: only the version of each object is kept. */
export class Reflected {
  readonly #reflection: Reflection
  readonly #events: ReflectEvents
  #versions: Map<string, string> = new Map()

  constructor(reflection: Reflection, events: ReflectEvents) {
    this.#reflection = reflection
    this.#events = events
  }

  replace(objects: readonly ClusterObject[], resourceVersion: string): void {
    this.#versions = new Map(objects.map((object) => [keyOf(object), object.metadata.resourceVersion ?? '']))
    this.#events.replaced(objects, resourceVersion)
  }

  /** Tells a change, unless it was told before. Throws `kubernetes-too-many`. */
  change(type: 'put' | 'delete', object: ClusterObject, resourceVersion: string): void {
    const { maxObjects, slim } = this.#reflection
    const key = keyOf(object)
    if (type === 'delete') {
      if (!this.#versions.delete(key)) return
    } else {
      if (this.#versions.get(key) === resourceVersion) return
      if (!this.#versions.has(key) && this.#versions.size >= maxObjects)
        throw new ApiError(
          'kubernetes-too-many',
          `watch ${nameOfType(this.#reflection.type)}: there are more than ${maxObjects} (maxObjects)`,
        )
      this.#versions.set(key, resourceVersion)
    }
    this.#events.changed(type, slim === undefined ? object : slim(object))
  }
}
