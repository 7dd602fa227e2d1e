import type { TLSSocket } from 'node:tls'
import type { TrustBundleSet } from '../identity/bundle.ts'
import { trustDomainOf } from '../identity/spiffe-id.ts'
import { type PeerRefusalCode, type VerifiedPeer, verifyPeer } from '../identity/verify.ts'
import { presentedChain } from '../lib/presented-chain.ts'

/** Why a connection has no peer that may be believed. */
export interface PeerRefusal {
  readonly kind: 'refused'
  readonly code:
    | PeerRefusalCode
    | 'no-certificate'
    | 'session-resumed'
    | 'chain-not-authorized'
    | 'identity-not-expected'
  /** For the log, with what was shown and what was expected. */
  readonly message: string
}

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
  if (peer.kind === 'verified' && !socket.authorized) {
    return refusal('chain-not-authorized', `OpenSSL did not accept the chain: ${String(socket.authorizationError)}`)
  }
  return peer
}

/** Whether a peer that was verified before would still find the root of its chain in `bundles`. */
export function isStillTrusted({ id, authorityFingerprint }: VerifiedPeer, bundles: TrustBundleSet): boolean {
  const authorities = bundles.get(trustDomainOf(id))?.authorities ?? []
  return authorities.some(({ fingerprint }) => fingerprint === authorityFingerprint)
}

function refusal(code: PeerRefusal['code'], message: string): PeerRefusal {
  return { kind: 'refused', code, message }
}
