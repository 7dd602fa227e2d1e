import type { Socket } from 'node:net'
import { createServer, type Server, type TLSSocket } from 'node:tls'
import type { Watch } from '../lib/watch.ts'
import { type Credentials, secureContextOptions } from './credentials.ts'

/** Who waits for one handshake: one of the two is called, once. */
export interface HandshakeWaiter {
  /** The handshake is done; nobody has looked at the certificate yet. `credentials` is what it was made with. */
  onSecured(socket: TLSSocket, credentials: Credentials): void
  onFailed(error: Error): void
}

/** The server's end of mutual TLS for sockets that were accepted elsewhere. */
export class Terminator {
  readonly #server: Server
  readonly #credentials: Watch<Credentials>
  readonly #unsubscribe: () => void
  /** By the other end's address: tls.Server does not say which socket it has wrapped. */
  readonly #handshakes = new Map<string, { readonly waiter: HandshakeWaiter; readonly credentials: Credentials }>()

  /**
   * TLS 1.3 that asks for a certificate and never resumes. A new SVID counts from the next handshake on.
   * `rejectUnauthorized` is off so that a refusal has our reason and not OpenSSL's: nothing is read from a connection
   * before `peerOf` has accepted it.
   */
  constructor(credentials: Watch<Credentials>, handshakeTimeoutMs: number) {
    this.#credentials = credentials
    this.#server = createServer({
      ...secureContextOptions(credentials.current),
      requestCert: true,
      rejectUnauthorized: false,
      ALPNProtocols: ['h2', 'http/1.1'],
      handshakeTimeout: handshakeTimeoutMs,
      allowHalfOpen: true,
    })
    this.#server.on('secureConnection', (socket) => {
      const handshake = this.#take(socket)
      if (handshake === undefined) socket.destroy()
      else handshake.waiter.onSecured(socket, handshake.credentials)
    })
    this.#server.on('tlsClientError', (error, socket) => {
      this.#take(socket)?.waiter.onFailed(error)
      socket.destroy()
    })
    this.#unsubscribe = credentials.subscribe((value) => this.#server.setSecureContext(secureContextOptions(value)))
  }

  terminate(socket: Socket, waiter: HandshakeWaiter): void {
    const key = keyOf(socket)
    const handshake = { waiter, credentials: this.#credentials.current }
    this.#handshakes.set(key, handshake)
    // node:tls says nothing of a socket that is reset during its handshake.
    socket.once('close', () => {
      if (this.#handshakes.get(key) !== handshake) return
      this.#handshakes.delete(key)
      waiter.onFailed(Object.assign(new Error('the client closed the connection'), { code: 'ECONNRESET' }))
    })
    this.#server.emit('connection', socket)
  }

  /** Stops following the credentials. */
  close(): void {
    this.#unsubscribe()
  }

  #take(socket: Socket): { readonly waiter: HandshakeWaiter; readonly credentials: Credentials } | undefined {
    const key = keyOf(socket)
    const handshake = this.#handshakes.get(key)
    this.#handshakes.delete(key)
    return handshake
  }
}

function keyOf({ remoteAddress, remotePort, localAddress, localPort }: Socket): string {
  return `${remoteAddress} ${remotePort} ${localAddress} ${localPort}`
}
