import { close, openSync, write } from 'node:fs'
import { OutriderError } from '../lib/errors.ts'
import type { AccessLogSink } from './access-log.ts'

const STDOUT = 1
/** A pipe whose reader is behind and that somebody made non-blocking answers EAGAIN: look again after this. */
const RETRY_MS = 20

/**
 * Appends to a file, or writes to the standard output for `-`. Writes by descriptor and off the main thread:
 * `process.stdout` blocks the whole process when a pipe is full.
 */
export function fileSink(path: string): AccessLogSink {
  const descriptor = path === '-' ? STDOUT : openForAppend(path)
  let writing = false
  let closed = false
  const release = (): void => {
    if (descriptor !== STDOUT) close(descriptor, () => {})
  }
  const writeAll = (bytes: Buffer, done: (error?: Error) => void): void => {
    const finish = (error?: Error): void => {
      writing = false
      if (closed) release()
      done(error)
    }
    writing = true
    write(descriptor, bytes, 0, bytes.length, null, (error, written) => {
      if (error?.code === 'EAGAIN' && !closed) setTimeout(writeAll, RETRY_MS, bytes, done)
      else if (error !== null) finish(error)
      else if (written === bytes.length) finish()
      else if (closed) finish(new Error('closed in the middle of a write'))
      else writeAll(bytes.subarray(written), done)
    })
  }
  return {
    write: (lines, done) => writeAll(Buffer.from(lines), done),
    close() {
      if (closed) return
      closed = true
      // The number of a descriptor is used again at once: a write still under way would go to another file.
      if (!writing) release()
    },
  }
}

function openForAppend(path: string): number {
  try {
    return openSync(path, 'a', 0o640)
  } catch (cause) {
    throw new OutriderError('access-log-unwritable', `the access log ${path} cannot be opened`, {
      place: 'accessLogPath',
      cause,
    })
  }
}
