import { OutriderError } from '../lib/errors.ts'
import { type AddressBlock, parseBlock } from '../lib/ip.ts'

/**
 * How connections come to the sidecar. `redirect`: their destination is rewritten, and the kernel remembers the original one
 * (SO_ORIGINAL_DST). `tproxy`: they keep it, and are given to a transparent socket.
 */
export const captureModes = ['redirect', 'tproxy'] as const
export type CaptureMode = (typeof captureModes)[number]

export type Family = 'ipv4' | 'ipv6'

/** What is captured in one network namespace, and what is not. */
export interface CapturePlan {
  readonly mode: CaptureMode
  readonly families: readonly Family[]
  /** Where the sidecar takes what comes in. */
  readonly inboundPort: number
  /** Where the sidecar takes what the application opens. */
  readonly outboundPort: number
  /** The sidecar's: what its user or its group sends is never captured, or it would capture itself. */
  readonly uid: number
  readonly gid: number
  /** Ports of the application that are captured; absent: all but the excluded ones. */
  readonly inboundPorts?: readonly number[]
  readonly excludeInboundPorts: readonly number[]
  readonly excludeOutboundPorts: readonly number[]
  readonly excludeOutboundRanges: readonly AddressBlock[]
  /** Names; nothing that comes or goes by them is captured. */
  readonly excludeInterfaces: readonly string[]
}

/** As it is written on a command line or in annotations: lists have commas. */
export interface PlanTexts {
  readonly mode: CaptureMode
  readonly families: readonly Family[]
  readonly inboundPort: string
  readonly outboundPort: string
  readonly uid: string
  readonly gid: string
  readonly inboundPorts: string
  readonly excludeInboundPorts: string
  readonly excludeOutboundPorts: string
  readonly excludeOutboundRanges: string
  readonly excludeInterfaces: string
}

/** Most entries of each list: every entry is a rule that each packet of a new connection is compared with. */
export const MAX_ENTRIES = 64

/** Ports that the sidecar has in every pod. */
export const defaultPorts = { inbound: 15_006, outbound: 15_001, admin: 15_020 } as const
export const SIDECAR_UID = 15_400

/** Checks what was written. Throws `capture-plan` with the option as place; every list holds at most `MAX_ENTRIES`. */
export function parsePlan(texts: PlanTexts): CapturePlan {
  const inboundPort = port(texts.inboundPort, 'inbound-port')
  const outboundPort = port(texts.outboundPort, 'outbound-port')
  if (inboundPort === outboundPort) throw wrong('outbound-port', `inbound and outbound are both ${inboundPort}`)
  const inboundPorts = ports(texts.inboundPorts, 'inbound-ports')
  for (const own of [inboundPort, outboundPort]) {
    if (inboundPorts.includes(own)) throw wrong('inbound-ports', `${own} is the sidecar's own port`)
  }
  const excludeInterfaces = entries(texts.excludeInterfaces, 'exclude-interfaces')
  for (const name of excludeInterfaces) {
    // IFNAMSIZ is 16 with the closing NUL; a plus at the end is a pattern of iptables, and none of nft.
    if (!/^[A-Za-z0-9][A-Za-z0-9_.:@-]{0,14}$/.test(name))
      throw wrong('exclude-interfaces', `${JSON.stringify(name)} is no name of an interface`)
  }
  return {
    mode: texts.mode,
    families: texts.families,
    inboundPort,
    outboundPort,
    uid: user(texts.uid, 'uid'),
    gid: user(texts.gid, 'gid'),
    ...(inboundPorts.length === 0 ? {} : { inboundPorts }),
    excludeInboundPorts: ports(texts.excludeInboundPorts, 'exclude-inbound-ports'),
    excludeOutboundPorts: ports(texts.excludeOutboundPorts, 'exclude-outbound-ports'),
    excludeOutboundRanges: entries(texts.excludeOutboundRanges, 'exclude-outbound-ranges').map(range),
    excludeInterfaces,
  }
}

function entries(text: string, option: string): readonly string[] {
  const all = [...new Set(text.split(',').map((entry) => entry.trim()))].filter((entry) => entry !== '')
  if (all.length > MAX_ENTRIES) throw wrong(option, `has ${all.length} entries, at most ${MAX_ENTRIES} are taken`)
  return all
}

function ports(text: string, option: string): readonly number[] {
  return entries(text, option).map((entry) => port(entry, option))
}

function port(text: string, option: string): number {
  if (/^[1-9]\d{0,4}$/.test(text) && Number(text) <= 65_535) return Number(text)
  throw wrong(option, `${JSON.stringify(text)} is no port from 1 to 65535`)
}

/** Not root: a sidecar that runs as root would leave all that root sends uncaptured. */
function user(text: string, option: string): number {
  if (/^[1-9]\d{0,9}$/.test(text) && Number(text) < 0xffff_ffff) return Number(text)
  throw wrong(option, `${JSON.stringify(text)} is no number of a user or group other than root`)
}

function range(text: string): AddressBlock {
  const block = parseBlock(text)
  if (typeof block === 'string') throw wrong('exclude-outbound-ranges', block)
  return block
}

function wrong(option: string, message: string): OutriderError<'capture-plan'> {
  return new OutriderError('capture-plan', `--${option}: ${message}`, { place: `--${option}` })
}
