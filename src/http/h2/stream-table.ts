import type { H2Stream } from './stream.ts'

const FIRST_PLACES = 8

/**
 * The open streams of a connection by number. No `Map`: one that is added to and deleted from all the time makes a new table
 * every so often, and V8 lets each old one, with all that it held, point to its successor. Once one of them had grown old,
 * it kept the next one alive until a full collection, that the one after it, and so two fifths of all requests.
 */
export class StreamTable {
  /** Each place is the first of a chain by `H2Stream.next`. */
  #places: (H2Stream | undefined)[] = Array.from({ length: FIRST_PLACES }, () => undefined)
  size = 0

  get(id: number): H2Stream | undefined {
    let stream = this.#places[this.#placeOf(id)]
    while (stream !== undefined && stream.id !== id) stream = stream.next
    return stream
  }

  /** Adds a stream whose number is not there yet. */
  add(stream: H2Stream): void {
    if (this.size === this.#places.length) this.#grow()
    this.size += 1
    this.#link(stream)
  }

  delete(stream: H2Stream): void {
    const place = this.#placeOf(stream.id)
    let before: H2Stream | undefined
    let at = this.#places[place]
    while (at !== undefined && at !== stream) {
      before = at
      at = at.next
    }
    if (at === undefined) return
    if (before === undefined) this.#places[place] = stream.next
    else before.next = stream.next
    stream.next = undefined
    this.size -= 1
  }

  /** Those that are open now; what is done with one may close it or others. */
  all(): H2Stream[] {
    const streams: H2Stream[] = []
    for (const first of this.#places) for (let at = first; at !== undefined; at = at.next) streams.push(at)
    return streams
  }

  /** The numbers of one side are every other one. */
  #placeOf(id: number): number {
    return (id >>> 1) & (this.#places.length - 1)
  }

  #link(stream: H2Stream): void {
    const place = this.#placeOf(stream.id)
    stream.next = this.#places[place]
    this.#places[place] = stream
  }

  #grow(): void {
    const streams = this.all()
    this.#places = Array.from({ length: 2 * this.#places.length }, () => undefined)
    for (const stream of streams) this.#link(stream)
  }
}
