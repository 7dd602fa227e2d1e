import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import type { Address } from '../../lib/address.ts'
import type { VerifiedPeer } from '../../identity/verify.ts'
import type { Credentials } from '../../mtls/credentials.ts'
import type { Terminator } from '../../mtls/server.ts'
import type { Principal } from '../../policy/decision.ts'
import type { RateLimiter } from '../../ratelimit/limiter.ts'
import type { RequestSource } from '../request.ts'
import type { Runtime } from '../runtime.ts'
import type { UpstreamPool } from '../upstream/pool.ts'

/** One inbound listener and the application behind it. */
export interface Inbound {
  readonly runtime: Runtime
  readonly app: Address
  readonly pool: UpstreamPool
  readonly limiter: RateLimiter
  readonly terminator: Terminator
  /** All that are open, before and after their handshake. */
  readonly sockets: Set<Socket>
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
export interface InboundConnection extends RequestSource {
  readonly inbound: Inbound
  readonly socket: TLSSocket
  readonly remote: string
  readonly peer: VerifiedPeer
  readonly peerPrincipal: Principal
  /** The value of x-forwarded-client-cert for each request. */
  readonly clientCertificate: string
  /** Wall-clock time at which one of the two certificates of this connection has expired. */
  readonly expiresAtMs: number
}
