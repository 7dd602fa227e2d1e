import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { open, rename, rm } from 'node:fs/promises'
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

/** As `replaceDurably`, of pieces that follow each other, without a wait of this thread for the disk. One at a time for each path. */
export async function replaceDurablyLater(path: string, pieces: readonly Uint8Array[]): Promise<void> {
  const unfinished = `${path}${UNFINISHED}`
  await rm(unfinished, { force: true })
  const file = await open(unfinished, 'wx', 0o600)
  try {
    for (const piece of pieces) await file.writeFile(piece)
    await file.sync()
  } finally {
    await file.close()
  }
  await renameDurably(unfinished, path)
}

/** Gives a file of the same folder another name, in place of what has it. */
export async function renameDurably(from: string, to: string): Promise<void> {
  await rename(from, to)
  const folder = await open(dirname(to), 'r')
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
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
