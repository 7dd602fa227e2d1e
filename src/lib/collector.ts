import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

export interface Collection {
  readonly type: 'major' | 'minor'
  readonly execution: 'sync'
}

/** What collects the garbage of this thread. */
export function garbageCollector(): (collection: Collection) => void {
  // The flag stays: it is one of all threads, and another one may be about to do the same.
  setFlagsFromString('--expose-gc')
  const collect: unknown = runInNewContext('gc')
  return typeof collect === 'function' ? (collection) => void collect(collection) : () => {}
}
