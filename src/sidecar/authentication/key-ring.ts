import type { VerificationKeys } from '../../identity/jwk-set.ts'
import type { Clock } from '../../lib/clock.ts'
import type { Watch } from '../../lib/watch.ts'
import type { KeySetStates } from './key-sets.ts'

export interface KeyRingOptions {
  readonly states: Watch<KeySetStates>
  /** Asks whoever fetches keys to do it early. */
  readonly want: (uri: string) => void
  readonly clock: Clock
}

/** How long a request waits for keys: less than its client does. */
const MAX_WAIT_MS = 2000
/** Requests that wait at a time; each holds what it has sent so far. */
const MAX_WAITING = 1000

/** One thread's view of the keys that are published at addresses. */
export class KeyRing {
  readonly #options: KeyRingOptions
  #waiting = 0

  constructor(options: KeyRingOptions) {
    this.#options = options
  }

  keysOf(uri: string): VerificationKeys | undefined {
    return this.#options.states.current.get(uri)?.keys
  }

  /** Why there are none, for the log. */
  failureOf(uri: string): string {
    return this.#options.states.current.get(uri)?.failure?.message ?? 'they have not been asked for yet'
  }

  /** Whether it is worth to wait for other keys: they are being asked for, or may be. */
  mayChange(uri: string): boolean {
    const state = this.#options.states.current.get(uri)
    if (this.#waiting >= MAX_WAITING) return false
    return state === undefined || state.asking || this.#options.clock.now() >= state.notBeforeMs
  }

  /** Resolves when an answer or a failure came for one of `uris`, when the client has left, or after two seconds. */
  change(uris: readonly string[], departure: AbortSignal): Promise<void> {
    const { states, want, clock } = this.#options
    const answersOf = (uri: string): number => states.current.get(uri)?.answers ?? 0
    const before = uris.map(answersOf)
    this.#waiting += 1
    return new Promise((resolve) => {
      const end = (): void => {
        timer.cancel()
        unsubscribe()
        departure.removeEventListener('abort', end)
        this.#waiting -= 1
        resolve()
      }
      const timer = clock.after(MAX_WAIT_MS, end)
      const unsubscribe = states.subscribe(() => {
        if (uris.some((uri, index) => answersOf(uri) !== before[index])) end()
      })
      departure.addEventListener('abort', end, { once: true })
      for (const uri of uris) want(uri)
    })
  }
}
