import { describeError, OutriderError } from '../../lib/errors.ts'

/** Result codes of SQLite (https://sqlite.org/rescode.html); the low byte of an extended code. */
const BUSY = 5
const CORRUPT = 11
const FULL = 13
const NOTADB = 26

/** The one way from an error of SQLite to ours. Anything else that was thrown stays what it is, as the cause. */
export function storageError(thrown: unknown, file: string): OutriderError {
  if (thrown instanceof OutriderError) return thrown
  const details = { place: file, cause: thrown, source: 'internal' } as const
  const result = resultCode(thrown)
  if (result === BUSY) return new OutriderError('database-busy', 'another process holds the database', details)
  if (result === CORRUPT || result === NOTADB) {
    return new OutriderError('database-corrupt', 'the database is damaged: restore the folder from a backup', details)
  }
  if (result === FULL) {
    return new OutriderError(
      'disk-full',
      'the disk, or what the database may take of it, is full: nothing was stored',
      { ...details, retryable: true },
    )
  }
  return new OutriderError('database-failed', `the database failed: ${describeError(thrown)}`, details)
}

function resultCode(thrown: unknown): number | undefined {
  if (thrown instanceof Error && 'errcode' in thrown && typeof thrown.errcode === 'number') return thrown.errcode & 0xff
  return undefined
}
