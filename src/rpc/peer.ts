import { type KeyObject, X509Certificate } from 'node:crypto'
import type { TLSSocket } from 'node:tls'
import type { TrustBundleSet } from '../identity/bundle.ts'
import type { SpiffeId } from '../identity/spiffe-id.ts'
import { type RefusedPeer, type VerifiedPeer, verifyPeer } from '../identity/verify.ts'
import { toPem } from '../identity/x509.ts'
import { OutriderError } from '../lib/errors.ts'
import { unreachable } from '../lib/unreachable.ts'
import { presentedChain } from '../lib/presented-chain.ts'

export interface AnonymousPeer {
  readonly kind: 'anonymous'
  readonly why: 'no-client-certificate' | 'unix-socket'
}

/** Who is at the other end of a connection. */
export type Peer = VerifiedPeer | RefusedPeer | AnonymousPeer

/** Who makes a call, and from where. */
export interface Caller {
  readonly peer: Peer
  /** IP address, or `unix` on a Unix socket. */
  readonly source: string
}

/** A caller whose certificate was verified. */
export interface AuthenticatedCaller extends Caller {
  readonly peer: VerifiedPeer
}

/**
 * What the open connections of one listener presented. grpc-js shows a handler the leaf alone, and only when OpenSSL
 * accepted it; this remembers the certificates between the leaf and the root, and why a certificate was not accepted.
 * Neither can widen what is accepted: intermediates are input of verify.ts like any other, the reason is text.
 */
export class PresentedCertificates {
  readonly #intermediates = new Map<string, { readonly chain: readonly Buffer[]; connections: number }>()
  readonly #refused = new Map<string, RefusedPeer>()

  /** Called once per connection, after its handshake. */
  add(socket: TLSSocket, bundles: TrustBundleSet, nowMs: number): Peer {
    const [leaf, ...chain] = presentedChain(socket)
    if (leaf === undefined) return { kind: 'anonymous', why: 'no-client-certificate' }
    const fingerprint = new X509Certificate(leaf).fingerprint256
    const entry = this.#intermediates.get(fingerprint) ?? { chain, connections: 0 }
    entry.connections += 1
    this.#intermediates.set(fingerprint, entry)
    const address = addressOf(socket)
    const peer = verifyPeer([leaf, ...chain], bundles, nowMs)
    if (peer.kind === 'refused') this.#refused.set(address, peer)
    socket.once('close', () => {
      this.#refused.delete(address)
      entry.connections -= 1
      if (entry.connections === 0) this.#intermediates.delete(fingerprint)
    })
    return peer
  }

  /** The peer of a call; verified anew, because a connection may outlive its certificate. */
  peerOf(leaf: Buffer | undefined, address: string, bundles: TrustBundleSet, nowMs: number): Peer {
    if (leaf === undefined) {
      return this.#refused.get(address) ?? { kind: 'anonymous', why: 'no-client-certificate' }
    }
    const chain = this.#intermediates.get(new X509Certificate(leaf).fingerprint256)?.chain ?? []
    return verifyPeer([leaf, ...chain], bundles, nowMs)
  }
}

/** As grpc-js names a peer. */
function addressOf(socket: TLSSocket): string {
  return `${socket.remoteAddress ?? 'unknown'}:${socket.remotePort ?? 0}`
}

/** Throws `peer-unauthenticated` unless the caller showed a certificate that verifies. */
export function requireIdentity(caller: Caller): AuthenticatedCaller {
  const { peer, source } = caller
  switch (peer.kind) {
    case 'verified':
      return { peer, source }
    case 'refused':
      throw new OutriderError('peer-unauthenticated', `the client certificate is refused: ${peer.message}`)
    case 'anonymous':
      throw new OutriderError('peer-unauthenticated', 'this call needs a client certificate, and none was shown')
    default:
      return unreachable(peer)
  }
}

/** Why a server is not the control server, or `undefined` when it is. */
export function serverRefusal(
  peer: VerifiedPeer | RefusedPeer,
  serverId: SpiffeId,
): OutriderError<'control-not-trusted'> | undefined {
  if (peer.kind === 'refused') {
    return new OutriderError('control-not-trusted', `the control server is not trusted: ${peer.message}`)
  }
  if (peer.id === serverId) return undefined
  return new OutriderError('control-not-trusted', `the server is ${peer.id}, and should be ${serverId}`)
}

/** All roots of all bundles, for the first look of OpenSSL; which of them counts for whom is verify.ts's decision. */
export function rootsPem(bundles: TrustBundleSet): string {
  return toPem([...bundles.values()].flatMap(({ authorities }) => authorities.map(({ der }) => der)))
}

export function privateKeyPem(key: KeyObject): string {
  return key.export({ type: 'pkcs8', format: 'pem' }).toString()
}
