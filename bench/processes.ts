import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'

/** How much of what a child says on stderr is kept, to explain why it ended. */
const KEPT_STDERR = 2000
const TERM_GRACE_MS = 5000

const living = new Set<Child>()
// Whatever ends this process, its children end with it: each leads a process group of its own.
process.on('exit', () => {
  for (const child of living) child.signalGroup('SIGKILL')
})

export interface ChildOptions {
  readonly env?: Readonly<Record<string, string>>
  readonly cwd?: string
  /** User and group; those of the bench when not given. Only root may choose. */
  readonly uid?: number
}

/** A program started by the bench. It runs until `stop`; an end before that is a failure that `crash` tells. */
export class Child {
  readonly name: string
  readonly #process: ChildProcessByStdio<null, Readable, Readable>
  readonly #ended: Promise<void>
  readonly #firstLine: Promise<string>
  #stderr = ''
  #crash: string | undefined
  #stopping = false

  constructor(name: string, command: string, args: readonly string[], options: ChildOptions = {}) {
    this.name = name
    this.#process = spawn(command, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
      env: { ...process.env, ...options.env },
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      ...(options.uid === undefined ? {} : { uid: options.uid, gid: options.uid }),
    })
    living.add(this)
    this.#process.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-KEPT_STDERR)
    })
    this.#ended = new Promise((resolve) => {
      const end = (why: string): void => {
        living.delete(this)
        if (!this.#stopping) this.#crash = `${name} ${why}: ${this.#stderr.trim()}`
        resolve()
      }
      this.#process.once('error', (error) => end(`did not start (${error.message})`))
      this.#process.once('close', (code, signal) => end(`ended with ${signal ?? `status ${code}`}`))
    })
    // Lines after the first are read and dropped, so that the child never blocks on a full pipe.
    const lines = createInterface({ input: this.#process.stdout })
    this.#firstLine = new Promise((resolve) => {
      lines.once('line', resolve)
    })
    lines.on('line', () => {})
  }

  get pid(): number {
    const { pid } = this.#process
    if (pid === undefined) throw new Error(this.#crash ?? `${this.name} has no process id`)
    return pid
  }

  /** Why the child ended by itself, or undefined while it runs or after `stop`. */
  get crash(): string | undefined {
    return this.#crash
  }

  /** The first line on stdout; rejects when the child ends without one. */
  async firstLine(signal: AbortSignal): Promise<string> {
    const stopped = new AbortController()
    try {
      return await Promise.race([
        this.#firstLine,
        this.#ended.then(() => Promise.reject(new Error(this.#crash ?? `${this.name} was stopped`))),
        once(signal, 'abort', { signal: stopped.signal }).then(() => Promise.reject(signal.reason)),
      ])
    } finally {
      stopped.abort()
    }
  }

  async stop(): Promise<void> {
    this.#stopping = true
    if (!living.has(this)) return
    this.signalGroup('SIGTERM')
    const timer = setTimeout(() => this.signalGroup('SIGKILL'), TERM_GRACE_MS)
    await this.#ended
    clearTimeout(timer)
  }

  signalGroup(signal: NodeJS.Signals): void {
    try {
      process.kill(-this.pid, signal)
    } catch {
      // It ended between the last event and this call.
    }
  }
}

/** Runs a program to its end and returns its stdout; throws with what it said on stderr when it fails. */
export async function runToEnd(
  command: string,
  args: readonly string[],
  options: ChildOptions & { readonly signal: AbortSignal },
): Promise<string> {
  const child = spawn(command, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    signal: options.signal,
    env: { ...process.env, ...options.env },
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
  })
  const closed = once(child, 'close')
  const [stdout, stderr] = await Promise.all([
    child.stdout.setEncoding('utf8').toArray(),
    child.stderr.setEncoding('utf8').toArray(),
    closed,
  ])
  if (child.exitCode !== 0) {
    throw new Error(
      `${command} ended with status ${child.exitCode}: ${stderr.join('').trim() || stdout.join('').trim()}`,
    )
  }
  return stdout.join('')
}
