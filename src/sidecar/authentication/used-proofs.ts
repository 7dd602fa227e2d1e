import { BucketTable, type KeyDigest, tableMemory } from '../../ratelimit/table.ts'

/** Proofs that may be in use at a time, in the whole process: 700 new ones a second, for as long as one serves. */
const MAX_PROOFS = 65_536

/** Memory that the threads of a process remember proofs in. All zero: none was used. */
export function usedProofsMemory(): SharedArrayBuffer {
  return tableMemory(MAX_PROOFS)
}

export interface UsedProofsOptions {
  readonly memory: SharedArrayBuffer
  /** Of all threads that use the memory. */
  readonly lock: { enter(): void; leave(): void }
  readonly digest: (key: string) => KeyDigest
  /** Milliseconds, the same in all threads. */
  readonly monotonic: () => number
}

/**
 * The DPoP proofs that were shown already (RFC 9449, 11.1), shared by threads: one that was used in one thread is used in all. A
 * proof is remembered, by a digest of its key's thumbprint and its `jti`, until it would be too old; so the table of rate limits
 * serves, whose entries are times as well. Where there is no room a proof counts as used: whether it was cannot be known.
 */
export class UsedProofs {
  readonly #options: UsedProofsOptions
  readonly #table: BucketTable

  constructor(options: UsedProofsOptions) {
    this.#options = options
    this.#table = new BucketTable(options.memory, MAX_PROOFS, options.digest)
  }

  /** Uses a proof that serves for `forMs` more. */
  use(thumbprint: string, id: string, forMs: number): 'first' | 'again' | 'no-room' {
    const { lock, monotonic } = this.#options
    const key = `${thumbprint} ${id}`
    const now = monotonic()
    lock.enter()
    const until = this.#table.read(key, now)
    const noRoom = this.#table.crowded
    const used = until > now
    if (!noRoom && !used) this.#table.write(key, now + forMs)
    lock.leave()
    if (noRoom) return 'no-room'
    return used ? 'again' : 'first'
  }
}
