import { formatAddress } from '../../lib/address.ts'
import { resolveDestination } from '../../policy/destinations.ts'
import { detectFirstBytes } from '../first-bytes.ts'
import type { Spoken } from '../serve-http.ts'
import type { Accepted, Detected, Outbound } from './connection.ts'

/**
 * What the application speaks. On a listener for one service what the service's port declares comes first, so that a server that
 * speaks first is not waited for in vain; on the listener for all of them it is HTTP, by its first bytes 2 or 1.1.
 */
export function detect(accepted: Accepted, outbound: Outbound, next: (detected: Detected) => void): void {
  const { service, runtime } = outbound
  const declared = service === undefined ? undefined : declaredProtocol(formatAddress(service), outbound)
  if (declared !== undefined) {
    next({ ...accepted, spoken: declared })
    return
  }
  detectFirstBytes(accepted.socket, runtime.sweep, runtime.config.detectTimeoutMs, (found) => {
    if (service === undefined) next({ ...accepted, spoken: found === 'http2' ? 'http2' : 'http1' })
    // TLS of the application's own is opaque.
    else next({ ...accepted, spoken: found === 'tls' ? 'tcp' : found })
  })
}

function declaredProtocol(authority: string, { runtime }: Outbound): Spoken | undefined {
  const protocol = resolveDestination(runtime.policy.current.destinations, authority)?.protocol
  return protocol === 'tcp' ? 'tcp' : undefined
}
