import type { Socket } from 'node:net'
import { remoteOf } from '../connections.ts'
import { RequestMeter } from '../meter.ts'
import type { Outbound, OutboundConnection } from './connection.ts'

/**
 * Whoever can connect to this loopback port speaks with the identity of the workload: that is what a sidecar is for. Counts
 * the connection, or closes it at once when there are `maxConnections` already.
 */
export function accept(socket: Socket, outbound: Outbound): OutboundConnection | undefined {
  const { runtime } = outbound
  if (!outbound.sockets.admit(socket)) return undefined
  const { id } = runtime.credentials.current.svid
  return {
    outbound,
    runtime,
    socket,
    remote: remoteOf(socket),
    reporter: 'outbound',
    source: { kind: 'peer', id },
    peerName: 'application',
    expiresAtMs: Number.POSITIVE_INFINITY,
    explain: true,
    meter: new RequestMeter(runtime, 'outbound', id, 'mutual_tls'),
  }
}
