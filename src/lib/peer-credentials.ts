import type { Socket } from 'node:net'
import { OutriderError } from './errors.ts'
import { descriptorOf, GETSOCKOPT, loadLibc } from './libc.ts'

/** Who opened the other end of a Unix socket, as the kernel noted it when it connected (unix(7), SO_PEERCRED). */
export interface PeerCredentials {
  /** 0 where the process is in a PID namespace that this one does not see. May have ended since. */
  readonly pid: number
  /** Effective. 65534 where this user namespace has no number for the user. */
  readonly uid: number
  readonly gid: number
}

/** Throws `peer-credentials-unknown` for what is no open Unix socket. */
export type ReadPeerCredentials = (socket: Socket) => PeerCredentials

/** asm-generic/socket.h: the numbers of x86-64 and arm64. */
const SOL_SOCKET = 1
const SO_PEERCRED = 17
/** `struct ucred`: pid, uid and gid, of 32 bits each. */
const UCRED_BYTES = 12

/**
 * Throws `peer-credentials-unavailable` where the C library cannot be called.
 */
export async function loadPeerCredentials(): Promise<ReadPeerCredentials> {
  const getsockopt = (await loadLibc(unavailable)).call(GETSOCKOPT)
  return (socket) => {
    const fd = descriptorOf(socket)
    const credentials = Buffer.alloc(UCRED_BYTES)
    const length = [UCRED_BYTES]
    if (fd === undefined || getsockopt(fd, SOL_SOCKET, SO_PEERCRED, credentials, length) !== 0) {
      throw new OutriderError('peer-credentials-unknown', 'the kernel does not say who opened this connection', {
        source: 'dependency',
      })
    }
    const [pid, uid, gid] = [credentials.readInt32LE(0), credentials.readUInt32LE(4), credentials.readUInt32LE(8)]
    // What was not connected by anybody has no user, and the kernel says -1.
    if (length[0] !== UCRED_BYTES || uid === 0xffff_ffff) {
      throw new OutriderError('peer-credentials-unknown', 'this is no connection of a Unix socket', {
        source: 'dependency',
      })
    }
    return { pid, uid, gid }
  }
}

function unavailable(why: string, cause?: unknown): OutriderError {
  return new OutriderError('peer-credentials-unavailable', `peer credentials cannot be read ${why}`, {
    source: 'dependency',
    cause,
  })
}
