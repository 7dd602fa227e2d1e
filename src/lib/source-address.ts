import { isIPv4, isIPv6 } from 'node:net'

/**
 * What an IP address is counted by: an IPv4 address as a whole, of an IPv6 address the first 64 bits, because whoever has one has
 * a network of them (RFC 6177). An IPv4 address in its IPv6 form is that address. Any other text is itself.
 */
export function networkOf(address: string): string {
  const [bare = ''] = address.split('%')
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(bare)?.[1]
  if (mapped !== undefined && isIPv4(mapped)) return mapped
  if (!isIPv6(bare)) return bare
  const [left = '', right] = bare.split('::')
  const head = left === '' ? [] : left.split(':')
  const tail = right === undefined || right === '' ? [] : right.split(':')
  // An IPv4 address at the end stands for two groups.
  const groups = head.length + tail.length + (bare.includes('.') ? 1 : 0)
  const gap = right === undefined ? 0 : 8 - groups
  const all = [...head, ...Array.from({ length: gap }, () => '0'), ...tail]
  return `${all
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(':')}::/64`
}
