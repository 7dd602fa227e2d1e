import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/** What of buffers may become garbage before the young generation is collected, in bytes. */
const COLLECT_AT = 16 * 1024 * 1024

let passed = 0
let collectYoung: (() => void) | undefined

/**
 * Counts bytes of buffers that were read and passed on. Their memory lies outside of V8's heap, where it fills no young
 * generation but counts towards a full collection, one every 64 MiB of traffic. A young collection in time, of next to
 * nothing that lives, frees them for a hundredth of that: a fifth of the CPU time of a transfer.
 */
export function buffersPassed(bytes: number): void {
  passed += bytes
  if (passed < COLLECT_AT) return
  passed = 0
  collectYoung ??= youngCollector()
  collectYoung()
}

function youngCollector(): () => void {
  setFlagsFromString('--expose-gc')
  const collect: unknown = runInNewContext('gc')
  setFlagsFromString('--no-expose-gc')
  return typeof collect === 'function' ? () => void collect({ type: 'minor', execution: 'sync' }) : () => {}
}
