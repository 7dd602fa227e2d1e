import { isIP, SocketAddress } from 'node:net'

/**
 * The one form of an IP address that all its forms are brought to: RFC 5952, and IPv4 within IPv6 (`::ffff:10.0.0.1`, RFC 4291,
 * section 2.5.5.2) is IPv4. Absent for what is no address, or has a zone.
 */
export function canonicalIp(text: string): string | undefined {
  const family = text.includes('%') ? 0 : isIP(text)
  if (family === 0) return undefined
  if (family === 4) return text
  const { address } = new SocketAddress({ address: text, family: 'ipv6' })
  const [, mapped] = /^::ffff:([\d.]+)$/.exec(address) ?? []
  return mapped ?? address
}
