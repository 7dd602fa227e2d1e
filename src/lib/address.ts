import { isIP, isIPv4 } from 'node:net'

/** A TCP address. `host` is an IP address without brackets, or a DNS name in lower case. */
export interface Address {
  readonly host: string
  readonly port: number
}

/** An inbound listener: what arrives at `listen` is for the application at `app`. */
export interface Mapping {
  readonly listen: Address
  readonly app: Address
}

const dnsName = /^(?=.{1,253}$)[a-z0-9](?:[a-z0-9_-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9_-]{0,61}[a-z0-9])?)*$/
/** Looks like an IPv4 address: then it must be one, and is not taken for a DNS name. */
const digitsAndDots = /^[\d.]+$/

/** An IP address or a DNS name, or `undefined`. IPv6 may stand in brackets. */
export function parseHost(text: string): string | undefined {
  const bare = text.startsWith('[') && text.endsWith(']') ? text.slice(1, -1) : text
  if (isIP(bare) !== 0) return bare === text || bare.includes(':') ? bare.toLowerCase() : undefined
  const name = text.toLowerCase()
  return dnsName.test(name) && !digitsAndDots.test(name) ? name : undefined
}

/** `host:port` or `[ipv6]:port`, or `undefined`. Port 0 is read: whether it may be used is the caller's question. */
export function parseAddress(text: string): Address | undefined {
  const match = /^(\[[^\]]+\]|[^:[\]]+):(\d{1,5})$/.exec(text)
  if (match === null) return undefined
  const host = parseHost(match[1] ?? '')
  const port = Number(match[2])
  return host === undefined || port > 65_535 ? undefined : { host, port }
}

/** `LISTEN=APP`, both `host:port`, or `undefined`. */
export function parseMapping(text: string): Mapping | undefined {
  const [left = '', right = '', ...rest] = text.split('=')
  const listen = parseAddress(left.trim())
  const app = parseAddress(right.trim())
  return listen === undefined || app === undefined || rest.length > 0 ? undefined : { listen, app }
}

export function formatAddress({ host, port }: Address): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}

/** `localhost` counts: RFC 6761 section 6.3 binds it to loopback. */
export function isLoopback(host: string): boolean {
  return (isIPv4(host) && host.startsWith('127.')) || host === '::1' || host === 'localhost'
}

/** `0.0.0.0` or `::`: every address of the machine, which nobody can connect to by that name. */
export function isUnspecified(host: string): boolean {
  return host === '0.0.0.0' || (isIP(host) === 6 && /^[0:]+$/.test(host))
}
