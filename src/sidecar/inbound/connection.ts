import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import type { Address, Mapping } from '../../lib/address.ts'
import type { AppProtocol } from '../../lib/app-protocol.ts'
import type { Credentials } from '../../mtls/credentials.ts'
import type { Terminator } from '../../mtls/server.ts'
import type { Principal } from '../../policy/decision.ts'
import type { Normaliser } from '../../policy/normalise-as.ts'
import type { RateLimiter } from '../../ratelimit/limiter.ts'
import type { Foundation } from '../lifetime.ts'
import type { Runtime } from '../runtime.ts'
import type { HttpSource, Spoken } from '../serve-http.ts'
import type { Sockets } from '../sockets.ts'
import type { Application } from '../upstream/application.ts'

/** One inbound listener and the application behind it. */
export interface Inbound {
  readonly runtime: Runtime
  readonly mapping: Mapping
  readonly app: Address
  /** What the application speaks. */
  readonly protocol: AppProtocol
  readonly application: Application
  /** Brings paths to the form that is decided on and forwarded. */
  readonly normalise: Normaliser
  readonly limiter: RateLimiter
  readonly terminator: Terminator
  readonly sockets: Sockets
}

/** A socket that may begin. */
export interface Accepted {
  readonly socket: Socket
  readonly remote: string
}

/** What its first bytes say: TLS, or without it what is spoken. */
export interface Detected extends Accepted {
  readonly shown: 'tls' | Spoken
}

/** The handshake is done; who the peer is, nobody knows yet. */
export interface Secured {
  readonly socket: TLSSocket
  readonly remote: string
  /** What the handshake was made with. */
  readonly credentials: Credentials
}

/** It is known who calls, or why nobody does: from here on a connection carries requests. */
export interface InboundConnection extends HttpSource {
  readonly inbound: Inbound
  /** Absent without mutual TLS. */
  readonly foundation: Foundation | undefined
  readonly principal: Principal
  /** IP address that it comes from. */
  readonly address: string
  /** Server name that the client asked for; absent without TLS, and where it asked for none. */
  readonly sni: string | undefined
  /** The value of x-forwarded-client-cert for each request. */
  readonly clientCertificate: string | undefined
}
