import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls'
import type { SpiffeId } from '../identity/spiffe-id.ts'
import type { VerifiedPeer } from '../identity/verify.ts'
import type { Clock } from '../lib/clock.ts'
import { type Credentials, clientContext } from './credentials.ts'
import { type PeerRefusal, peerOf } from './peer.ts'

export interface OriginateOptions {
  readonly host: string
  readonly port: number
  readonly credentials: Credentials
  /** The SPIFFE IDs that may serve what we want to reach. */
  readonly identities: ReadonlySet<SpiffeId>
  /** For connection and handshake together, in milliseconds. */
  readonly timeoutMs: number
  readonly clock: Clock
}

export type Originated =
  | { readonly kind: 'connected'; readonly socket: TLSSocket; readonly peer: VerifiedPeer }
  | { readonly kind: 'failed'; readonly message: string }
  | PeerRefusal

/**
 * Opens a mutual TLS connection and calls `done` once: with the socket only when the server's chain verifies and its
 * SPIFFE ID is one of `identities` (secure naming). Not a byte of a request is sent before.
 */
export function originate(options: OriginateOptions, done: (result: Originated) => void): void {
  const { host, port, credentials, identities, timeoutMs, clock } = options
  let ended = false
  const finish = (result: Originated): void => {
    if (ended) return
    ended = true
    timer.cancel()
    if (result.kind !== 'connected') socket.destroy()
    done(result)
  }
  const fail = (message: string): void => finish({ kind: 'failed', message: `${host}:${port}: ${message}` })
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
  const timer = clock.after(timeoutMs, () => fail(`no mutual TLS connection within ${timeoutMs} ms`))
  const onError = (error: Error): void => fail(error.message)
  socket.once('error', onError)
  socket.once('close', () => fail('closed during the handshake'))
  socket.once('secureConnect', () => {
    const peer = peerOf(socket, credentials.bundles, clock.now())
    if (peer.kind === 'refused') finish(peer)
    else if (socket.alpnProtocol !== 'h2') fail('the server does not speak HTTP/2 (ALPN h2)')
    else if (!identities.has(peer.id)) {
      const expected = [...identities].join(', ')
      const message = `${host}:${port} is ${peer.id}, and only ${expected} may serve this`
      finish({ kind: 'refused', code: 'identity-not-expected', message })
    } else {
      // From here on the errors are the connection's owner's.
      socket.off('error', onError)
      finish({ kind: 'connected', socket, peer })
    }
  })
}
