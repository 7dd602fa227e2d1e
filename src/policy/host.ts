import { isIP } from 'node:net'
import { OutriderError } from '../lib/errors.ts'

const hostName = /^(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$/

/** A host name in lower case (RFC 1123, section 2.1) or an IPv4 address, as clients write it before the port. */
export function parseHost(text: string): string {
  if (!hostName.test(text))
    throw new OutriderError(
      'host-malformed',
      `a host is a name in lower case without port or final dot: ${JSON.stringify(text.slice(0, 100))}`,
    )
  return text
}

/** Where a socket can connect to: an IP address without brackets, or a host name. */
export function parseAddress(text: string): string {
  if (isIP(text) === 0 && !hostName.test(text))
    throw new OutriderError(
      'address-malformed',
      `an address is an IP address or a host name without port: ${JSON.stringify(text.slice(0, 100))}`,
    )
  return text
}
