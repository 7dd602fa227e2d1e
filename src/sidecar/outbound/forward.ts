import type { ClientConnection, RequestHead } from '../../http/exchange.ts'
import type { Received } from './receive.ts'

/** Sends the request over the mesh. Who we are, the other side reads from our certificate, never from a field. */
export function forward(upstream: ClientConnection, { request, head, target }: Received): void {
  const forwarded: RequestHead = {
    method: head.method,
    authority: head.authority,
    target,
    headers: request.forwardedHeaders(undefined),
    bodyLength: head.bodyLength,
    upgrade: head.upgrade,
    version: head.version,
  }
  request.exchange.forward(upstream, forwarded)
}
