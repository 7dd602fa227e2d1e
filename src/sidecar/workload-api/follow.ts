import { OutriderError } from '../../lib/errors.ts'
import type { Watch } from '../../lib/watch.ts'
import type { Credentials } from '../../mtls/credentials.ts'
import type { ServerStream } from '../../rpc/stream.ts'

/** Streams of the Workload API and of secret discovery together. */
const MAX_STREAMS = 256
/** Messages that wait for one slow reader. */
const MAX_BACKLOG = 16

export interface FollowersOptions {
  readonly credentials: Watch<Credentials>
  readonly onCount: (open: number) => void
  /** What was thrown to a stream that is none of our errors. */
  readonly onBug: (thrown: unknown) => void
}

/** Tells streams of each new value of the credentials, within bounds. */
export class Followers {
  readonly #options: FollowersOptions
  #open = 0

  constructor(options: FollowersOptions) {
    this.#options = options
  }

  /**
   * Calls `tell` for every later value until the stream is over; what it throws ends the stream, and no other's. Throws
   * `too-many-watchers`.
   */
  follow(stream: ServerStream<unknown>, tell: (credentials: Credentials) => void): void {
    if (this.#open >= MAX_STREAMS) {
      throw new OutriderError('too-many-watchers', `${MAX_STREAMS} streams are open on the Workload API: the limit`)
    }
    const { credentials, onCount } = this.#options
    this.#open += 1
    onCount(this.#open)
    const unsubscribe = credentials.subscribe((value) => {
      try {
        if (roomIn(stream)) tell(value)
      } catch (thrown) {
        stream.end(this.#told(thrown))
      }
    })
    stream.onClose(() => {
      unsubscribe()
      this.#open -= 1
      onCount(this.#open)
    })
  }

  #told(thrown: unknown): OutriderError {
    if (thrown instanceof OutriderError) return thrown
    this.#options.onBug(thrown)
    return new OutriderError('internal-error', 'internal error; the log of the sidecar has more', {
      source: 'internal',
      cause: thrown,
    })
  }
}

/** Whether one more message may wait. Ends the stream of a reader that has too many: it connects anew and gets the last. */
export function roomIn(stream: ServerStream<unknown>): boolean {
  if (stream.backlog < MAX_BACKLOG) return true
  stream.end(new OutriderError('watcher-too-slow', `${MAX_BACKLOG} messages wait to be read: the limit`))
  return false
}
