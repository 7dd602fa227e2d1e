import { setFlagsFromString } from 'node:v8'
import { garbageCollector } from '../lib/collector.ts'

/** Makes V8 collect as a proxy's garbage wants it. For the whole process, before its first thread. */
export function tuneCollector(): void {
  // Each thread by itself: nearly all garbage is a request that is over, and there is so little left to move that waking V8's
  // helper threads costs more CPU than they take over.
  setFlagsFromString('--single-threaded-gc')
  // Buffers that are passed on count towards a full collection. Without this its limit may be so little above what lives that
  // they alone reach it again and again: 20 collections a second in a download, which then cost twice as much.
  setFlagsFromString('--heap-growing-percent=200')
}

/**
 * One full collection, for the moment before the first request. What starting has left in the old generation, dead but not
 * collected, keeps young objects alive that it refers to, and these the next ones: two fifths of all requests outlived
 * a scavenge, and were moved and promoted, until some full collection ended the chain. Measured: a
 * seventh of the CPU time and half of the memory.
 *
 * The second one takes the bytecode of functions that have not run since the first: V8 keeps it for six collections, which an idle process
 * does not have. What is asked for after all is compiled again.
 */
export function collectStartUp(): void {
  const collect = garbageCollector()
  collect({ type: 'major', execution: 'sync' })
  setFlagsFromString('--bytecode-old-age=1')
  collect({ type: 'major', execution: 'sync' })
  setFlagsFromString(`--bytecode-old-age=${BYTECODE_OLD_AGE}`)
}

/** V8's own: so many collections without a run. */
const BYTECODE_OLD_AGE = 6
