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
  /** The intermediates that sign here, DER. */
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

/** What one connection presented, and what was last found about it. */
interface Presented {
  readonly leaf: Buffer | undefined
  /** The intermediates it showed, where its SVID comes from an issuer below our roots that is not ours. */
  readonly issuers: readonly Buffer[] | undefined
  peer: Peer
  /** `peer` holds for these, from then on and until its certificates expire. */
  trust: Trust
  sinceMs: number
}

/**
 * Who is at the other end of the open connections. Read once per connection and not from grpc-js, which shows a handler a
 * certificate only when OpenSSL accepted it, so that an expired one would look like none; and which would make an object of the
 * whole certificate for every call.
 */
export class PresentedPeers {
  readonly #open = new Map<string, Presented>()

  /** Called once per connection, after its handshake. Returns why its certificate is refused. */
  note(socket: TLSSocket, trust: Trust, nowMs: number): RefusedCertificate | undefined {
    const [leaf, ...shown] = presentedChain(socket)
    let peer = peerOf(leaf, trust, nowMs)
    let issuers: readonly Buffer[] | undefined
    if (peer.kind === 'refused') {
      const foreign = peerOf(leaf, { ...trust, issuers: shown }, nowMs)
      if (foreign.kind === 'verified') issuers = shown
      // An SVID that has expired may be of before the day on which our intermediate was certified anew.
      if (foreign.kind === 'verified' || (foreign.kind === 'refused' && foreign.expired !== undefined)) peer = foreign
    }
    // The second lock: what OpenSSL did not accept counts as not shown, whatever we found.
    if (peer.kind === 'verified' && !socket.authorized) peer = { kind: 'anonymous', why: 'no-client-certificate' }
    const address = `${socket.remoteAddress ?? 'unknown'}:${socket.remotePort ?? 0}`
    const presented = { leaf, issuers, peer, trust, sinceMs: nowMs }
    this.#open.set(address, presented)
    socket.once('close', () => {
      // Its address may be that of another connection by now.
      if (this.#open.get(address) === presented) this.#open.delete(address)
    })
    return peer.kind === 'refused' ? peer : undefined
  }

  /** Who makes a call on this connection, now: it may outlive its certificate. `address` as grpc-js names a peer. */
  peerAt(address: string, trust: Trust, nowMs: number): Peer {
    const presented = this.#open.get(address)
    if (presented === undefined) return { kind: 'anonymous', why: 'no-client-certificate' }
    const { leaf, issuers, peer, sinceMs } = presented
    // What was refused once stays refused on this connection.
    if (peer.kind !== 'verified') return peer
    if (presented.trust === trust && nowMs >= sinceMs && nowMs <= peer.notAfterMs) return peer
    const found = peerOf(leaf, issuers === undefined ? trust : { ...trust, issuers }, nowMs)
    if (found.kind === 'verified') Object.assign(presented, { peer: found, trust, sinceMs: nowMs })
    return found
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
