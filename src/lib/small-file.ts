import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs'

export interface SmallFile {
  readonly text: string
  /** Type and permissions, as in stat(2). */
  readonly mode: number
}

/** Why a file was not read; the message goes after its name. */
export class SmallFileError extends Error {
  readonly kind: 'not-a-file' | 'too-large'

  constructor(kind: 'not-a-file' | 'too-large', message: string) {
    super(message)
    this.kind = kind
  }
}

/**
 * Reads a file that an operator names: whole, UTF-8, and never more than `maxBytes` whatever it turns out to be. Mode and content
 * are of one open file. Throws `SmallFileError`, or what the system says.
 */
export function readSmallFile(path: string, maxBytes: number): SmallFile {
  // A pipe would otherwise wait for its writer.
  const file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
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
    return { text: bytes.toString('utf8', 0, length), mode: stat.mode }
  } finally {
    closeSync(file)
  }
}
