import { nameOf, type Resource, type ResourceName, resourceKey } from '../../policy/model.ts'
import type { Change, StoredResource } from '../store/store.ts'

/**
 * Resources that some sidecars are given in place of those that are stored. It is in memory only: without it `resolve` finds what
 * is stored, and the next update brings that back.
 */
export class Overlay {
  /** Of the store, reserved for these resources: none that is stored ever has it. */
  readonly revision: number
  readonly resources: readonly Resource[]
  readonly #stored = new Map<string, StoredResource>()
  readonly #holders: ReadonlySet<string>

  /** `holders`: the keys of the sessions that have it. */
  constructor(changes: readonly Change[], revision: number, nowMs: number, holders: ReadonlySet<string>) {
    this.revision = revision
    this.#holders = holders
    for (const change of changes) {
      if (change.kind === 'delete') throw new TypeError('an overlay takes nothing away')
      const { resource, document } = change
      const stored = { resource, document, revision, changedAtMs: nowMs }
      this.#stored.set(resourceKey(nameOf(resource)), stored)
    }
    this.resources = [...this.#stored.values()].map(({ resource }) => resource)
  }

  holds(sessionKey: string): boolean {
    return this.#holders.has(sessionKey)
  }

  get(name: ResourceName): StoredResource | undefined {
    return this.#stored.get(resourceKey(name))
  }
}
