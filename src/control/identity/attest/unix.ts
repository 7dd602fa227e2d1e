import { createHash } from 'node:crypto'
import { open, readFile, readlink, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { describeError } from '../../../lib/errors.ts'
import { selectorText } from '../../../policy/match/selector.ts'
import type { PeerCredentials } from '../../../lib/peer-credentials.ts'
import { type Attestor, refusedEvidence } from './attestor.ts'

/** The program that a process runs. */
interface Binary {
  /** Absent when the file is not there any more under its name. */
  readonly path?: string
  /** Hexadecimal. */
  readonly sha256: string
}

/** Largest program that is hashed. */
const MAX_BINARY_BYTES = 1024 * 1024 * 1024
const PIECE_BYTES = 1024 * 1024
/** Hashes that are remembered, by the file and its state. */
const MAX_HASHES = 256
/** Hashed at the same time: each reads a whole file. */
const MAX_UNDER_WAY = 8
const DELETED = ' (deleted)'

/**
 * The process at the other end of a Unix socket. User, group and process are the kernel's word (unix(7), SO_PEERCRED), of the
 * moment at which the peer connected; the program is read from `/proc` (proc(5)), and counts only when the process is still
 * the same one, of the same user, after its program was hashed. Who may trace that user's processes can pass for any of
 * them: separate workloads by user first.
 */
export function unixAttestor(proc = '/proc'): Attestor<'unix'> {
  const hashes = new Map<string, string>()
  let underWay = 0
  return {
    async attest({ peer }) {
      const { uid, gid, pid } = peer
      if (underWay >= MAX_UNDER_WAY)
        throw refusedPeer(`must wait: ${MAX_UNDER_WAY} programs are being hashed, the limit`)
      underWay += 1
      try {
        const { path, sha256 } = await binaryOf(join(proc, String(pid)), peer, hashes)
        return {
          source: `unix:${uid}/${sha256.slice(0, 16)}`,
          selectors: new Set([
            selectorText('unix:uid', uid),
            selectorText('unix:gid', gid),
            selectorText('unix:sha256', sha256),
            ...(path === undefined ? [] : [selectorText('unix:path', path)]),
          ]),
        }
      } finally {
        underWay -= 1
      }
    },
  }
}

async function binaryOf(folder: string, { uid }: PeerCredentials, hashes: Map<string, string>): Promise<Binary> {
  try {
    const before = await startTime(folder)
    const link = await readlink(join(folder, 'exe'))
    const sha256 = await hashOf(join(folder, 'exe'), hashes)
    const { uid: owner } = await stat(folder)
    if ((await startTime(folder)) !== before || (await readlink(join(folder, 'exe'))) !== link)
      throw new Error('it is another process by now')
    if (owner !== uid) throw new Error(`it runs as user ${owner} by now`)
    return { sha256, ...(link.endsWith(DELETED) ? {} : { path: link }) }
  } catch (cause) {
    throw refusedPeer(`cannot be told: ${describeError(cause)}`)
  }
}

/** When the process began, in clock ticks: with its number it is unique until the machine restarts (proc(5), field 22). */
async function startTime(folder: string): Promise<string> {
  const text = await readFile(join(folder, 'stat'), 'latin1')
  // The name of the program, in parentheses, may hold anything.
  const ticks = text.slice(text.lastIndexOf(')') + 2).split(' ')[19]
  if (ticks === undefined) throw new Error('its state cannot be read')
  return ticks
}

async function hashOf(file: string, hashes: Map<string, string>): Promise<string> {
  const handle = await open(file, 'r')
  try {
    const { dev, ino, size, mtimeNs, ctimeNs } = await handle.stat({ bigint: true })
    if (size > MAX_BINARY_BYTES) throw new Error(`its program has more than ${MAX_BINARY_BYTES} bytes`)
    const key = [dev, ino, size, mtimeNs, ctimeNs].join(' ')
    const known = hashes.get(key)
    if (known !== undefined) return known
    const hash = createHash('sha256')
    const piece = Buffer.allocUnsafe(PIECE_BYTES)
    for (;;) {
      const { bytesRead } = await handle.read(piece, 0, piece.length)
      if (bytesRead === 0) break
      hash.update(piece.subarray(0, bytesRead))
    }
    const digest = hash.digest('hex')
    for (const oldest of hashes.keys()) {
      if (hashes.size < MAX_HASHES) break
      hashes.delete(oldest)
    }
    hashes.set(key, digest)
    return digest
  } finally {
    await handle.close()
  }
}

function refusedPeer(why: string): ReturnType<typeof refusedEvidence> {
  return refusedEvidence('process at the other end of the socket', why)
}
