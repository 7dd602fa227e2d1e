import type { BucketKeeper, Buckets, BucketStore } from './buckets.ts'
import type { LimitPlan } from './plan.ts'
import { BucketTable, type KeyDigest, tableMemory } from './table.ts'

/** Digests at hand, because to make one costs more than all the rest; they are forgotten when there are so many. */
const MAX_DIGESTS = 4096

/** The memory of each limit's table, by the limit's ID. */
export type Tables = ReadonlyMap<string, SharedArrayBuffer>

/** Makes the tables of the limits in force, for the limiters of several threads. */
export class TableMaker implements BucketKeeper {
  readonly #maxKeys: number
  #tables: Tables = new Map()

  /** Buckets per limit; callers beyond them share one. */
  constructor(maxKeys: number) {
    this.#maxKeys = maxKeys
  }

  get tables(): Tables {
    return this.#tables
  }

  retain(limits: readonly LimitPlan[]): void {
    this.#tables = new Map(
      limits.map(({ id, key }) => [id, this.#tables.get(id) ?? tableMemory(key === 'all' ? 0 : this.#maxKeys)]),
    )
  }
}

export interface TableStoreOptions {
  readonly maxKeys: number
  /** Of all threads that use the tables. */
  readonly lock: { enter(): void; leave(): void }
  readonly digest: (key: string) => KeyDigest
}

/** One thread's view of tables that threads share. */
export class TableStore implements BucketStore {
  readonly #options: TableStoreOptions
  #tables: ReadonlyMap<string, BucketTable> = new Map()
  readonly #digests = new Map<string, KeyDigest>()

  constructor(options: TableStoreOptions) {
    this.#options = options
  }

  /** The tables of a policy that comes into force now. */
  adopt(tables: Tables): void {
    const { maxKeys } = this.#options
    const digest = (key: string): KeyDigest => this.#digestOf(key)
    this.#tables = new Map([...tables].map(([id, memory]) => [id, new BucketTable(memory, maxKeys, digest)]))
  }

  enter(): void {
    this.#options.lock.enter()
  }

  leave(): void {
    this.#options.lock.leave()
  }

  of({ id }: LimitPlan): Buckets {
    const table = this.#tables.get(id)
    if (table === undefined) throw new TypeError(`the limit ${id} has no table`)
    return table
  }

  #digestOf(key: string): KeyDigest {
    let digest = this.#digests.get(key)
    if (digest === undefined) {
      if (this.#digests.size >= MAX_DIGESTS) this.#digests.clear()
      digest = this.#options.digest(key)
      this.#digests.set(key, digest)
    }
    return digest
  }
}
