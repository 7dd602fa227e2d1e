import type { Versioned, WorkloadPolicy } from './resolve.ts'

/** A resource as a sidecar names it: perhaps of a kind that this version does not know. */
export interface HeldResource {
  readonly name: { readonly kind: string; readonly namespace: string; readonly name: string }
  readonly revision: number
}

/** What a sidecar holds, by resource key. */
export type Held = ReadonlyMap<string, HeldResource>

export interface Difference {
  readonly changed: readonly Versioned[]
  readonly removed: readonly HeldResource['name'][]
}

/**
 * Fourth stage: what is to be sent to one sidecar. Whatever is not of the very version that is wanted is sent; that it is
 * newer than what a store restored from a backup has, the sidecar finds and refuses with `revision-older`.
 * `keep`: what is not taken away although it is not wanted.
 */
export function diff(wanted: WorkloadPolicy, held: Held, keep: (key: string) => boolean = () => false): Difference {
  const changed: Versioned[] = []
  for (const [key, versioned] of wanted) {
    if (held.get(key)?.revision !== versioned.revision) changed.push(versioned)
  }
  const removed: HeldResource['name'][] = []
  for (const [key, { name }] of held) if (!wanted.has(key) && !keep(key)) removed.push(name)
  return { changed, removed }
}
