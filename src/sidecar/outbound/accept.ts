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
  const { config, metrics, credentials } = runtime
  socket.on('error', () => socket.destroy())
  if (outbound.sockets.size >= config.maxConnections) {
    metrics.connectionsRefused.with({ listener: 'outbound', reason: 'too-many-connections' }).inc()
    socket.destroy()
    return undefined
  }
  outbound.sockets.add(socket)
  metrics.connections.with({ listener: 'outbound' }).inc()
  const active = metrics.connectionsActive.with({ listener: 'outbound' })
  active.add(1)
  socket.once('close', () => {
    outbound.sockets.delete(socket)
    active.add(-1)
  })
  const { id } = credentials.current.svid
  return {
    outbound,
    runtime,
    socket,
    remote: remoteOf(socket),
    reporter: 'outbound',
    source: { kind: 'peer', id },
    explain: true,
    meter: new RequestMeter(runtime, 'outbound', id, 'mutual_tls'),
  }
}
