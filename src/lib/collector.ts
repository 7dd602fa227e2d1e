import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

export interface Collection {
  readonly type: 'major' | 'minor'
  readonly execution: 'sync'
  /** As when memory has run out: the young generation shrinks at once and not after 8 s without traffic. */
  readonly flavor?: 'last-resort'
}

/** What collects the garbage of this thread. */
export function garbageCollector(): (collection: Collection) => void {
  // The flag stays: it is one of all threads, and another one may be about to do the same.
  setFlagsFromString('--expose-gc')
  const collect: unknown = runInNewContext('gc')
  return typeof collect === 'function' ? (collection) => void collect(collection) : () => {}
}
