import type { Socket } from 'node:net'
import type { Address } from './address.ts'
import { OutriderError } from './errors.ts'
import { canonicalIp } from './ip.ts'
import { descriptorOf, GETSOCKOPT, loadLibc } from './libc.ts'

/** Where the client of a captured connection meant to connect to; `host` is a canonical IP address. Absent where nobody knows. */
export type OriginalDestination = (socket: Socket) => Address | undefined

/** in.h and in6.h: the levels, and linux/netfilter_ipv4.h, netfilter_ipv6/ip6_tables.h: the option, which is 80 in both. */
const SOL_IP = 0
const SOL_IPV6 = 41
const SO_ORIGINAL_DST = 80
const AF_INET = 2
const AF_INET6 = 10
/** `struct sockaddr_in6`; that of IPv4 has 16. */
const SOCKADDR_BYTES = 28

/**
 * For connections whose destination was rewritten on this machine (REDIRECT): the connection tracking of the kernel remembers it.
 * Throws `original-destination-unavailable` where the kernel cannot be asked.
 */
export async function loadRedirectedDestination(): Promise<OriginalDestination> {
  const libc = await loadLibc(
    (why, cause) =>
      new OutriderError(
        'original-destination-unavailable',
        `captureMode redirect needs the original destination of connections, which cannot be read ${why}; tproxy and the explicit proxy do not need it`,
        { source: 'dependency', cause },
      ),
  )
  const getsockopt = libc.call(GETSOCKOPT)
  // Used again: it is read before anything else can ask.
  const value = Buffer.alloc(SOCKADDR_BYTES)
  return (socket) => {
    const fd = descriptorOf(socket)
    const local = canonicalIp(socket.localAddress ?? '')
    if (fd === undefined || local === undefined) return undefined
    const length = [SOCKADDR_BYTES]
    value.fill(0)
    // A socket for both families has connections of IPv4 too, and the kernel remembers them as such.
    const level = local.includes(':') ? SOL_IPV6 : SOL_IP
    return getsockopt(fd, level, SO_ORIGINAL_DST, value, length) === 0 ? readSockaddr(value) : undefined
  }
}

/** For connections that were given to a transparent socket (TPROXY): they still have the destination that they began with. */
export const transparentDestination: OriginalDestination = ({ localAddress, localPort }) => {
  const host = canonicalIp(localAddress ?? '')
  return host === undefined || localPort === undefined ? undefined : { host, port: localPort }
}

/** `struct sockaddr_in` or `sockaddr_in6`: the family in the order of the machine, port and address in that of the network. */
export function readSockaddr(bytes: Buffer): Address | undefined {
  const family = bytes.readUInt16LE(0)
  const port = bytes.readUInt16BE(2)
  if (family === AF_INET) return { host: bytes.subarray(4, 8).join('.'), port }
  if (family !== AF_INET6) return undefined
  const groups = Array.from({ length: 8 }, (_, index) => bytes.readUInt16BE(8 + 2 * index).toString(16))
  const host = canonicalIp(groups.join(':'))
  return host === undefined ? undefined : { host, port }
}
