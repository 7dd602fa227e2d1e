import { DatabaseSync } from 'node:sqlite'
import { checkPrivateFolder, lockFileOf, lockFolder } from '../lib/private-folder.ts'
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
  checkPrivateFolder(path)
  try {
    return { path, release: lockFolder(path, 'control server', DatabaseSync) }
  } catch (cause) {
    throw storageError(cause, lockFileOf(path))
  }
}
