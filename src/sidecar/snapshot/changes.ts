import { withSameRules } from '../../policy/same-rules.ts'
import type { Held, HeldResources } from './snapshot.ts'

/** What makes one set of resources out of another. */
export interface HeldChanges {
  /** New ones and others than before, by resourceKey. */
  readonly changed: readonly (readonly [string, Held])[]
  readonly removed: readonly string[]
}

/** A resource that did not come anew is the same object in both. */
export function changesBetween(before: HeldResources, after: HeldResources): HeldChanges {
  const changed = [...after].filter(([key, held]) => before.get(key) !== held)
  const removed = [...before.keys()].filter((key) => !after.has(key))
  return { changed, removed }
}

/** What came anew, with all that is equal to what was held before. */
export function heldAfter(held: Held, before: Held | undefined): Held {
  if (!held.ok || before?.ok !== true) return held
  return { ...held, resource: withSameRules(held.resource, before.resource) }
}

/** `before` itself stays as it is. */
export function withChanges(before: HeldResources, { changed, removed }: HeldChanges): HeldResources {
  const after = new Map(before)
  for (const key of removed) after.delete(key)
  for (const [key, held] of changed) after.set(key, heldAfter(held, before.get(key)))
  return after
}
