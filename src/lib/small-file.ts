import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs'

export interface SmallFile {
  readonly text: string
  /** Type and permissions, as in stat(2). */
  readonly mode: number
}

export interface SmallBytes {
  readonly bytes: Buffer
  /** As in stat(2). */
  readonly mode: number
  readonly uid: number
}

/** Why a file was not read; the message goes after its name. */
export class SmallFileError extends Error {
  readonly kind: 'not-a-file' | 'too-large'

  constructor(kind: 'not-a-file' | 'too-large', message: string) {
    super(message)
    this.kind = kind
  }
}

/** As `readSmallBytes`, of UTF-8. */
export function readSmallFile(path: string, maxBytes: number): SmallFile {
  const { bytes, mode } = readSmallBytes(path, maxBytes)
  return { text: bytes.toString('utf8'), mode }
}

/**
 * Reads a file that an operator names: whole, and never more than `maxBytes` whatever it turns out to be. Owner, mode and content are of
 * one open file. `flags` are added to those of open(2). Throws `SmallFileError`, or what the system says.
 */
export function readSmallBytes(path: string, maxBytes: number, flags = 0): SmallBytes {
  // A pipe would otherwise wait for its writer.
  const file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | flags)
  try {
    const stat = fstatSync(file)
    if (!stat.isFile()) throw new SmallFileError('not-a-file', 'is no file')
    if (stat.size > maxBytes)
      throw new SmallFileError('too-large', `has ${stat.size} bytes, at most ${maxBytes} are read`)
    // As long as it was, however it grows meanwhile.
    const bytes = Buffer.alloc(stat.size)
    let length = 0
    for (let read = -1; read !== 0 && length < bytes.length; length += read)
      read = readSync(file, bytes, length, bytes.length - length, null)
    return { bytes: bytes.subarray(0, length), mode: stat.mode, uid: stat.uid }
  } finally {
    closeSync(file)
  }
}
