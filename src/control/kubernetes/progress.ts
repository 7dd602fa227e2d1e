import { OutriderError } from '../../lib/errors.ts'

/** A list that was under way when another one was asked for may be older than the question. */
const LISTS_TO_BE_SURE = 2

/** One collection. */
export interface ProgressPart {
  /** Everything up to here is in the store; `lists`: how many lists ended since this was last called. */
  told(revision: number, lists: number): void
}

interface Part {
  /** Everything up to here was told; 0: nothing was. */
  known: number
  /** Lists that are still to come before it is certain that the cluster itself has not got further. */
  listsToCome: number
  readonly relist: () => void
}

/**
 * How far the collections of the cluster were told: each by itself, by the `resourceVersion` of its last list, event or bookmark. These are
 * numbers of one etcd, which rise over all collections together.
 */
export class Progress {
  readonly #parts: Part[] = []
  readonly #reached: () => void
  /** Asked for, and not yet known or found to be beyond the cluster. */
  #wanted = 0
  /** The cluster was asked after somebody had named this revision, and has not got there: it was set back. */
  #beyond = 0

  /** `reached`: what was awaited is known, or found to be beyond the cluster. */
  constructor(reached: () => void) {
    this.#reached = reached
  }

  /** A collection more; `relist` has it listed anew, soon. */
  add(relist: () => void): ProgressPart {
    const part: Part = { known: 0, listsToCome: 0, relist }
    this.#parts.push(part)
    return {
      told: (revision, lists) => {
        part.known = Math.max(part.known, revision)
        if (lists > 0 && part.listsToCome > 0) {
          part.listsToCome = Math.max(0, part.listsToCome - lists)
          if (part.known < this.#wanted && part.listsToCome > 0) part.relist()
        }
        this.#settle()
      },
    }
  }

  /** Everything up to here is known, in every collection. */
  get known(): number {
    return this.#parts.reduce((least, { known }) => Math.min(least, known), Number.POSITIVE_INFINITY)
  }

  /** As `Source.reach`; asks for lists where that is needed, of what is behind alone. */
  reach(revision: number): 'known' | 'awaited' | 'beyond' {
    if (revision <= this.known) return 'known'
    if (revision <= this.#beyond) return 'beyond'
    if (this.#wanted >= revision) return 'awaited'
    this.#wanted = revision
    for (const part of this.#parts) {
      if (part.known >= revision) continue
      part.listsToCome = LISTS_TO_BE_SURE
      part.relist()
    }
    return 'awaited'
  }

  #settle(): void {
    if (this.#wanted === 0) return
    if (this.known < this.#wanted) {
      if (this.#parts.some(({ known, listsToCome }) => known < this.#wanted && listsToCome > 0)) return
      this.#beyond = this.#wanted
    }
    this.#wanted = 0
    this.#reached()
  }
}

/**
 * Reads a `resourceVersion`. Kubernetes calls it opaque, and since 1.35 a decimal number that can be compared; every API server on etcd has
 * always made it one. Throws `kubernetes-revision` for another one: nothing can be ordered by it.
 */
export function revisionOf(text: string | undefined, what: string): number {
  const revision = /^[1-9]\d{0,15}$/.test(text ?? '') ? Number(text) : Number.NaN
  if (Number.isSafeInteger(revision)) return revision
  throw new OutriderError(
    'kubernetes-revision',
    `${what}: the resourceVersion ${JSON.stringify(text?.slice(0, 40))} is no decimal number`,
    { source: 'dependency' },
  )
}
