import { detectFirstBytes } from '../first-bytes.ts'
import type { Accepted, Detected, Inbound } from './connection.ts'

/**
 * Whether the client speaks TLS, and what otherwise. A strict listener does not ask: whoever speaks no TLS there fails at the
 * handshake. A client that shows nothing in time speaks TCP, which the policy decides on like any other.
 */
export function detect(accepted: Accepted, inbound: Inbound, next: (detected: Detected) => void): void {
  const { mapping, protocol, runtime } = inbound
  const { mode } = mapping
  if (mode === 'strict') {
    next({ ...accepted, shown: 'tls' })
    return
  }
  if (mode === 'plaintext' && protocol === 'tcp') {
    next({ ...accepted, shown: 'tcp' })
    return
  }
  detectFirstBytes(accepted.socket, runtime.sweep, runtime.config.detectTimeoutMs, (found) => {
    if (found === 'tls' && mode === 'permissive') next({ ...accepted, shown: 'tls' })
    // TLS of the application's own is opaque.
    else next({ ...accepted, shown: protocol === 'tcp' || found === 'tls' ? 'tcp' : found })
  })
}
