import type { Socket } from 'node:net'
import type { Random } from '../../lib/random.ts'
import type { RequestSource } from '../request.ts'
import type { Runtime } from '../runtime.ts'
import type { Endpoints } from '../upstream/endpoints.ts'

/** The outbound listener. */
export interface Outbound {
  readonly runtime: Runtime
  readonly endpoints: Endpoints
  readonly random: Random
  readonly sockets: Set<Socket>
}

/** One connection of the own application. */
export interface OutboundConnection extends RequestSource {
  readonly outbound: Outbound
  readonly socket: Socket
  readonly remote: string
}
