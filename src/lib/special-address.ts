import { BlockList, isIP } from 'node:net'
import { parseHost } from './address.ts'

/**
 * Addresses that are no server of the Internet (the IANA registries of RFC 6890, multicast, and what clouds answer themselves at).
 * A name that leads there, or a redirect, is how a server is made to attack its own network.
 */
const special: readonly (readonly [block: string, what: string])[] = [
  ['0.0.0.0/8', 'this host'],
  ['10.0.0.0/8', 'a private network'],
  ['100.64.0.0/10', 'the network of a carrier'],
  ['127.0.0.0/8', 'loopback'],
  ['168.63.129.16/32', 'a service of the cloud'],
  ['169.254.0.0/16', 'link-local'],
  ['172.16.0.0/12', 'a private network'],
  ['192.0.0.0/24', 'reserved'],
  ['192.0.2.0/24', 'documentation'],
  ['192.88.99.0/24', 'reserved'],
  ['192.168.0.0/16', 'a private network'],
  ['198.18.0.0/15', 'benchmarks'],
  ['198.51.100.0/24', 'documentation'],
  ['203.0.113.0/24', 'documentation'],
  ['224.0.0.0/4', 'multicast'],
  ['240.0.0.0/4', 'reserved'],
  // Among them ::, ::1 and IPv4-compatible addresses.
  ['::/96', 'this host'],
  // IPv4 behind a translator, of which nobody here knows the rules.
  ['64:ff9b::/96', 'a translator'],
  ['64:ff9b:1::/48', 'a translator'],
  ['100::/64', 'reserved'],
  ['2001::/23', 'reserved'],
  ['2001:db8::/32', 'documentation'],
  ['2002::/16', 'a tunnel'],
  ['3fff::/20', 'documentation'],
  ['5f00::/16', 'reserved'],
  ['fc00::/7', 'a private network'],
  ['fe80::/10', 'link-local'],
  ['fec0::/10', 'a private network'],
  ['ff00::/8', 'multicast'],
]

/** Nobody serves there, or the cloud itself does and hands out credentials: a name alone does not open these. */
const guarded: readonly string[] = [
  '0.0.0.0/8',
  '168.63.129.16/32',
  '169.254.0.0/16',
  '224.0.0.0/4',
  '240.0.0.0/4',
  '::/128',
  'fe80::/10',
  'fd00:ec2::254/128',
  'ff00::/8',
]

const kinds = special.map(([block, what]) => ({ what, block: blockListOf([block]) }))
const guardedBlocks = blockListOf(guarded)

/** What may be connected to although it is special. */
export interface AddressAllowance {
  /** Names, and addresses as names, in lower case: wherever they lead, but for what is guarded. */
  readonly hosts: ReadonlySet<string>
  readonly blocks: BlockList
}

/** Reads host names, addresses and CIDR blocks with commas between them, or says in words what is wrong. */
export function parseAllowance(text: string): AddressAllowance | string {
  const hosts = new Set<string>()
  const blocks = new BlockList()
  for (const entry of text.split(',')) {
    const word = entry.trim()
    if (word === '') continue
    if (isIP(word) !== 0 || word.includes('/')) {
      if (!addBlock(blocks, word)) return `${JSON.stringify(word)} is no CIDR block`
    } else {
      const host = parseHost(word)
      if (host === undefined) return `${JSON.stringify(word)} is neither a host name nor a CIDR block`
      hosts.add(host)
    }
  }
  return { hosts, blocks }
}

/** What the address is when nothing may be sent to it; `host` is the name that led there. */
export function whyNotAllowed(address: string, host: string, allowance: AddressAllowance): string | undefined {
  const family = isIP(address)
  if (family === 0) return 'no IP address'
  const type = family === 4 ? 'ipv4' : 'ipv6'
  if (allowance.blocks.check(address, type)) return undefined
  const found = kinds.find(({ block }) => block.check(address, type))
  if (found === undefined) return undefined
  return allowance.hosts.has(host) && !guardedBlocks.check(address, type) ? undefined : found.what
}

function blockListOf(blocks: readonly string[]): BlockList {
  const list = new BlockList()
  for (const block of blocks) if (!addBlock(list, block)) throw new TypeError(block)
  return list
}

function addBlock(list: BlockList, block: string): boolean {
  const [, address = '', bits] = /^([^/]+)(?:\/(\d{1,3}))?$/.exec(block) ?? []
  const family = isIP(address)
  const longest = family === 4 ? 32 : 128
  const prefix = bits === undefined ? longest : Number(bits)
  if (family === 0 || prefix > longest) return false
  list.addSubnet(address, prefix, family === 4 ? 'ipv4' : 'ipv6')
  return true
}
