/** How many streams that are over are remembered. */
const REMEMBERED = 256

/** The streams of one connection that ended last: what still comes for them means other things than for unknown ones. */
export class RecentStreams {
  /** The number of a stream, negative when we reset it. A ring. */
  readonly #ids: number[] = []
  #next = 0

  add(streamId: number, resetHere: boolean): void {
    this.#ids[this.#next] = resetHere ? -streamId : streamId
    this.#next = (this.#next + 1) % REMEMBERED
  }

  has(streamId: number): boolean {
    return this.#ids.includes(streamId) || this.#ids.includes(-streamId)
  }

  /** The peer may have sent frames before it heard of our reset (RFC 9113 section 5.1). */
  wasResetHere(streamId: number): boolean {
    return this.#ids.includes(-streamId)
  }
}
