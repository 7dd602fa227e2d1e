import { createPublicKey, type KeyObject } from 'node:crypto'
import { OutriderError } from '../lib/errors.ts'
import type { TrustBundleSet } from './bundle.ts'
import type { SpiffeId } from './spiffe-id.ts'
import { type PeerRefusalCode, verifyPeer } from './verify.ts'
import { parseCertificate, toPem } from './x509.ts'

export { validateLeaf } from './leaf.ts'

export type SvidErrorCode = PeerRefusalCode | 'svid-key-mismatch'

/** Our own certificate: its chain, its key and what it says. */
export interface Svid {
  readonly id: SpiffeId
  /** Leaf first, as it is shown to peers. */
  readonly chainDer: readonly Buffer[]
  readonly chainPem: string
  readonly privateKey: KeyObject
  readonly notBeforeMs: number
  readonly notAfterMs: number
  /** Hexadecimal. */
  readonly serial: string
  /** SHA-256 of the root that the chain ends at, hexadecimal. */
  readonly authorityFingerprint: string
}

/**
 * Takes our own chain and key into use, by the very rules that a peer will apply. Throws
 * `OutriderError<SvidErrorCode>`.
 */
export function loadSvid(
  chainDer: readonly Uint8Array[],
  privateKey: KeyObject,
  bundles: TrustBundleSet,
  nowMs: number,
): Svid {
  const peer = verifyPeer(chainDer, bundles, nowMs)
  if (peer.kind === 'refused') throw new OutriderError(peer.code, peer.message, { place: 'X.509-SVID' })
  const [leafDer, ...issuers] = chainDer.map((der) => Buffer.from(der))
  const leaf = parseCertificate(leafDer!)
  if (privateKey.type !== 'private' || !createPublicKey(privateKey).equals(leaf.publicKey.key))
    throw new OutriderError('svid-key-mismatch', `the private key is not the one of the certificate for ${peer.id}`)
  return Object.freeze({
    id: peer.id,
    chainDer: Object.freeze([leafDer!, ...issuers]),
    chainPem: toPem([leafDer!, ...issuers]),
    privateKey,
    notBeforeMs: leaf.notBeforeMs,
    notAfterMs: peer.notAfterMs,
    serial: peer.serial,
    authorityFingerprint: peer.authorityFingerprint,
  })
}
