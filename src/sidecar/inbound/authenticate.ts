import type { Principal } from '../../policy/decision.ts'
import type { InboundConnection } from './connection.ts'

/** Who speaks: the verified peer of the connection, or nobody known and why. */
export function authenticate(connection: InboundConnection): Principal {
  return connection.principal
}
