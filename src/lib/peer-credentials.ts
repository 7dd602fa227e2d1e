import type { Socket } from 'node:net'
import { OutriderError } from './errors.ts'

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
 * Loads what Node does not have: a call of getsockopt(2). Nothing is loaded before it is asked for, since few processes need it.
 * Throws `peer-credentials-unavailable` where the package is not installed or the system is another one.
 */
export async function loadPeerCredentials(): Promise<ReadPeerCredentials> {
  if (process.platform !== 'linux' || !['x64', 'arm64'].includes(process.arch)) {
    throw unavailable(`on ${process.platform} ${process.arch}: only Linux on x64 and arm64 is known`)
  }
  const getsockopt = await loadGetsockopt()
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

type Getsockopt = (fd: number, level: number, option: number, value: Buffer, length: number[]) => number

async function loadGetsockopt(): Promise<Getsockopt> {
  try {
    const { default: koffi } = await import('koffi')
    // Of the C library that Node itself is linked with, whichever that is.
    const declaration = 'int getsockopt(int, int, int, void *, _Inout_ uint32_t *)'
    const call = koffi.load(null).func(declaration)
    return (fd, level, option, value, length) => Number(call(fd, level, option, value, length))
  } catch (cause) {
    throw unavailable('here: the package koffi cannot be loaded', cause)
  }
}

function unavailable(why: string, cause?: unknown): OutriderError {
  return new OutriderError('peer-credentials-unavailable', `peer credentials cannot be read ${why}`, {
    source: 'dependency',
    cause,
  })
}

/**
 * The file descriptor of a socket. It is asked for and used in one turn of the event loop, in which nothing closes the socket:
 * the number cannot have become another file's. Node keeps it on the handle, which is not public: where it is not there,
 * there are no credentials, and nobody is let in.
 */
function descriptorOf(socket: Socket): number | undefined {
  const handle: unknown = socket.destroyed ? undefined : Reflect.get(socket, '_handle')
  const fd: unknown = typeof handle === 'object' && handle !== null ? Reflect.get(handle, 'fd') : undefined
  return typeof fd === 'number' && Number.isInteger(fd) && fd >= 0 ? fd : undefined
}
