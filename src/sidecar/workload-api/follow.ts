import { OutriderError } from '../../lib/errors.ts'
import type { Watch } from '../../lib/watch.ts'
import type { Credentials } from '../../mtls/credentials.ts'
import type { ServerStream } from '../../rpc/stream.ts'

/** Streams of the Workload API and of secret discovery together. */
const MAX_STREAMS = 256
/** Messages that wait for one slow reader. */
const MAX_BACKLOG = 16

/** Tells streams of each new value of the credentials, within bounds. */
export class Followers {
  readonly #credentials: Watch<Credentials>
  readonly #onCount: (open: number) => void
  #open = 0

  constructor(credentials: Watch<Credentials>, onCount: (open: number) => void) {
    this.#credentials = credentials
    this.#onCount = onCount
  }

  /** Calls `tell` for every later value until the stream is over. Throws `too-many-watchers`. */
  follow(stream: ServerStream<unknown>, tell: (credentials: Credentials) => void): void {
    if (this.#open >= MAX_STREAMS) {
      throw new OutriderError('too-many-watchers', `${MAX_STREAMS} streams are open on the Workload API: the limit`)
    }
    this.#open += 1
    this.#onCount(this.#open)
    const unsubscribe = this.#credentials.subscribe((credentials) => {
      if (roomIn(stream)) tell(credentials)
    })
    stream.onClose(() => {
      unsubscribe()
      this.#open -= 1
      this.#onCount(this.#open)
    })
  }
}

/** Whether one more message may wait. Ends the stream of a reader that has too many: it connects anew and gets the last. */
export function roomIn(stream: ServerStream<unknown>): boolean {
  if (stream.backlog < MAX_BACKLOG) return true
  stream.end(new OutriderError('watcher-too-slow', `${MAX_BACKLOG} messages wait to be read: the limit`))
  return false
}
