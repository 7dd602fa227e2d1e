import type { ClientConnection, RequestHead } from '../../http/exchange.ts'
import type { Permit } from '../../policy/decision.ts'
import type { InboundConnection } from './connection.ts'
import type { Admitted } from './limit.ts'
import type { Received } from './receive.ts'
import type { Target } from './route.ts'

/** Sends the request to the application, in the very form that was decided on. The permit is the proof that it was. */
export function forward(
  _permit: Permit,
  received: Received,
  admitted: Admitted,
  target: Target,
  connection: InboundConnection,
): void {
  const { request, head } = received
  request.upstream = target.address
  request.responseHeaders = admitted.headers
  const forwarded: RequestHead = {
    method: head.method,
    authority: head.authority,
    target: received.target,
    headers: request.forwardedHeaders(connection.clientCertificate),
    bodyLength: head.bodyLength,
    upgrade: head.upgrade,
    version: head.version,
  }
  const waiter = request.waiter((upstream: ClientConnection) => request.exchange.forward(upstream, forwarded))
  request.resend = () => target.pool.acquireFresh(waiter)
  target.pool.acquire(waiter)
}
