import type { TLSSocket } from 'node:tls'
import type { TrustBundleSet } from '../identity/bundle.ts'
import { describePresented, expectedRoots, type Presented } from '../identity/presented.ts'
import { trustDomainOf } from '../identity/spiffe-id.ts'
import { type PeerRefusalCode, type VerifiedPeer, verifyPeer } from '../identity/verify.ts'
import { presentedChain } from '../lib/presented-chain.ts'

/** What is found of the handshake and not of the chain alone. */
export const handshakeRefusalCodes = [
  'no-certificate',
  'session-resumed',
  'chain-not-authorized',
  'identity-not-expected',
  'authority-withdrawn',
  'svid-revoked',
] as const
export type HandshakeRefusalCode = (typeof handshakeRefusalCodes)[number]

/** Why a connection has no peer that may be believed. */
export interface PeerRefusal {
  readonly kind: 'refused'
  readonly code: PeerRefusalCode | HandshakeRefusalCode
  /** What is wrong with what was shown. The peer may read it. */
  readonly message: string
  /** What was shown, where it can be read. */
  readonly presented?: Presented | undefined
  /** What would have been accepted. For our own log only. */
  readonly expected?: string
  /** A root of ours vouches for the chain all the same: it was good once, or will be. */
  readonly member?: boolean
}

/** These say that the chain does not lead to a root of ours. */
const rootCodes: ReadonlySet<PeerRefusal['code']> = new Set([
  'trust-domain-unknown',
  'root-unknown',
  'key-id-mismatch',
  'signature-algorithm-mismatch',
  'signature-invalid',
  'ca-foreign-id',
])

/**
 * The peer of a finished handshake. Every rule is checked here, after it: of node:tls itself only "the chain ends at
 * a root we have" is taken, as a second lock.
 */
export function peerOf(socket: TLSSocket, bundles: TrustBundleSet, nowMs: number): VerifiedPeer | PeerRefusal {
  if (socket.isSessionReused())
    return refusal('session-resumed', 'the TLS session was resumed, which checks no certificate')
  const chain = presentedChain(socket)
  if (chain.length === 0) return refusal('no-certificate', 'the peer showed no certificate')
  const peer = verifyPeer(chain, bundles, nowMs)
  if (peer.kind === 'refused') {
    const presented = describePresented(chain)
    const expected = rootCodes.has(peer.code) ? { expected: expectedRoots(presented, bundles) } : {}
    const timely = peer.code !== 'expired' && peer.code !== 'not-yet-valid'
    // At the moment for which it was issued.
    const member = !timely && presented !== undefined && isGoodAt(chain, bundles, presented.notBeforeMs)
    return { ...peer, presented, ...expected, member }
  }
  if (socket.authorized) return peer
  const message = `OpenSSL did not accept the chain: ${String(socket.authorizationError)}`
  return { ...refusal('chain-not-authorized', message), presented: describePresented(chain) }
}

/** As `peerOf`, for connections that we accept: many, and often from the same peers. */
export function acceptedPeerOf(socket: TLSSocket, bundles: TrustBundleSet, nowMs: number): VerifiedPeer | PeerRefusal {
  // Not getPeerX509Certificate: Node 24 has no issuers any more once that was called. Without a certificate there is no field.
  const leaf: string | undefined = socket.getPeerCertificate().fingerprint256
  if (leaf === undefined) return peerOf(socket, bundles, nowMs)
  const remembered = knownPeer(leaf, bundles, nowMs)
  if (remembered !== undefined && socket.authorized && !socket.isSessionReused()) return remembered
  const peer = peerOf(socket, bundles, nowMs)
  if (peer.kind === 'verified') remember(leaf, peer, bundles, nowMs)
  return peer
}

/** A peer that was verified, and when: before that moment its chain may not have been valid yet. */
interface Known {
  readonly peer: VerifiedPeer
  readonly sinceMs: number
}

/** Peers that one set of bundles remembers. More are verified anew. */
export const MAX_KNOWN = 4096

/**
 * Peers by the SHA-256 of their leaf, for as long as the bundles are the same: a leaf that a valid chain was found for once
 * has that chain until something in it expires, whichever issuers come with it. That the peer holds its key every handshake
 * proves by itself. Verifying the chain costs as much as the rest of a handshake.
 */
const known = new WeakMap<TrustBundleSet, Map<string, Known>>()

function knownPeer(leaf: string, bundles: TrustBundleSet, nowMs: number): VerifiedPeer | undefined {
  const found = known.get(bundles)?.get(leaf)
  return found !== undefined && nowMs >= found.sinceMs && nowMs < found.peer.notAfterMs ? found.peer : undefined
}

function remember(leaf: string, peer: VerifiedPeer, bundles: TrustBundleSet, nowMs: number): void {
  const peers = known.get(bundles) ?? new Map<string, Known>()
  if (peers.has(leaf)) return
  known.set(bundles, peers)
  for (const oldest of peers.keys()) {
    if (peers.size < MAX_KNOWN) break
    peers.delete(oldest)
  }
  peers.set(leaf, { peer, sinceMs: nowMs })
}

/** `refusal` of a peer whose chain is good, with what it showed. */
export function withPresented(refusal: PeerRefusal | undefined, socket: TLSSocket): PeerRefusal | undefined {
  return refusal && { ...refusal, presented: describePresented(presentedChain(socket)) }
}

function isGoodAt(chain: readonly Buffer[], bundles: TrustBundleSet, atMs: number): boolean {
  return verifyPeer(chain, bundles, atMs).kind === 'verified'
}

/** Whether a peer that was verified before would still find the root of its chain in `bundles`. */
export function isStillTrusted(
  { id, authorityFingerprint }: Pick<VerifiedPeer, 'id' | 'authorityFingerprint'>,
  bundles: TrustBundleSet,
): boolean {
  const authorities = bundles.get(trustDomainOf(id))?.authorities ?? []
  return authorities.some(({ fingerprint }) => fingerprint === authorityFingerprint)
}

/** Whether the chain of this peer ends at an authority that is being given up. */
export function isTainted(
  { id, authorityFingerprint }: Pick<VerifiedPeer, 'id' | 'authorityFingerprint'>,
  bundles: TrustBundleSet,
): boolean {
  return bundles.get(trustDomainOf(id))?.tainted.has(authorityFingerprint) === true
}

function refusal(code: PeerRefusal['code'], message: string): PeerRefusal {
  return { kind: 'refused', code, message }
}
