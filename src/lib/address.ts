import { isIP, isIPv4 } from 'node:net'
import { type AppProtocol, appProtocols, type PlainMode, plainModes } from './app-protocol.ts'
import { type Normalisation, normalisations } from './normalisation.ts'

/** A TCP address. `host` is an IP address without brackets, or a DNS name in lower case. */
export interface Address {
  readonly host: string
  readonly port: number
}

/** An inbound listener: what arrives at `listen` is for the application at `app`. */
export interface Mapping {
  readonly listen: Address
  readonly app: Address
  readonly protocol: AppProtocol
  readonly mode: PlainMode
  /** What is done to the paths of requests. */
  readonly normalise: Normalisation
}

/** A listener of the own application that stands for one port of a service, named as in an authority. */
export interface ServiceMapping {
  readonly listen: Address
  readonly service: Address
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

/** `LISTEN=[PROTOCOL://]APP[?mode=MODE][&normalise=MODE]`, or in words what is wrong with it. */
export function parseMapping(text: string): Mapping | string {
  const [left, right] = sides(text)
  const {
    protocol = 'auto',
    rest = '',
    query,
  } = /^(?:(?<protocol>.*?):\/\/)?(?<rest>[^?]*)(?:\?(?<query>.*))?$/s.exec(right)?.groups ?? {}
  const keys = parseKeys(query)
  if (typeof keys === 'string') return keys
  const { mode = 'strict', normalise = 'strict' } = keys
  if (!isOneOf(appProtocols, protocol)) return notOneOf('protocol', appProtocols, protocol)
  if (!isOneOf(plainModes, mode)) return notOneOf('mode', plainModes, mode)
  if (!isOneOf(normalisations, normalise)) return notOneOf('normalisation', normalisations, normalise)
  if (protocol === 'tcp' && normalise !== 'strict') return 'what is spoken in tcp has no paths to normalise'
  const pair = addressPair(left, rest, 'application')
  return typeof pair === 'string' ? pair : { listen: pair[0], app: pair[1], protocol, mode, normalise }
}

/** What follows the question mark of a mapping. */
function parseKeys(query: string | undefined): { mode?: string; normalise?: string } | string {
  const keys: { mode?: string; normalise?: string } = {}
  for (const part of query?.split('&') ?? []) {
    const [, key, value] = /^(mode|normalise)=(.*)$/s.exec(part) ?? []
    if ((key !== 'mode' && key !== 'normalise') || keys[key] !== undefined)
      return `nothing but mode=MODE and normalise=MODE, each once, may follow the question mark, not ${JSON.stringify(query)}`
    keys[key] = value ?? ''
  }
  return keys
}

/** `LISTEN=SERVICE_HOST:PORT`, where a LISTEN that is a port alone is one of loopback, or in words what is wrong with it. */
export function parseServiceMapping(text: string): ServiceMapping | string {
  const [left, right] = sides(text)
  const pair = addressPair(/^\d+$/.test(left) ? `127.0.0.1:${left}` : left, right, 'service')
  return typeof pair === 'string' ? pair : { listen: pair[0], service: pair[1] }
}

/** What stands before and after the first `=`. */
function sides(text: string): [left: string, right: string] {
  const at = text.indexOf('=')
  return at === -1 ? [text.trim(), ''] : [text.slice(0, at).trim(), text.slice(at + 1).trim()]
}

function addressPair(left: string, right: string, what: string): [Address, Address] | string {
  const listen = parseAddress(left)
  if (listen === undefined) return `${JSON.stringify(left)} is no address to listen on`
  const target = parseAddress(right)
  if (target === undefined) return `${JSON.stringify(right)} is no address of the ${what}`
  return target.port === 0 ? `the port of the ${what} is missing` : [listen, target]
}

function isOneOf<const T extends string>(values: readonly T[], text: string): text is T {
  return values.some((value) => value === text)
}

function notOneOf(what: string, values: readonly string[], text: string): string {
  return `the ${what} ${JSON.stringify(text)} is none of ${values.join(', ')}`
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
