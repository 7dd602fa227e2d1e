import { setFlagsFromString } from 'node:v8'

/**
 * Collects garbage on the main thread only. Nearly all garbage of a proxy is a request that is over: there is so little left
 * to move that waking V8's helper threads costs more CPU than they take over (docs/performance.md: a tenth of the whole
 * cost of a request).
 */
export function collectOnMainThread(): void {
  setFlagsFromString('--single-threaded-gc')
}
