import { execFile } from 'node:child_process'

export interface Ran {
  /** -1 when it was ended, by the time limit or otherwise. */
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** Runs a program to its end with `input` as its standard input. Resolves with `undefined` where there is no such program. */
export type Run = (program: string, args: readonly string[], input?: string) => Promise<Ran | undefined>

/** Nothing that changes rules takes so long, unless it waits for a lock that is never given back. */
const TIME_LIMIT_MS = 20_000
const MAX_OUTPUT_BYTES = 16 * 1024 * 1024

/** With the programs of the folders in `path`, and beside them those where system programs are. */
export function runPrograms(path: string): Run {
  const env = {
    PATH: [path, '/usr/sbin', '/sbin', '/usr/bin', '/bin'].filter((part) => part !== '').join(':'),
    LC_ALL: 'C',
  }
  return (program, args, input = '') =>
    new Promise((resolve) => {
      const child = execFile(
        program,
        [...args],
        { env, timeout: TIME_LIMIT_MS, killSignal: 'SIGKILL', maxBuffer: MAX_OUTPUT_BYTES },
        (error, stdout, stderr) => {
          if (error?.code === 'ENOENT') return resolve(undefined)
          const code = error === null ? 0 : typeof error.code === 'number' ? error.code : -1
          resolve({ code, stdout, stderr: stderr === '' && error !== null ? error.message : stderr })
        },
      )
      // A program that ends before it has read everything says why in its status.
      child.stdin?.on('error', () => {})
      child.stdin?.end(input)
    })
}
