import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import type { Address } from '../../lib/address.ts'
import type { VerifiedPeer } from '../../identity/verify.ts'
import type { Credentials } from '../../mtls/credentials.ts'
import type { Terminator } from '../../mtls/server.ts'
import type { Principal } from '../../policy/decision.ts'
import type { RateLimiter } from '../../ratelimit/limiter.ts'
import type { Runtime } from '../runtime.ts'
import type { HttpSource } from '../serve-http.ts'
import type { Sockets } from '../sockets.ts'
import type { UpstreamPool } from '../upstream/pool.ts'

/** One inbound listener and the application behind it. */
export interface Inbound {
  readonly runtime: Runtime
  readonly app: Address
  readonly pool: UpstreamPool
  readonly limiter: RateLimiter
  readonly terminator: Terminator
  readonly sockets: Sockets
}

/** A socket that may begin a handshake. */
export interface Accepted {
  readonly socket: Socket
  readonly remote: string
}

/** The handshake is done; who the peer is, nobody knows yet. */
export interface Secured {
  readonly socket: TLSSocket
  readonly remote: string
  /** What the handshake was made with. */
  readonly credentials: Credentials
}

/** The peer is verified: from here on a connection carries requests. */
export interface InboundConnection extends HttpSource {
  readonly inbound: Inbound
  readonly peer: VerifiedPeer
  readonly peerPrincipal: Principal
  /** The value of x-forwarded-client-cert for each request. */
  readonly clientCertificate: string
}
