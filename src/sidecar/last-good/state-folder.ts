import { describeError, OutriderError } from '../../lib/errors.ts'
import { checkPrivateFolder, lockFileOf, lockFolder } from '../../lib/private-folder.ts'

/** The folder of the option `stateDir`, for this sidecar alone. */
export interface StateFolder {
  readonly path: string
  /** Lets the next sidecar in. */
  release(): void
}

/**
 * Opens the folder, making it where it is missing, and locks it. Rejects with `data-folder-not-private`, `data-folder-not-ours`,
 * `data-folder-unusable` or `data-folder-in-use`.
 */
export async function openStateFolder(path: string): Promise<StateFolder> {
  checkPrivateFolder(path)
  // Loaded here: a sidecar without a folder does not pay for it.
  const { DatabaseSync } = await import('node:sqlite')
  try {
    return { path, release: lockFolder(path, 'sidecar', DatabaseSync) }
  } catch (cause) {
    if (cause instanceof OutriderError) throw cause
    throw new OutriderError(
      'data-folder-unusable',
      `the folder cannot be locked by ${lockFileOf(path)}: ${describeError(cause)}`,
      { place: path, cause },
    )
  }
}
