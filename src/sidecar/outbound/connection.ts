import type { Socket } from 'node:net'
import type { Address } from '../../lib/address.ts'
import type { Random } from '../../lib/random.ts'
import type { Runtime } from '../runtime.ts'
import type { HttpSource, Spoken } from '../serve-http.ts'
import type { Sockets } from '../sockets.ts'
import type { Endpoints } from '../upstream/endpoints.ts'

/** A listener for the own application. */
export interface Outbound {
  readonly runtime: Runtime
  readonly endpoints: Endpoints
  readonly random: Random
  readonly sockets: Sockets
  /** The service that all of the listener's connections are for; otherwise each request names its own. */
  readonly service: Address | undefined
  /** `host:port` of the one endpoint that is meant; absent: any of the service. */
  readonly endpoint?: string
}

/** A socket of the own application that may begin. */
export interface Accepted {
  readonly socket: Socket
  readonly remote: string
}

export interface Detected extends Accepted {
  readonly spoken: Spoken
}

/** One connection of the own application. */
export interface OutboundConnection extends HttpSource {
  readonly outbound: Outbound
}
