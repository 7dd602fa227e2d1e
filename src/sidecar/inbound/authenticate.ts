import type { Principal } from '../../policy/decision.ts'
import type { InboundConnection } from './connection.ts'

/** Who speaks: the verified peer of the connection. */
export function authenticate(connection: InboundConnection): Principal {
  return connection.peerPrincipal
}
