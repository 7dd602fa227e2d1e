import type { Socket } from 'node:net'
import { remoteOf } from '../connections.ts'
import type { Accepted, Outbound } from './connection.ts'

/** Counts the connection, or closes it at once when there are `maxConnections` already. */
export function accept(socket: Socket, outbound: Outbound): Accepted | undefined {
  return outbound.sockets.admit(socket) ? { socket, remote: remoteOf(socket) } : undefined
}
