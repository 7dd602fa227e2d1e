import type { Random } from '../../lib/random.ts'
import type { Runtime } from '../runtime.ts'
import type { HttpSource } from '../serve-http.ts'
import type { Sockets } from '../sockets.ts'
import type { Endpoints } from '../upstream/endpoints.ts'

/** The outbound listener. */
export interface Outbound {
  readonly runtime: Runtime
  readonly endpoints: Endpoints
  readonly random: Random
  readonly sockets: Sockets
}

/** One connection of the own application. */
export interface OutboundConnection extends HttpSource {
  readonly outbound: Outbound
}
