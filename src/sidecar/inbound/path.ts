import type { Socket } from 'node:net'
import type { RequestHead, RequestSink, ServerStream } from '../../http/exchange.ts'
import type { Refusal } from '../refusal.ts'
import { Request } from '../request.ts'
import { accept } from './accept.ts'
import { type Authenticated, authenticate } from './authenticate.ts'
import { authorize } from './authorize.ts'
import type { Inbound, InboundConnection } from './connection.ts'
import { detect } from './detect.ts'
import { forward } from './forward.ts'
import { identify, identifyPlain } from './identify.ts'
import { limit } from './limit.ts'
import { receive } from './receive.ts'
import { route } from './route.ts'
import { serve } from './serve.ts'
import { terminate } from './terminate.ts'

/*
 * THE REQUEST PATH. The order of the stages is a security property: docs/architecture/request-path.md lists it, and a test
 * compares. Each stage is the file of its name; what it returns is the only way into the next.
 */

/** Once per connection. A stage that refuses closes the socket and calls nobody. */
export function inboundConnection(socket: Socket, inbound: Inbound): void {
  const accepted = accept(socket, inbound)
  if (accepted === undefined) return
  detect(accepted, inbound, (detected) => {
    if (detected.shown === 'tls') {
      terminate(detected, inbound, (secured) => {
        const identified = identify(secured, inbound)
        if (identified !== undefined) serveRequests(identified)
      })
    } else serveRequests(identifyPlain(detected, inbound))
  })
}

function serveRequests(connection: InboundConnection): void {
  serve(connection, (head, stream) => inboundRequest(head, stream, connection))
}

/** Once per request. A refusal is answered, never forwarded. */
export function inboundRequest(head: RequestHead, stream: ServerStream, connection: InboundConnection): RequestSink {
  const request = new Request(connection, head, stream)
  const received = receive(request, connection)
  if (received.kind === 'refusal') return refused(request, received)
  const authenticated = authenticate(received, connection)
  if (authenticated instanceof Promise) {
    // Meanwhile the exchange holds what comes of the body: one read at most.
    void authenticated.then((settled) => inboundUser(settled, request, connection))
    return request.exchange
  }
  return inboundUser(authenticated, request, connection)
}

/** It is known who asks. */
function inboundUser(
  authenticated: Authenticated | Refusal,
  request: Request,
  connection: InboundConnection,
): RequestSink {
  // The client has left while somebody was asked about it.
  if (request.exchange.finished) return request.exchange
  if (authenticated.kind === 'refusal') return refused(request, authenticated)
  const { principal, received } = authenticated
  const permit = authorize(authenticated, connection)
  if (permit.kind === 'refusal') return refused(request, permit)
  const admitted = limit(principal, received, connection)
  if (admitted.kind === 'refusal') return refused(request, admitted)
  const target = route(received, connection)
  if (target.kind === 'refusal') return refused(request, target)
  forward(permit, received, admitted, target, connection)
  return request.exchange
}

function refused(request: Request, refusal: Refusal): RequestSink {
  request.refuse(refusal)
  return request.exchange
}
