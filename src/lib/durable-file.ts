import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'

/** End of the name of what is being written. What a write that was cut short leaves was never used. */
export const UNFINISHED = '.unfinished'

/** Writes a file that must not exist yet, mode 0600. It is on disk when this returns, its name when the folder is synced. */
export function writeDurably(path: string, content: string | Buffer): void {
  const file = openSync(path, 'wx', 0o600)
  try {
    writeFileSync(file, content)
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
}

/** Puts new content in the place of a file, or makes it: whoever reads finds the old or the new, also after a power loss. */
export function replaceDurably(path: string, content: string | Buffer): void {
  const unfinished = `${path}${UNFINISHED}`
  rmSync(unfinished, { force: true })
  writeDurably(unfinished, content)
  renameSync(unfinished, path)
  syncFolder(dirname(path))
}

/** A rename is on disk only when the folder is. */
export function syncFolder(path: string): void {
  const folder = openSync(path, 'r')
  try {
    fsyncSync(folder)
  } finally {
    closeSync(folder)
  }
}
