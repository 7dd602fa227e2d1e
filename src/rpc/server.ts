import { constants } from 'node:crypto'
import { chmodSync, lstatSync, mkdtempSync, renameSync, rmSync } from 'node:fs'
import { connect, createServer, type Server as NetServer, type Socket } from 'node:net'
import { basename, dirname, join } from 'node:path'
import { createServer as createTlsServer, type TlsOptions, type TLSSocket } from 'node:tls'
import grpc from '@grpc/grpc-js'
import { type Address, formatAddress } from '../lib/address.ts'
import type { RefusedPeer } from '../identity/verify.ts'
import type { Clock } from '../lib/clock.ts'
import type { Drainable } from '../lib/drain.ts'
import { OutriderError } from '../lib/errors.ts'
import { listen, listenOnSocket } from '../lib/listen.ts'
import type { PeerCredentials } from '../lib/peer-credentials.ts'
import type { Watch } from '../lib/watch.ts'
import type { BoundService, HandlerContext } from './handler.ts'
import { type Caller, PresentedPeers, type Trust } from './peer.ts'
import type { Endable } from './stream.ts'

/** What a TLS server shows and whom it believes. */
export interface ServerCredentials extends Trust {
  /** PEM, leaf first; with the root, so that a sidecar can compare its pin at first contact. */
  readonly chainPem: string
  readonly privateKeyPem: string
  /** Roots for the first look of OpenSSL; the decision is verify.ts's. */
  readonly rootsPem: string
}

/** What an operator should hear of; none of it is sent to a caller. */
export interface ServerEvents {
  /** A handler threw something that is not an `OutriderError`. */
  bug(method: string, thrown: unknown): void
  /** A connection showed a client certificate that does not verify. */
  peerRefused(source: string, peer: RefusedPeer): void
  handshakeFailed(source: string, cause: Error): void
  /** `maxConnections` was reached and a new connection was closed at once. */
  connectionDropped(source: string, maxConnections: number): void
}

export interface ServerLimits {
  /** Largest message that is read, in bytes. */
  readonly maxMessageBytes: number
  readonly maxConnections: number
  /** Calls at once on one connection; 32 when not given. */
  readonly maxStreams?: number
}

export interface RpcServer extends Drainable {
  /** `host:port` with the real port, or the path of the Unix socket. */
  readonly address: string
  /** As `Drainable`; streams that are open end with `reason`. */
  close(reason?: OutriderError): Promise<void>
}

/** A dead peer is noticed after these two together. */
const KEEPALIVE_MS = 30_000
const KEEPALIVE_TIMEOUT_MS = 10_000
const HANDSHAKE_TIMEOUT_MS = 10_000
/** A connection without a call is closed: strangers may connect, and must not hold the places of sidecars. */
const IDLE_MS = 60_000
/** Per connection. A sidecar uses three: policy, bundles and a renewal. */
const MAX_STREAMS = 32
/** Per connection, in MB: what HTTP/2 may hold for streams and headers; grpc-js lifts the bound unless told. */
const MAX_SESSION_MB = 32
/** `sun_path` of Linux, without the final zero (unix(7)). */
const MAX_SOCKET_PATH_BYTES = 107

/**
 * Serves gRPC over TLS 1.3 with an optional client certificate. New `credentials` count from the next handshake on.
 * The TLS server is ours and hands its connections to grpc-js, whose own listener can neither demand TLS 1.3, nor bound
 * handshakes and connections, nor tell why it could not listen.
 */
