import type { Socket } from 'node:net'
import { remoteOf } from '../connections.ts'
import type { Accepted, Inbound } from './connection.ts'

/** Counts the connection, or closes it at once when there are `maxConnections` already. */
export function accept(socket: Socket, inbound: Inbound): Accepted | undefined {
  const { config, metrics } = inbound.runtime
  socket.on('error', () => socket.destroy())
  if (inbound.sockets.size >= config.maxConnections) {
    metrics.connectionsRefused.with({ listener: 'inbound', reason: 'too-many-connections' }).inc()
    socket.destroy()
    return undefined
  }
  inbound.sockets.add(socket)
  metrics.connections.with({ listener: 'inbound' }).inc()
  const active = metrics.connectionsActive.with({ listener: 'inbound' })
  active.add(1)
  socket.once('close', () => {
    inbound.sockets.delete(socket)
    active.add(-1)
  })
  return { socket, remote: remoteOf(socket) }
}
