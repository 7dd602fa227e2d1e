import { isatty } from 'node:tty'
import { run } from './cli/run.ts'
import { systemClock } from './lib/clock.ts'
import { systemRandom } from './lib/random.ts'

const stop = new AbortController()
const signals = ['SIGINT', 'SIGTERM'] as const

/** The first signal asks the command to end; with the handlers gone, a second one ends the process at once. */
function onSignal(signal: NodeJS.Signals): void {
  forgetSignals()
  stop.abort(new Error(`stopped by ${signal}`))
}

function forgetSignals(): void {
  for (const signal of signals) process.removeListener(signal, onSignal)
}

for (const signal of signals) process.on(signal, onSignal)
// The reader of a pipe may leave first, as `head` does: that is no failure of ours.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {})

function output(stream: NodeJS.WriteStream & { readonly fd: number }): {
  write(text: string): void
  isTerminal: boolean
} {
  return { write: (text) => void stream.write(text), isTerminal: isatty(stream.fd) }
}

process.exitCode = await run(process.argv.slice(2), {
  env: process.env,
  // Opened on first use: an open standard input would keep the process alive.
  get stdin() {
    return process.stdin
  },
  stdout: output(process.stdout),
  stderr: output(process.stderr),
  signal: stop.signal,
  clock: systemClock,
  random: systemRandom,
})
forgetSignals()
