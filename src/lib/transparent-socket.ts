import { isIP } from 'node:net'
import { type Address, formatAddress } from './address.ts'
import { OutriderError } from './errors.ts'
import { loadLibc } from './libc.ts'

/** sys/socket.h, netinet/in.h and linux/in6.h, as they are on x86-64 and arm64. */
const AF_INET = 2
const AF_INET6 = 10
const SOCK_STREAM = 1
const SOL_SOCKET = 1
const SO_REUSEADDR = 2
const SOL_IP = 0
const IP_TRANSPARENT = 19
const SOL_IPV6 = 41
const IPV6_V6ONLY = 26
const IPV6_TRANSPARENT = 75
const BACKLOG = 511

/** Opens listening sockets that take connections whoever they were meant for (ip(7), IP_TRANSPARENT). */
export interface TransparentSockets {
  /**
   * Gives the file descriptor, which programs that this process becomes inherit. `::` takes both families. Throws `listen-failed`, or
   * `transparent-refused` without CAP_NET_ADMIN.
   */
  listen(at: Address, place: string): number
}

/** Throws `transparent-unavailable` where the C library cannot be called. */
export async function loadTransparentSockets(): Promise<TransparentSockets> {
  const libc = await loadLibc(unavailable)
  const socket = libc.call('int socket(int, int, int)')
  const setsockopt = libc.call('int setsockopt(int, int, int, void *, uint32_t)')
  const bind = libc.call('int bind(int, void *, uint32_t)')
  const listen = libc.call('int listen(int, int)')
  const one = Buffer.from([1, 0, 0, 0])
  const zero = Buffer.alloc(4)

  return {
    listen(at, place) {
      const version = isIP(at.host)
      const failed = (what: string): OutriderError =>
        new OutriderError('listen-failed', `${place}: cannot listen on ${formatAddress(at)}: ${what} failed`, { place })
      if (version === 0) throw failed('reading the IP address')
      const fd = socket(version === 6 ? AF_INET6 : AF_INET, SOCK_STREAM, 0)
      if (fd < 0) throw failed('opening a socket')
      const set = (level: number, option: number, value: Buffer): boolean =>
        setsockopt(fd, level, option, value, value.length) === 0
      if (!set(SOL_SOCKET, SO_REUSEADDR, one)) throw failed('setting SO_REUSEADDR')
      if (version === 6 && !set(SOL_IPV6, IPV6_V6ONLY, zero)) throw failed('setting IPV6_V6ONLY')
      // One bit of the socket in both families.
      const transparent = version === 6 ? set(SOL_IPV6, IPV6_TRANSPARENT, one) : set(SOL_IP, IP_TRANSPARENT, one)
      if (!transparent) {
        throw new OutriderError(
          'transparent-refused',
          `${place}: the kernel gives no transparent socket to this process: it needs CAP_NET_ADMIN or CAP_NET_RAW`,
          { place, source: 'dependency' },
        )
      }
      const name = sockaddrOf(at, version === 6)
      if (bind(fd, name, name.length) !== 0) throw failed('taking the address (another program may have it)')
      if (listen(fd, BACKLOG) !== 0) throw failed('listening')
      return fd
    },
  }
}

/** A second descriptor of an open file, so that whoever closes one does not close the other's. Throws `descriptor-lost`. */
export async function loadDuplicate(): Promise<(fd: number, place: string) => number> {
  const fcntl = (await loadLibc(unavailable)).call('int fcntl(int, int, int)')
  return (fd, place) => {
    const copy = fcntl(fd, F_DUPFD_CLOEXEC, 3)
    if (copy >= 0) return copy
    throw new OutriderError('descriptor-lost', `${place}: there is no open file with the descriptor ${fd}`, { place })
  }
}

/** fcntl.h */
const F_DUPFD_CLOEXEC = 1030

function unavailable(why: string, cause?: unknown): OutriderError {
  return new OutriderError('transparent-unavailable', `transparent sockets cannot be used ${why}`, {
    source: 'dependency',
    cause,
  })
}

function sockaddrOf({ host, port }: Address, six: boolean): Buffer {
  const bytes = Buffer.alloc(six ? 28 : 16)
  bytes.writeUInt16LE(six ? AF_INET6 : AF_INET, 0)
  bytes.writeUInt16BE(port, 2)
  if (!six) {
    bytes.set(host.split('.').map(Number), 4)
    return bytes
  }
  const [left = '', right = ''] = host.split('::')
  const [before, after] = [left, right].map((side) => (side === '' ? [] : side.split(':')))
  const groups = [
    ...before!,
    ...Array.from<string>({ length: 8 - before!.length - after!.length }).fill('0'),
    ...after!,
  ]
  for (const [index, group] of groups.entries()) bytes.writeUInt16BE(Number.parseInt(group, 16), 8 + 2 * index)
  return bytes
}
