import type { DecisionRequest } from '../../policy/decision.ts'
import type { Authenticated } from './authenticate.ts'
import type { InboundConnection } from './connection.ts'

/** A request as rules see it. A TCP connection has no method, no path, no host and no headers. */
export function askedOf({ principal, user, received }: Authenticated, connection: InboundConnection): DecisionRequest {
  const { head, path, host, port, headers } = received
  const http = path !== undefined
  return {
    principal,
    user,
    method: http ? head.method : undefined,
    path,
    host,
    port,
    address: connection.address,
    sni: connection.sni,
    headers: http ? headers : undefined,
    nowMs: connection.runtime.clock.now(),
  }
}
