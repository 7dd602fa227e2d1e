import type { Buckets } from './buckets.ts'

/** 64 bits of a key, never all zero; equal for equal keys in every thread, and not to be guessed by who chooses keys. */
export interface KeyDigest {
  readonly high: number
  readonly low: number
}

/**
 * A key lies within so many slots from the one its digest points at. With four slots a key, none of 1.6 million keys found no
 * room there; who finds none shares the overflow bucket.
 */
const WINDOW = 16
const SLOTS_PER_KEY = 4
/** Slots looked at for each new key that finds `maxKeys` of them in use. */
const SWEEP = 32

const HEADER = { overflow: 0, used: 1, hand: 2, end: 3 } as const
/** A theoretical arrival time and a digest. */
const SLOT_BYTES = 16

/** Memory for a table of so many keys; 0 for one bucket that all have together. All zero is the empty table. */
export function tableMemory(maxKeys: number): SharedArrayBuffer {
  const slots = maxKeys === 0 ? 0 : 2 ** Math.ceil(Math.log2(maxKeys * SLOTS_PER_KEY))
  return new SharedArrayBuffer(HEADER.end * 8 + slots * SLOT_BYTES)
}

/**
 * The buckets of one limit in memory that threads share: what `KeyedBuckets` is in one thread. Not a step of it is safe without
 * the lock. A bucket that is full again may lose its slot, which loses nothing.
 */
export class BucketTable implements Buckets {
  readonly #tats: Float64Array
  readonly #digests: Int32Array
  readonly #header: Float64Array
  readonly #slots: number
  readonly #maxKeys: number
  readonly #digest: (key: string) => KeyDigest
  /** Where `read` has found the key, or room for it; -1: the overflow bucket. */
  #found = -1

  constructor(memory: SharedArrayBuffer, maxKeys: number, digest: (key: string) => KeyDigest) {
    const slots = (memory.byteLength - HEADER.end * 8) / SLOT_BYTES
    this.#header = new Float64Array(memory, 0, HEADER.end)
    this.#tats = new Float64Array(memory, HEADER.end * 8, slots)
    this.#digests = new Int32Array(memory, HEADER.end * 8 + slots * 8, slots * 2)
    this.#slots = slots
    this.#maxKeys = maxKeys
    this.#digest = digest
  }

  /** Zero is a full bucket: no clock is there yet. */
  read(key: string, nowMs: number): number {
    const digest = this.#digest(key)
    this.#found = this.#slots === 0 ? -1 : this.#find(digest, nowMs)
    if (this.#found < 0) return this.#header[HEADER.overflow]!
    return this.#isOf(this.#found, digest) ? this.#tats[this.#found]! : 0
  }

  /** Whether `read` found neither the key nor room for it. */
  get crowded(): boolean {
    return this.#found < 0
  }

  write(key: string, tat: number): void {
    const slot = this.#found
    if (slot < 0) {
      this.#header[HEADER.overflow] = tat
      return
    }
    if (this.#isFree(slot)) this.#header[HEADER.used]! += 1
    const { high, low } = this.#digest(key)
    this.#digests[slot * 2] = high
    this.#digests[slot * 2 + 1] = low
    this.#tats[slot] = tat
  }

  #find(digest: KeyDigest, nowMs: number): number {
    let full = -1
    let free = -1
    for (let step = 0; step < WINDOW; step += 1) {
      const slot = (digest.low + step) & (this.#slots - 1)
      if (this.#isOf(slot, digest)) return slot
      if (this.#isFree(slot)) free = free < 0 ? slot : free
      else if (full < 0 && this.#tats[slot]! <= nowMs) full = slot
    }
    if (full >= 0) return full
    return free >= 0 && this.#hasRoom(nowMs) ? free : -1
  }

  #isOf(slot: number, { high, low }: KeyDigest): boolean {
    return this.#digests[slot * 2] === high && this.#digests[slot * 2 + 1] === low
  }

  #isFree(slot: number): boolean {
    return this.#digests[slot * 2] === 0 && this.#digests[slot * 2 + 1] === 0
  }

  #hasRoom(nowMs: number): boolean {
    const header = this.#header
    for (let looks = 0; looks < SWEEP && header[HEADER.used]! >= this.#maxKeys; looks += 1) {
      const slot = (header[HEADER.hand]! + 1) & (this.#slots - 1)
      header[HEADER.hand] = slot
      if (this.#isFree(slot) || this.#tats[slot]! > nowMs) continue
      this.#digests.fill(0, slot * 2, slot * 2 + 2)
      header[HEADER.used]! -= 1
    }
    return header[HEADER.used]! < this.#maxKeys
  }
}
