/** How many streams that are over are remembered, of either kind. */
const REMEMBERED = 256

/** The last numbers of one kind. */
class Ring {
  readonly #ids: number[] = []
  #next = 0

  add(streamId: number): void {
    this.#ids[this.#next] = streamId
    this.#next = (this.#next + 1) % REMEMBERED
  }

  has(streamId: number): boolean {
    return this.#ids.includes(streamId)
  }
}

/** The streams of one connection that ended last: what still comes for them means other things than for unknown ones. */
export class RecentStreams {
  readonly #ended = new Ring()
  /** By themselves: while the peer's frames are on their way, any number of others may end. */
  readonly #resetHere = new Ring()

  add(streamId: number, resetHere: boolean): void {
    const ring = resetHere ? this.#resetHere : this.#ended
    ring.add(streamId)
  }

  has(streamId: number): boolean {
    return this.#ended.has(streamId) || this.#resetHere.has(streamId)
  }

  /** The peer may have sent frames before it heard of our reset (RFC 9113 section 5.1). */
  wasResetHere(streamId: number): boolean {
    return this.#resetHere.has(streamId)
  }
}
