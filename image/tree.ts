import { createHash } from 'node:crypto'
import { lstatSync, lutimesSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'

/** What a tree of files is, told so that two trees can be compared. */
export interface TreeReport {
  /** Regular files. */
  readonly files: number
  /** Sum of the sizes of regular files: what an image takes unpacked, but for the blocks of the file system. */
  readonly bytes: number
  /**
   * SHA-256, in hexadecimal, over path, kind, mode, owner, time of change (seconds) and content of everything in it, sorted by path.
   * Equal for equal trees, wherever they are.
   */
  readonly sha256: string
}

/** Paths of everything below `root`, relative to it, folders before what is in them, sorted by code units. Links are not followed. */
export function pathsIn(root: string): readonly string[] {
  const below = (folder: string): string[] =>
    readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
      const path = join(folder, entry.name)
      return entry.isDirectory() ? [path, ...below(path)] : [path]
    })
  return below('').toSorted((a, b) => (a < b ? -1 : a > b ? 1 : 0))
}

/** Gives everything below `root`, and itself, the same time of change: `seconds` since 1970. */
export function setTimes(root: string, seconds: number): void {
  // Backwards: nothing is written into a folder after its time is set.
  for (const path of ['', ...pathsIn(root)].toReversed()) lutimesSync(join(root, path), seconds, seconds)
}

export function reportOf(root: string): TreeReport {
  const tree = createHash('sha256')
  let [files, bytes] = [0, 0]
  for (const path of pathsIn(root)) {
    const place = join(root, path)
    const { mode, uid, gid, size, mtimeMs } = lstatSync(place)
    const line = [path, mode.toString(8), uid, gid, Math.floor(mtimeMs / 1000)]
    switch (mode & KIND) {
      case FOLDER:
        break
      case LINK:
        line.push(readlinkSync(place))
        break
      case FILE:
        line.push(sha256Of(place))
        files += 1
        bytes += size
        break
      default:
        throw new Error(`${place} is neither a file nor a folder nor a link`)
    }
    tree.update(`${JSON.stringify(line)}\n`)
  }
  return { files, bytes, sha256: tree.digest('hex') }
}

/** In hexadecimal. */
export function sha256Of(file: string): string {
  return createHash('sha256').update(readFileSync(file)).digest('hex')
}

/** inode(7) */
const KIND = 0o170000
const FOLDER = 0o040000
const LINK = 0o120000
const FILE = 0o100000
