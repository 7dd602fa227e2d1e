/** Read side of a watch cell: a value that is there now, and word of each later one. */
export interface Watch<T> {
  /** The value at this moment. */
  readonly current: T
  /** Calls `listener` synchronously for every later value, in the order they are set. Returns the way out. */
  subscribe(listener: (value: T) => void): () => void
}

/**
 * A watch cell: one value, one owner who may set it, any number of readers. Credentials, policy, endpoints and the log
 * level are cells, so that an update is the swap of one reference and a reader never sees half of it.
 */
export class WatchCell<T> implements Watch<T> {
  #current: T
  readonly #listeners = new Set<(value: T) => void>()

  constructor(initial: T) {
    this.#current = initial
  }

  get current(): T {
    return this.#current
  }

  set(value: T): void {
    this.#current = value
    // A copy: who subscribes meanwhile has seen this value already.
    for (const listener of Array.from(this.#listeners)) listener(value)
  }

  subscribe(listener: (value: T) => void): () => void {
    this.#listeners.add(listener)
    return () => {
      this.#listeners.delete(listener)
    }
  }
}

/**
 * Resolves with the first value, present or future, for which `accept` holds. Rejects with the signal's reason when
 * `signal` aborts first.
 */
export function waitFor<T, S extends T>(
  watch: Watch<T>,
  accept: (value: T) => value is S,
  signal?: AbortSignal,
): Promise<S>
export function waitFor<T>(watch: Watch<T>, accept: (value: T) => boolean, signal?: AbortSignal): Promise<T>
export function waitFor<T>(watch: Watch<T>, accept: (value: T) => boolean, signal?: AbortSignal): Promise<T> {
  if (accept(watch.current)) return Promise.resolve(watch.current)
  return new Promise((resolve, reject) => {
    const stop = (): void => {
      unsubscribe()
      signal?.removeEventListener('abort', onAbort)
    }
    const onAbort = (): void => {
      stop()
      reject(signal?.reason)
    }
    const unsubscribe = watch.subscribe((value) => {
      if (!accept(value)) return
      stop()
      resolve(value)
    })
    if (signal?.aborted === true) onAbort()
    else signal?.addEventListener('abort', onAbort, { once: true })
  })
}
