import { isIP, isIPv6 } from 'node:net'
import { OutriderError } from '../lib/errors.ts'

export const MAX_HOST_LENGTH = 253
export const hostForm: RegExp = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*$/

function isHostName(text: string): boolean {
  return text.length <= MAX_HOST_LENGTH && hostForm.test(text)
}

/** A host name in lower case (RFC 1123, section 2.1) or an IPv4 address, as clients write it before the port. */
export function parseHost(text: string): string {
  if (!isHostName(text))
    throw new OutriderError(
      'host-malformed',
      `a host is a name in lower case without port or final dot: ${JSON.stringify(text.slice(0, 100))}`,
    )
  return text
}

/** Where a socket can connect to: an IP address without brackets, or a host name. */
export function parseAddress(text: string): string {
  if (isIP(text) === 0 && !isHostName(text))
    throw new OutriderError(
      'address-malformed',
      `an address is an IP address or a host name without port: ${JSON.stringify(text.slice(0, 100))}`,
    )
  return text
}

/** What a request says about whom it is for. */
export interface NormalisedAuthority {
  /** Without port and final dot; IPv6 in brackets, in the form of RFC 5952. */
  readonly host: string
  /** `host`, or `host:port` where the port is not 80. */
  readonly authority: string
}

const DEFAULT_PORT = 80

/**
 * Brings the authority of a request, `host` or `host:port` in lower case, to the one spelling that rules see and that is
 * forwarded: no final dot, no leading zeros and no port 80 (RFC 9110, section 4.2.3; applications are spoken to by `http`). Names
 * beyond ASCII come in their A-labels or not at all.
 */
export function normaliseAuthority(text: string): NormalisedAuthority {
  const colon = text.lastIndexOf(':')
  const bracketed = text.startsWith('[')
  // A colon within the brackets belongs to the address.
  const end = colon === -1 || (bracketed && text.endsWith(']')) ? text.length : colon
  const sent = text.slice(0, end)
  const host = bracketed ? normaliseIpv6(sent) : sent.endsWith('.') ? sent.slice(0, -1) : sent
  const port = end === text.length ? DEFAULT_PORT : Number(text.slice(end + 1))
  return { host, authority: port === DEFAULT_PORT ? host : `${host}:${port}` }
}

/** What is no address after all stays as it is: it names nobody. */
function normaliseIpv6(bracketed: string): string {
  return isIPv6(bracketed.slice(1, -1)) ? new URL(`http://${bracketed}`).hostname : bracketed
}
