import type { Socket } from 'node:net'
import { remoteOf } from '../connections.ts'
import type { Accepted, Inbound } from './connection.ts'

/** Counts the connection, or closes it at once when there are `maxConnections` already. */
export function accept(socket: Socket, inbound: Inbound): Accepted | undefined {
  return inbound.sockets.admit(socket) ? { socket, remote: remoteOf(socket) } : undefined
}
