import { existsSync, lstatSync, mkdirSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { dirname, join } from 'node:path'
import { describeError, OutriderError } from '../lib/errors.ts'
import { storageError } from './store/storage-error.ts'

/** A data folder that this process, and no other, works in. */
export interface DataFolder {
  readonly path: string
  /** Lets the next control server in. */
  release(): void
}

/**
 * Opens the data folder, making it where it is missing, and locks it. Errors: `data-folder-not-private`,
 * `data-folder-not-ours`, `data-folder-unusable`, `data-folder-in-use`.
 */
export function openDataFolder(path: string): DataFolder {
  try {
    make(path)
  } catch (cause) {
    throw unusable(path, describeError(cause), cause)
  }
  const folder = lstatSync(path)
  const { uid, mode } = folder
  if (!folder.isDirectory()) throw unusable(path, 'it is not a folder')
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
  return { path, release: lock(path) }
}

/** The last folder on its own: a `recursive` mkdir says ENOENT where the file system is read-only. */
function make(path: string): void {
  if (existsSync(path)) return
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  mkdirSync(path, { mode: 0o700 })
}

/** An exclusive transaction that never ends: Node has no file locks, SQLite has, and the kernel ends them with us. */
function lock(path: string): () => void {
  const file = join(path, 'lock')
  let held: DatabaseSync | undefined
  try {
    held = new DatabaseSync(file, { timeout: 0 })
    held.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE')
  } catch (cause) {
    held?.close()
    const failure = storageError(cause, file)
    if (failure.code !== 'database-busy') throw failure
    throw new OutriderError('data-folder-in-use', 'another control server works in this folder', { place: path, cause })
  }
  const database = held
  return () => database.close()
}

function unusable(path: string, why: string, cause?: unknown): OutriderError {
  return new OutriderError('data-folder-unusable', `the data folder cannot be used: ${why}`, { place: path, cause })
}
