import { existsSync, lstatSync, mkdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { DatabaseSync } from 'node:sqlite'
import { describeError, OutriderError } from './errors.ts'

/** SQLITE_BUSY (https://sqlite.org/rescode.html); the low byte of an extended code. */
const BUSY = 5

/**
 * Checks a folder that holds keys, and makes it where it is missing: mode 0700, our own, no symbolic link. Throws `data-folder-not-private`,
 * `data-folder-not-ours` or `data-folder-unusable`.
 */
export function checkPrivateFolder(path: string): void {
  try {
    make(path)
  } catch (cause) {
    throw unusableFolder(path, describeError(cause), cause)
  }
  const folder = lstatSync(path)
  const { uid, mode } = folder
  if (!folder.isDirectory()) throw unusableFolder(path, 'it is not a folder')
  if (uid !== process.geteuid?.()) {
    throw new OutriderError('data-folder-not-ours', `the folder belongs to user ${uid}`, { place: path })
  }
  if ((mode & 0o077) !== 0) {
    const octal = (mode & 0o777).toString(8)
    throw new OutriderError(
      'data-folder-not-private',
      `the folder has mode ${octal}: it holds keys, so that nobody but its owner may enter it (chmod 700)`,
      { place: path },
    )
  }
}

/** The last folder on its own: a `recursive` mkdir says ENOENT where the file system is read-only. */
function make(path: string): void {
  if (existsSync(path)) return
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  mkdirSync(path, { mode: 0o700 })
}

/**
 * Keeps other processes out of a folder, until the returned function is called or this process ends. `Database` is that of node:sqlite,
 * which not everybody has loaded. Throws `data-folder-in-use`, or what SQLite says of `lockFileOf(path)`.
 */
export function lockFolder(path: string, owner: string, Database: typeof DatabaseSync): () => void {
  // An exclusive transaction that never ends: Node has no file locks, SQLite has, and the kernel ends them with us.
  let held: DatabaseSync | undefined
  try {
    held = new Database(lockFileOf(path), { timeout: 0 })
    held.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE')
  } catch (cause) {
    held?.close()
    if (!isBusy(cause)) throw cause
    throw new OutriderError('data-folder-in-use', `another ${owner} works in this folder`, { place: path, cause })
  }
  const database = held
  return () => database.close()
}

export function lockFileOf(path: string): string {
  return join(path, 'lock')
}

function isBusy(thrown: unknown): boolean {
  return (
    thrown instanceof Error &&
    'errcode' in thrown &&
    typeof thrown.errcode === 'number' &&
    (thrown.errcode & 0xff) === BUSY
  )
}

export function unusableFolder(path: string, why: string, cause?: unknown): OutriderError<'data-folder-unusable'> {
  return new OutriderError('data-folder-unusable', `the data folder cannot be used: ${why}`, { place: path, cause })
}
