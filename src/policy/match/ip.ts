import { isIPv4, isIPv6 } from 'node:net'
import { OutriderError } from '../../lib/errors.ts'

/** An IP address as words of 32 bits, the first one first: one of IPv4, four of IPv6. */
export type IpAddress = readonly number[]

/** The addresses that begin with the first `bits` bits of `address`. */
export interface IpBlock {
  readonly address: IpAddress
  readonly bits: number
}

/**
 * An address as sockets tell it, or `undefined`. IPv4 within IPv6 (`::ffff:10.0.0.1`, RFC 4291, section 2.5.5.2) is IPv4: the
 * same client must not be two depending on the listener. A zone (`%eth0`) is left out.
 */
export function parseIp(text: string): IpAddress | undefined {
  const percent = text.indexOf('%')
  const bare = percent === -1 ? text : text.slice(0, percent)
  if (isIPv4(bare)) return [wordOf(bare)]
  return isIPv6(bare) ? unmapped(wordsOf(bare)) : undefined
}

/** An address, whatever it is, and the length of a prefix. */
export const ipBlockForm: RegExp = /^([^/%]+)(?:\/(0|[1-9]\d{0,2}))?$/

/** Reads an address or a CIDR block (RFC 4632, section 3.1; RFC 4291, section 2.3). Throws an `OutriderError`. */
export function parseIpBlock(text: string): IpBlock {
  const [, host = '', length] = ipBlockForm.exec(text) ?? []
  const four = isIPv4(host)
  if (!four && !isIPv6(host))
    throw new OutriderError(
      'ip-block-malformed',
      `an IP address, or a block such as 10.0.0.0/8 or 2001:db8::/32, not ${JSON.stringify(text.slice(0, 100))}`,
    )
  const width = four ? 32 : 128
  const bits = length === undefined ? width : Number(length)
  if (bits > width)
    throw new OutriderError('ip-block-malformed', `the length of a prefix is at most ${width} here, not ${bits}`)
  const words = four ? [wordOf(host)] : wordsOf(host)
  if (words.some((word, index) => (word & ~maskOf(bits - 32 * index)) !== 0))
    throw new OutriderError(
      'ip-block-host-bits',
      `an address with bits after its prefix of ${bits}: which of the two is meant in ${JSON.stringify(text)}?`,
    )
  const address = bits >= 96 ? unmapped(words) : words
  return address.length === words.length ? { address, bits } : { address, bits: bits - 96 }
}

/** Blocks of IPv4 hold no address of IPv6, and the other way round: `::/0` is every address of IPv6 only. */
export function matchesIpBlock({ address, bits }: IpBlock, candidate: IpAddress): boolean {
  if (address.length !== candidate.length) return false
  for (let index = 0; index < address.length && bits > 32 * index; index += 1)
    if (((address[index]! ^ candidate[index]!) & maskOf(bits - 32 * index)) !== 0) return false
  return true
}

/** The first `bits` bits of a word; below 0 it is none, above 32 all. */
function maskOf(bits: number): number {
  return bits <= 0 ? 0 : bits >= 32 ? -1 : -1 << (32 - bits)
}

function wordOf(text: string): number {
  const [a = 0, b = 0, c = 0, d = 0] = text.split('.').map(Number)
  return (a << 24) | (b << 16) | (c << 8) | d
}

function wordsOf(text: string): IpAddress {
  // The last 32 bits may be written as an IPv4 address.
  const dotted = /^(.*:)([\d.]+\.\d+)$/.exec(text)
  const low = dotted === null ? 0 : wordOf(dotted[2]!)
  const plain = dotted === null ? text : `${dotted[1]}${(low >>> 16).toString(16)}:${(low & 0xffff).toString(16)}`
  const [left = '', right] = plain.split('::')
  const [before, after] = [groupsOf(left), groupsOf(right ?? '')]
  const all = [...before, ...Array.from<string>({ length: 8 - before.length - after.length }).fill('0'), ...after]
  return [0, 2, 4, 6].map((at) => (Number.parseInt(all[at]!, 16) << 16) | Number.parseInt(all[at + 1]!, 16))
}

function groupsOf(side: string): readonly string[] {
  return side === '' ? [] : side.split(':')
}

function unmapped(words: IpAddress): IpAddress {
  const [a, b, c, d] = words
  return a === 0 && b === 0 && c === 0xffff ? [d!] : words
}
