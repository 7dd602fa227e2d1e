// Loaded into a program before its own code (NODE_OPTIONS=--import): on SIGUSR2 it begins to watch the event loop, on the next
// one it writes the longest delay since then, in milliseconds, to the file OUTRIDER_BENCH_LOOP_DELAY.
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { renameSync, writeFileSync } from 'node:fs'

/** The monitor wakes up so often; it sees delays that are longer. */
const RESOLUTION_MS = 1
const file = process.env['OUTRIDER_BENCH_LOOP_DELAY']
const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
let watching = false
process.on('SIGUSR2', () => {
  watching = !watching
  if (watching) {
    delay.reset()
    delay.enable()
    return
  }
  delay.disable()
  if (file === undefined) return
  // Whoever waits for the file finds it whole.
  writeFileSync(`${file}.new`, String(delay.max / 1e6 - RESOLUTION_MS))
  renameSync(`${file}.new`, file)
})