export async function serveTls(
  where: Address,
  credentials: Watch<ServerCredentials>,
  services: readonly BoundService[],
  limits: ServerLimits,
  clock: Clock,
  events: ServerEvents,
  option = 'listen',
): Promise<RpcServer> {
  const peers = new PresentedPeers()
  const callerOf: HandlerContext['callerOf'] = (call) => {
    const address = call.getPeer()
    return { peer: peers.peerAt(address, credentials.current, clock.now()), source: address.replace(/:\d+$/, '') }
  }
  const engine = new Engine(services, limits, callerOf, events)
  const server = createTlsServer({
    ...secureContext(credentials.current),
    minVersion: 'TLSv1.3',
    requestCert: true,
    // The certificate is optional, and verified per call: refusing here would hide the reason from the caller.
    rejectUnauthorized: false,
    ALPNProtocols: ['h2'],
    handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
    // A resumed session skips the client certificate.
    secureOptions: constants.SSL_OP_NO_TICKET,
  })
  const unsubscribe = credentials.subscribe((next) => server.setSecureContext(secureContext(next)))
  server.on('secureConnection', (socket: TLSSocket) => {
    const peer = peers.note(socket, credentials.current, clock.now())
    if (peer !== undefined) events.peerRefused(sourceOf(socket), peer)
    engine.accept(socket)
  })
  server.on('tlsClientError', (cause, socket) => events.handshakeFailed(sourceOf(socket), cause))
  server.on('close', unsubscribe)
  return engine.run(server, formatAddress(await listen(server, where, option)))
}

/** Serves gRPC without TLS, to whoever is on this machine; `where` has to be a loopback address. Errors: `listen-failed`. */
export async function serveLoopback(
  where: Address,
  option: string,
  services: readonly BoundService[],
  limits: ServerLimits,
  events: ServerEvents,
): Promise<RpcServer> {
  const caller: Caller = { peer: { kind: 'anonymous', why: 'loopback' }, source: where.host }
  const engine = new Engine(services, limits, () => caller, events)
  const server = createServer((socket) => engine.accept(socket))
  return engine.run(server, formatAddress(await listen(server, where, option)))
}

/** Who may open a Unix socket, and what is known of who did. */
export interface SocketAccess {
  /** 0600: the owner of the process. 0666: everybody who can enter its folder. */
  readonly mode: 0o600 | 0o666
  /** Asks the kernel who is at the other end. A connection for which it throws is closed. */
  readonly credentialsOf?: (socket: Socket) => PeerCredentials
}

const OWNER_ONLY: SocketAccess = { mode: 0o600 }

/**
 * Serves gRPC on a Unix socket. A socket that nobody serves any more is replaced; a live one is not.
 * Errors: `socket-in-use`, `socket-path-taken`, `socket-path-too-long`, `listen-failed`.
 */
export async function serveSocket(
  path: string,
  services: readonly BoundService[],
  limits: ServerLimits,
  events: ServerEvents,
  access: SocketAccess = OWNER_ONLY,
): Promise<RpcServer> {
  await removeStale(path)
  // Bound in a folder of its own that nobody else can enter, and moved to its place when the mode is right: at no
  // moment is there a socket that another user could open.
  const nursery = mkdtempSync(join(dirname(path), '.s'))
  try {
    const birthplace = join(nursery, basename(path))
    if (Buffer.byteLength(birthplace) > MAX_SOCKET_PATH_BYTES) {
      throw new OutriderError(
        'socket-path-too-long',
        `the path of the Unix socket may have ${MAX_SOCKET_PATH_BYTES - 8} bytes on this system`,
        { place: path },
      )
    }
    const peers = new SocketPeers(access)
    const engine = new Engine(services, limits, (call) => peers.callerOf(call.getPeer()), events)
    const server = createServer((socket) => {
      if (peers.note(socket)) engine.accept(socket)
      else socket.destroy()
    })
    await listenOnSocket(server, birthplace, path)
    chmodSync(birthplace, access.mode)
    renameSync(birthplace, path)
    server.on('close', () => rmSync(path, { force: true }))
    return engine.run(server, path)
  } finally {
    rmSync(nursery, { recursive: true, force: true })
  }
}

/** Who is at the other end of the connections of a Unix socket. */
class SocketPeers {
  readonly #access: SocketAccess
  readonly #open = new Map<string, PeerCredentials>()
  #count = 0

  constructor(access: SocketAccess) {
    this.#access = access
  }

