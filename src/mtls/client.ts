import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls'
import { listed } from '../identity/presented.ts'
import type { SpiffeId } from '../identity/spiffe-id.ts'
import type { VerifiedPeer } from '../identity/verify.ts'
import type { Clock } from '../lib/clock.ts'
import { type Credentials, clientContext } from './credentials.ts'
import type { Distrust } from './distrust.ts'
import { type HandshakeFailure, handshakeFailure, type TlsError } from './handshake-failure.ts'
import { type PeerRefusal, peerOf, withPresented } from './peer.ts'

export interface OriginateOptions {
  readonly host: string
  readonly port: number
  readonly credentials: Credentials
  /** The SPIFFE IDs that may serve what we want to reach. */
  readonly identities: ReadonlySet<SpiffeId>
  readonly distrust: Distrust
  /** For connection and handshake together, in milliseconds. */
  readonly timeoutMs: number
  readonly clock: Clock
}

export type Originated =
  | { readonly kind: 'connected'; readonly socket: TLSSocket; readonly peer: VerifiedPeer }
  /** There is none: `handshake` says why where the other end was reached. */
  | { readonly kind: 'failed'; readonly message: string; readonly handshake?: HandshakeFailure }
  /** The socket is the caller's: to say why, and to close. */
  | { readonly kind: 'refused'; readonly socket: TLSSocket; readonly refusal: PeerRefusal }

/**
 * Opens a mutual TLS connection and calls `done` once: with the socket only when the server's chain verifies and its
 * SPIFFE ID is one of `identities` (secure naming). Not a byte of a request is sent before.
 */
export function originate(options: OriginateOptions, done: (result: Originated) => void): void {
  const { host, port, credentials, identities, distrust, timeoutMs, clock } = options
  let ended = false
  const finish = (result: Originated): void => {
    if (ended) return
    ended = true
    timer.cancel()
    if (result.kind === 'failed') socket.destroy()
    done(result)
  }
  let connected = false
  const fail = (message: string, handshake?: HandshakeFailure): void =>
    finish({ kind: 'failed', message: `${host}:${port}: ${message}`, ...(handshake && { handshake }) })
  // Half-open, which the types of Node leave out: the end of one half of a tunnel is not the end of the other.
  const connectionOptions: ConnectionOptions & { readonly allowHalfOpen: boolean } = {
    host,
    port,
    secureContext: clientContext(credentials),
    ALPNProtocols: ['h2'],
    servername: '',
    // What is verified is the SPIFFE ID, by peerOf below.
    rejectUnauthorized: false,
    checkServerIdentity: () => undefined,
    allowHalfOpen: true,
  }
  const socket = connect(connectionOptions)
  socket.setNoDelay(true)
  const failHandshake = (error: TlsError): void => {
    const failure = handshakeFailure(error, 'client')
    fail(failure.message, failure)
  }
  const timer = clock.after(timeoutMs, () => {
    const message = `no mutual TLS connection within ${timeoutMs} ms`
    fail(message, connected ? { code: 'handshake-timed-out', message } : undefined)
  })
  // Before TCP has connected nothing of the other end was seen: that is no failure of TLS.
  const onError = (error: Error): void => (connected ? failHandshake(error) : fail(error.message))
  socket.once('connect', () => {
    connected = true
  })
  socket.once('error', onError)
  socket.once('close', () => failHandshake(Object.assign(new Error('a FIN, and no alert'), { code: 'ECONNRESET' })))
  socket.once('secureConnect', () => {
    // From here on the errors are the connection's owner's.
    const settle = (result: Originated): void => {
      socket.off('error', onError)
      finish(result)
    }
    const shown = peerOf(socket, credentials.bundles, clock.now())
    const peer =
      shown.kind === 'refused'
        ? shown
        : (withPresented(distrust.of(shown) ?? unexpected(shown, identities), socket) ?? shown)
    if (peer.kind === 'refused') settle({ kind: 'refused', socket, refusal: peer })
    else if (socket.alpnProtocol !== 'h2') {
      const message = 'the server does not speak HTTP/2 (ALPN h2)'
      fail(message, { code: 'no-application-protocol', message })
    } else settle({ kind: 'connected', socket, peer })
  })
}

/** Secure naming: it is who it says, and that is not who was looked for. The server is not told who was. */
function unexpected(peer: VerifiedPeer, identities: ReadonlySet<SpiffeId>): PeerRefusal | undefined {
  if (identities.has(peer.id)) return undefined
  return {
    kind: 'refused',
    code: 'identity-not-expected',
    message: `${peer.id} may not serve this`,
    expected: listed([...identities]),
  }
}
