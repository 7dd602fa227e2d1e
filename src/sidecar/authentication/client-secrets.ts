import { join } from 'node:path'
import type { Clock } from '../../lib/clock.ts'
import { describeError, OutriderError } from '../../lib/errors.ts'
import { readSmallFile } from '../../lib/small-file.ts'

const MAX_BYTES = 4096
/** A file that was replaced is seen after so long. */
const REREAD_MS = 5000
/** Read, write and execute for users outside owner and group. */
const OTHERS = 0o007

/** Secrets of this workload at authorization servers: files in a folder that names of a policy choose from. */
export class ClientSecrets {
  readonly #folder: string | undefined
  readonly #clock: Clock
  readonly #read = new Map<string, { readonly secret: string; readonly atMs: number }>()

  constructor(folder: string | undefined, clock: Clock) {
    this.#folder = folder
    this.#clock = clock
  }

  /** Throws `client-secret` when the file cannot be used. The policy has held the name to letters that lead nowhere else. */
  of(name: string): string {
    const now = this.#clock.monotonic()
    const known = this.#read.get(name)
    if (known !== undefined && now - known.atMs < REREAD_MS) return known.secret
    const secret = this.#readFile(name)
    // Names are those of the policy: few.
    if (this.#read.size > 256) this.#read.clear()
    this.#read.set(name, { secret, atMs: now })
    return secret
  }

  #readFile(name: string): string {
    if (this.#folder === undefined) throw unusable(`${name} is needed, and the option secretsDir names no folder`)
    const path = join(this.#folder, name)
    try {
      const { text, mode } = readSmallFile(path, MAX_BYTES)
      if ((mode & OTHERS) !== 0) throw new Error('users outside its owner and group can use it: chmod o-rwx')
      const secret = text.replace(/\r?\n$/, '')
      if (secret === '' || /[\r\n\0]/.test(secret)) throw new Error('it holds no secret of one line')
      return secret
    } catch (cause) {
      throw unusable(`${path} cannot be used: ${describeError(cause)}`)
    }
  }
}

function unusable(message: string): OutriderError<'client-secret'> {
  return new OutriderError('client-secret', message, { source: 'dependency', retryable: true })
}
