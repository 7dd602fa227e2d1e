import type { Socket } from 'node:net'
import type { RequestHead, RequestSink, ServerStream } from '../../http/exchange.ts'
import type { Permit } from '../../policy/decision.ts'
import { goOnLater } from '../later.ts'
import type { Refusal } from '../refusal.ts'
import { Request } from '../request.ts'
import { accept } from './accept.ts'
import { type Authenticated, authenticate } from './authenticate.ts'
import { authorize } from './authorize.ts'
import type { Inbound, InboundConnection } from './connection.ts'
import { type Consulted, consult } from './consult.ts'
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
    const { log } = connection.runtime
    goOnLater(request, authenticated, log, (user) => known(user, connection))
    return request.exchange
  }
  if (authenticated.kind === 'refusal') return refused(request, authenticated)
  return known(authenticated, connection)
}

/** It is known who asks. */
function known(authenticated: Authenticated, connection: InboundConnection): RequestSink {
  const { request } = authenticated.received
  const permit = authorize(authenticated, connection)
  if (permit.kind === 'refusal') return refused(request, permit)
  const consulted = consult(authenticated, connection)
  if (consulted instanceof Promise) {
    const { log } = connection.runtime
    goOnLater(request, consulted, log, (outcome) => permitted(permit, authenticated, outcome, connection))
    return request.exchange
  }
  if (consulted.kind === 'refusal') return refused(request, consulted)
  return permitted(permit, authenticated, consulted, connection)
}

/** All who have a say have allowed it. */
function permitted(
  permit: Permit,
  { principal, received }: Authenticated,
  consulted: Consulted,
  connection: InboundConnection,
): RequestSink {
  const { request } = received
  const admitted = limit(principal, received, connection)
  if (admitted.kind === 'refusal') return refused(request, admitted)
  const target = route(received, connection)
  if (target.kind === 'refusal') return refused(request, target)
  forward(permit, received, consulted, admitted, target, connection)
  return request.exchange
}

function refused(request: Request, refusal: Refusal): RequestSink {
  request.refuse(refusal)
  return request.exchange
}
