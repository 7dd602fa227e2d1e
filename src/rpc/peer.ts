import type { KeyObject } from 'node:crypto'
import type { DetailedPeerCertificate, PeerCertificate, TLSSocket } from 'node:tls'
import type { TrustBundleSet } from '../identity/bundle.ts'
import type { SpiffeId } from '../identity/spiffe-id.ts'
import { type RefusedPeer, type VerifiedPeer, verifyPeer } from '../identity/verify.ts'
import { parseCertificate, toPem } from '../identity/x509.ts'
import { OutriderError } from '../lib/errors.ts'
import type { PeerCredentials } from '../lib/peer-credentials.ts'
import { unreachable } from '../lib/unreachable.ts'
import { presentedChain } from '../lib/presented-chain.ts'

export interface AnonymousPeer {
  readonly kind: 'anonymous'
  readonly why: 'no-client-certificate' | 'unix-socket' | 'loopback'
}

/** Whose SVID it was until it expired. */
export interface ExpiredSvid {
  readonly id: SpiffeId
  /** Hexadecimal. */
  readonly serial: string
  readonly notAfterMs: number
}

/** A certificate that does not verify. */
export interface RefusedCertificate extends RefusedPeer {
  /** That it has expired is all that is wrong with it. */
  readonly expired?: ExpiredSvid
}

/** Who is at the other end of a connection. */
export type Peer = VerifiedPeer | RefusedCertificate | AnonymousPeer

/** Who makes a call, and from where. */
export interface Caller {
  readonly peer: Peer
  /** IP address, or `unix` on a Unix socket. */
  readonly source: string
  /** On a socket whose server asks for them. */
  readonly unix?: PeerCredentials
}

/** A caller that the kernel has named. */
export interface LocalCaller extends Caller {
  readonly unix: PeerCredentials
}

/** A caller whose certificate was verified. */
export interface AuthenticatedCaller extends Caller {
  readonly peer: VerifiedPeer
}

/** A caller who shows an SVID that is, or was, one of this mesh. TLS has proved that the key is the caller's. */
export interface RenewingCaller extends Caller {
  readonly peer: VerifiedPeer | (RefusedCertificate & { readonly expired: ExpiredSvid })
}

/** Whom a server believes. */
export interface Trust {
  readonly bundles: TrustBundleSet
  /** The intermediates that sign here, DER: of what a client presented, grpc-js shows a handler the leaf alone. */
  readonly issuers: readonly Buffer[]
}

/** Who showed this certificate. To be asked per call: a connection may outlive its certificate. */
export function peerOf(leaf: Buffer | undefined, { bundles, issuers }: Trust, nowMs: number): Peer {
  if (leaf === undefined) return { kind: 'anonymous', why: 'no-client-certificate' }
  const chain = [leaf, ...issuers]
  const peer = verifyPeer(chain, bundles, nowMs)
  if (peer.kind !== 'refused' || peer.code !== 'expired') return peer
  const { notAfterMs } = parseCertificate(leaf)
  // At its last moment; where another certificate of the chain has expired, that one is refused then as well.
  const once = verifyPeer(chain, bundles, notAfterMs)
  if (notAfterMs >= nowMs || once.kind === 'refused') return peer
  return { ...peer, expired: { id: once.id, serial: once.serial, notAfterMs } }
}

/**
 * What a handler is not shown of open connections. Why a certificate was refused: grpc-js shows one only when OpenSSL accepted
 * it, so that without this an expired one would look like none. And the intermediates that were presented, where a
 * certificate comes from an issuer below our roots that is not ours.
 */
export class RefusedConnections {
  readonly #reasons = new Map<string, RefusedCertificate>()
  readonly #issuers = new Map<string, readonly Buffer[]>()

  /** Called once per connection, after its handshake. */
  note(socket: TLSSocket, trust: Trust, nowMs: number): RefusedCertificate | undefined {
    const [leaf, ...presented] = presentedChain(socket)
    const peer = peerOf(leaf, trust, nowMs)
    if (peer.kind !== 'refused') return undefined
    const address = `${socket.remoteAddress ?? 'unknown'}:${socket.remotePort ?? 0}`
    const foreign = peerOf(leaf, { ...trust, issuers: presented }, nowMs)
    socket.once('close', () => {
      this.#reasons.delete(address)
      this.#issuers.delete(address)
    })
    if (foreign.kind === 'verified') {
      this.#issuers.set(address, presented)
      return undefined
    }
    // An SVID that has expired may be of before the day on which our intermediate was certified anew.
    const reason = foreign.kind === 'refused' && foreign.expired !== undefined ? foreign : peer
    this.#reasons.set(address, reason)
    return reason
  }

  /** What the certificate of a connection is verified with; `address` as grpc-js names a peer. */
  trustOf(address: string, trust: Trust): Trust {
    const issuers = this.#issuers.get(address)
    return issuers === undefined ? trust : { ...trust, issuers }
  }

  /** `address` as grpc-js names a peer. */
  reason(address: string): RefusedCertificate | undefined {
    return this.#reasons.get(address)
  }
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

/** As `requireIdentity`, and lets an SVID pass that has expired: how long ago it may have is for the handler to say. */
export function requireRenewable(caller: Caller): RenewingCaller {
  const { peer } = caller
  if (peer.kind === 'refused' && peer.expired !== undefined) {
    return { ...caller, peer: { ...peer, expired: peer.expired } }
  }
  return requireIdentity(caller)
}

/** Throws `caller-unknown` unless the kernel has named the caller. */
export function requireLocal(caller: Caller): LocalCaller {
  const { unix } = caller
  if (unix !== undefined) return { ...caller, unix }
  throw new OutriderError('caller-unknown', 'this call is for processes of this machine that the kernel can name')
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

/** grpc-js types the certificate of its callback without the issuers that Node gives there (`onConnectSecure`). */
export function withIssuers(certificate: PeerCertificate): DetailedPeerCertificate {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- see above
  return certificate as DetailedPeerCertificate
}
