import type { Socket } from 'node:net'
import type { RequestHead, RequestSink, ServerStream } from '../../http/exchange.ts'
import { Request } from '../request.ts'
import { accept } from './accept.ts'
import { balance } from './balance.ts'
import type { Accepted, Outbound, OutboundConnection } from './connection.ts'
import { detect } from './detect.ts'
import { forward } from './forward.ts'
import { identify } from './identify.ts'
import { type Received, receive } from './receive.ts'
import { resolve } from './resolve.ts'
import { serve } from './serve.ts'

/*
 * The way out: what the own application sends to other services. Stages as in the request path, each in the file of its
 * name; docs/architecture/request-path.md lists their order, and a test compares.
 */

/** Once per connection of the application. */
export function outboundConnection(socket: Socket, outbound: Outbound): void {
  const accepted = accept(socket, outbound)
  if (accepted !== undefined) acceptedConnection(accepted, outbound)
}

/** From where it is known which service the connection is for, if it is for one. */
export function acceptedConnection(accepted: Accepted, outbound: Outbound): void {
  detect(accepted, outbound, (detected) => {
    const identified = identify(detected, outbound)
    serve(identified, (head, stream) => outboundRequest(head, stream, identified))
  })
}

/** Once per request. */
export function outboundRequest(head: RequestHead, stream: ServerStream, connection: OutboundConnection): RequestSink {
  const request = new Request(connection, head, stream)
  const received = receive(request, connection)
  if (received.kind === 'refusal') request.refuse(received)
  else send(received, connection, 1)
  return request.exchange
}

/** Tried again, with the policy and the endpoints of that moment, while nothing of the request has left. */
function send(received: Received, connection: OutboundConnection, attempts: number): void {
  const destination = resolve(received, connection)
  if (destination.kind === 'refusal') return received.request.refuse(destination)
  const endpoint = balance(destination, connection)
  if (endpoint.kind === 'refusal') return received.request.refuse(endpoint)
  forward(endpoint, received, connection, attempts, send)
}
