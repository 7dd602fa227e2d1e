import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { OutriderError } from '../../lib/errors.ts'
import { packageRoot } from '../../lib/package-root.ts'

/** One Outrider process of the demo, started as a user would start it. */
export interface DemoProcess {
  readonly name: string
  /** What it printed when it was ready. */
  readonly ready: Readonly<Record<string, unknown>>
  /** Asks it to end, and waits until it has. */
  stop(): Promise<void>
  /** Ends it as a crash would. */
  kill(): Promise<void>
}

/** How many of its last lines are shown when a process fails. */
const LAST_LINES = 20
const READY_WITHIN_MS = 30_000
/** Longer than any drain of the demo takes. */
const STOP_WITHIN_MS = 15_000

/** Runs `outrider ARGS` and waits for its line on standard output that says it is ready. */
export async function start(
  name: string,
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): Promise<DemoProcess> {
  const child = spawn(process.execPath, [join(packageRoot, 'bin', 'outrider'), ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env,
  })
  const lines: string[] = []
  createInterface({ input: child.stderr }).on('line', (line) => {
    lines.push(line)
    if (lines.length > LAST_LINES) lines.shift()
  })
  const exited = new Promise<void>((resolve) => {
    child.once('exit', () => resolve())
  })
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    if (child.exitCode === null && child.signalCode === null) child.kill(signal)
    const timer = setTimeout(() => child.kill('SIGKILL'), STOP_WITHIN_MS)
    await exited
    clearTimeout(timer)
  }
  try {
    const ready = await readyLine(name, child, lines)
    return { name, ready, stop: () => end('SIGTERM'), kill: () => end('SIGKILL') }
  } catch (error) {
    await end('SIGKILL')
    throw error
  }
}

function readyLine(name: string, child: ChildProcess, lines: readonly string[]): Promise<Record<string, unknown>> {
  return new Promise((resolve, reject) => {
    const fail = (why: string): void => {
      clearTimeout(timer)
      reject(new OutriderError('demo-process-failed', `${name} ${why}; its last lines:\n${lines.join('\n')}`))
    }
    const timer = setTimeout(() => fail(`was not ready within ${READY_WITHIN_MS} ms`), READY_WITHIN_MS)
    child.once('error', (error) => fail(`could not be started: ${error.message}`))
    child.once('exit', (code, signal) => fail(`ended with ${signal ?? code}`))
    createInterface({ input: child.stdout! }).on('line', (line) => {
      const message: unknown = parse(line)
      if (typeof message !== 'object' || message === null || !('ready' in message)) return
      clearTimeout(timer)
      resolve({ ...message })
    })
  })
}

function parse(line: string): unknown {
  try {
    return JSON.parse(line)
  } catch {
    return undefined
  }
}
