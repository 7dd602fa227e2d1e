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

/** A canonical address and the length of its prefix. */
export interface AddressBlock {
  readonly family: 4 | 6
  /** `10.0.0.0/8`, `2001:db8::/32`. */
  readonly text: string
}

/** Reads an address or a CIDR block (RFC 4632, section 3.1; RFC 4291, section 2.3), or says in words what is wrong with it. */
export function parseBlock(text: string): AddressBlock | string {
  const [, host = '', length] = /^([^/%]+)(?:\/(0|[1-9]\d{0,2}))?$/.exec(text) ?? []
  const family = isIP(host)
  if (family !== 4 && family !== 6) return `${JSON.stringify(text)} is neither an IP address nor a CIDR block`
  const width = family === 4 ? 32 : 128
  const bits = length === undefined ? width : Number(length)
  if (bits > width) return `the prefix of ${JSON.stringify(text)} is longer than ${width}`
  const { address } = new SocketAddress({ address: host, family: family === 4 ? 'ipv4' : 'ipv6' })
  const below = (1n << BigInt(width - bits)) - 1n
  if ((numberOf(address, family) & below) !== 0n) return `${JSON.stringify(text)} has bits after its prefix`
  return { family, text: `${address}/${bits}` }
}

function numberOf(address: string, family: 4 | 6): bigint {
  if (family === 4) return address.split('.').reduce((sum, part) => (sum << 8n) | BigInt(part), 0n)
  // The last 32 bits may be written as an IPv4 address.
  const plain = address.replace(/[\d.]+\.\d+$/, (dotted) => {
    const low = numberOf(dotted, 4)
    return `${(low >> 16n).toString(16)}:${(low & 0xffffn).toString(16)}`
  })
  const [left = '', right = ''] = plain.split('::')
  const [before, after] = [groupsOf(left), groupsOf(right)]
  const all = [...before, ...Array.from<string>({ length: 8 - before.length - after.length }).fill('0'), ...after]
  return all.reduce((sum, group) => (sum << 16n) | BigInt(`0x${group}`), 0n)
}

function groupsOf(side: string): readonly string[] {
  return side === '' ? [] : side.split(':')
}