  /** False when the kernel does not say who it is. */
  note(socket: Socket): boolean {
    const { credentialsOf } = this.#access
    if (credentialsOf === undefined) return true
    try {
      const credentials = credentialsOf(socket)
      this.#count += 1
      const name = `unix-${this.#count}`
      // A Unix connection has no address, and grpc-js names the connection of a call by nothing else.
      Object.defineProperty(socket, 'remoteAddress', { value: name })
      this.#open.set(name, credentials)
      socket.once('close', () => this.#open.delete(name))
      return true
    } catch {
      return false
    }
  }

  callerOf(name: string): Caller {
    const unix = this.#open.get(name)
    const peer = { kind: 'anonymous', why: 'unix-socket' } as const
    return unix === undefined ? { peer, source: 'unix' } : { peer, source: `unix:${unix.uid}`, unix }
  }
}

/** gRPC without a listener: it is given connections, and knows the streams that are open on them. */
class Engine {
  readonly #grpc: grpc.Server
  readonly #injector: grpc.ConnectionInjector
  readonly #open = new Set<Endable>()
  readonly #sockets = new Set<Socket>()
  readonly #events: ServerEvents
  readonly #maxConnections: number

  constructor(
    services: readonly BoundService[],
    limits: ServerLimits,
    callerOf: HandlerContext['callerOf'],
    events: ServerEvents,
  ) {
    this.#events = events
    this.#maxConnections = limits.maxConnections
    this.#grpc = new grpc.Server({
      'grpc.enable_channelz': 0,
      'grpc.keepalive_time_ms': KEEPALIVE_MS,
      'grpc.keepalive_timeout_ms': KEEPALIVE_TIMEOUT_MS,
      'grpc.max_connection_idle_ms': IDLE_MS,
      'grpc.max_concurrent_streams': limits.maxStreams ?? MAX_STREAMS,
      'grpc.max_receive_message_length': limits.maxMessageBytes,
      'grpc-node.max_session_memory': MAX_SESSION_MB,
    })
    const context: HandlerContext = {
      callerOf,
      open: this.#open,
      onBug: (method, thrown) => events.bug(method, thrown),
    }
    for (const service of services) this.#grpc.addService(service.definition, service.bind(context))
    this.#injector = this.#grpc.createConnectionInjector(grpc.ServerCredentials.createInsecure())
  }

  accept(socket: Socket): void {
    // The HTTP/2 session reports what matters; without a listener a reset would end the process.
    socket.on('error', () => socket.destroy())
    socket.setNoDelay(true)
    this.#injector.injectConnection(socket)
  }

  run(server: NetServer, address: string): RpcServer {
    server.maxConnections = this.#maxConnections
    server.on('drop', (dropped) =>
      this.#events.connectionDropped(dropped?.remoteAddress ?? 'unix', this.#maxConnections),
    )
    // Raw connections: one that is still in its handshake has to go too.
    server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket)
      socket.once('close', () => this.#sockets.delete(socket))
    })
    const stopped = new Promise<void>((resolve) => server.once('close', () => resolve()))
    return {
      address,
      close: async (reason = controlStopping()) => {
        server.close()
        for (const stream of this.#open) stream.end(reason)
        // Its callback comes too early: Node has then asked every session to close, and grpc-js takes that for closed.
        this.#grpc.tryShutdown(() => {})
        await stopped
      },
      destroy: () => {
        server.close()
        this.#grpc.forceShutdown()
        for (const socket of this.#sockets) socket.destroy()
      },
    }
  }
}

function controlStopping(): OutriderError {
  return new OutriderError('control-stopping', 'the control server is stopping', {
    source: 'dependency',
    retryable: true,
  })
}

function secureContext(credentials: ServerCredentials): Pick<TlsOptions, 'ca' | 'cert' | 'key'> {
  return { ca: credentials.rootsPem, cert: credentials.chainPem, key: credentials.privateKeyPem }
}

function sourceOf(socket: Socket): string {
  return socket.remoteAddress ?? 'unknown'
}

async function removeStale(path: string): Promise<void> {
  const present = lstatSync(path, { throwIfNoEntry: false })
  if (present === undefined) return
  if (!present.isSocket()) {
    throw new OutriderError('socket-path-taken', 'there is something else than a socket', { place: path })
  }
  const alive = await new Promise<boolean>((resolve) => {
    const probe = connect(path, () => {
      probe.destroy()
      resolve(true)
    })
    probe.once('error', () => resolve(false))
  })
  if (alive) {
    throw new OutriderError('socket-in-use', 'another process answers on this socket', { place: path })
  }
  rmSync(path, { force: true })
}
