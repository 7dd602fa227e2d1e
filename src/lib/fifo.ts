/** A first-in-first-out queue with constant-time ends, where `Array.shift` moves everything behind. */
export class Fifo<T> {
  #items: (T | undefined)[] = []
  #head = 0

  get size(): number {
    return this.#items.length - this.#head
  }

  push(item: T): void {
    this.#items.push(item)
  }

  shift(): T | undefined {
    const item = this.#items[this.#head]
    if (this.size === 0) return undefined
    this.#items[this.#head] = undefined
    this.#head += 1
    if (this.#head > 32 && this.#head * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#head)
      this.#head = 0
    }
    return item
  }

  /** Takes out, in order, every item for which `picked` holds. */
  remove(picked: (item: T) => boolean): T[] {
    const removed: T[] = []
    const kept: T[] = []
    for (let item = this.shift(); item !== undefined; item = this.shift()) (picked(item) ? removed : kept).push(item)
    this.#items = kept
    this.#head = 0
    return removed
  }
}
