import { constants } from 'node:fs'
import { describeError, OutriderError } from './errors.ts'
import { readSmallBytes, SmallFileError } from './small-file.ts'

export type PrivateFileErrorCode =
  | 'private-file-symlink'
  | 'private-file-not-ours'
  | 'private-file-exposed'
  | 'private-file-too-large'
  | 'private-file-unreadable'

/** The rights of group and others. */
const OTHERS = 0o077

/**
 * Reads a file that this process wrote for itself, and that nobody else may have had a hand in: a regular file of our own user, mode
 * 0600 or less, no symbolic link, at most `maxBytes`. Undefined when there is none. Throws
 * `OutriderError<PrivateFileErrorCode>` with the path as its place.
 */
export function readPrivateFile(path: string, maxBytes: number): Buffer | undefined {
  const fault = (code: PrivateFileErrorCode, message: string, cause?: unknown): OutriderError<PrivateFileErrorCode> =>
    new OutriderError(code, message, { place: path, source: 'dependency', cause })
  try {
    const { bytes, mode, uid } = readSmallBytes(path, maxBytes, constants.O_NOFOLLOW)
    if (uid !== process.geteuid?.()) throw fault('private-file-not-ours', `the file belongs to user ${uid}`)
    if ((mode & OTHERS) !== 0) {
      const octal = (mode & 0o777).toString(8)
      throw fault('private-file-exposed', `the file has mode ${octal}: others can read or change it`)
    }
    return bytes
  } catch (cause) {
    if (cause instanceof OutriderError) throw cause
    if (cause instanceof SmallFileError) {
      const code = cause.kind === 'too-large' ? 'private-file-too-large' : 'private-file-unreadable'
      throw fault(code, `the file ${cause.message}`)
    }
    const name = cause instanceof Error && 'code' in cause ? cause.code : undefined
    if (name === 'ENOENT') return undefined
    if (name === 'ELOOP') throw fault('private-file-symlink', 'the file is a symbolic link')
    throw fault('private-file-unreadable', `the file cannot be read: ${describeError(cause)}`, cause)
  }
}
