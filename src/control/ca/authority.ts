import { createHash, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { parseBundle } from '../../identity/bundle.ts'
import { pathOf, spiffeIdOf, type TrustDomain, trustDomainOf } from '../../identity/spiffe-id.ts'
import { verifyPeer } from '../../identity/verify.ts'
import { type Certificate, subjectKeyOf } from '../../identity/x509.ts'
import { OutriderError } from '../../lib/errors.ts'
import {
  type CertificateRequest,
  certifyIntermediate,
  type Credential,
  type IssuedCertificate,
  type IssueLeaf,
  leafIssuer,
  makeRoot,
} from './certify.ts'
import type { StorageErrorCode, StoredAuthority } from './storage.ts'

/** One root of the trust domain, and what signs SVIDs under it. */
export interface Authority extends StoredAuthority {
  /** The start of `fingerprint`. */
  readonly id: string
  /** SHA-256 of the root, hexadecimal. */
  readonly fingerprint: string
  /** The earliest end of what signs. */
  readonly signersNotAfterMs: number
  /** `kid` of `jwtKey`. */
  readonly jwtKeyId: string
  readonly issueLeaf: IssueLeaf
}

export type AuthorityErrorCode =
  | StorageErrorCode
  | 'ca-key-mismatch'
  | 'ca-key-unsupported'
  | 'ca-trust-domain'
  | 'ca-expired'
  | 'ca-invalid'
  | 'ca-ttl'
  | 'ca-unknown'
  | 'ca-state'
  | 'ca-in-use'
  | 'ca-too-many'
  | 'ca-material'
  | 'ca-sequence-fell'

/** A signer that can be certified anew is when less than this part of its lifetime is left. */
const RENEWAL_PART = 1 / 3
const ID_LENGTH = 16

/** A new root with an intermediate. */
export function makeAuthority(trustDomain: TrustDomain, nowMs: number): Authority {
  return underRoot(makeRoot(trustDomain, nowMs), trustDomain, nowMs)
}

/** A root with its key, and a new intermediate under it. */
export function underRoot(root: Credential, trustDomain: TrustDomain, nowMs: number): Authority {
  checkNotExpired(root.certificate, trustDomain, nowMs)
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const signers = [certifyIntermediate(privateKey, root, trustDomain, nowMs)]
  const { certificate, privateKey: rootKey } = root
  return opened(
    { root: certificate, rootKey, signers, signingKey: privateKey, jwtKey: newJwtKey() },
    trustDomain,
    nowMs,
  )
}

export function newJwtKey(): KeyObject {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
}

/**
 * Takes a stored or handed-in authority into use, once it is proven whole: its keys fit, it is of the trust domain, and a leaf that it signs
 * passes the very check that peers will make. One whose signers have expired can still be opened. Throws
 * `OutriderError<AuthorityErrorCode>`.
 */
export function opened(stored: StoredAuthority, trustDomain: TrustDomain, nowMs: number): Authority {
  const { root, rootKey, signers, signingKey, jwtKey } = stored
  if (rootKey !== undefined) checkKey('root', rootKey, root)
  checkKey('signer', signingKey, signers[0])
  checkKey('JWT', jwtKey)
  for (const certificate of [root, ...signers]) checkTrustDomain(certificate, trustDomain)
  checkNotExpired(root, trustDomain, nowMs)
  const authority: Authority = {
    ...stored,
    id: authorityId(root.fingerprint),
    fingerprint: root.fingerprint,
    signersNotAfterMs: Math.min(...signers.map(({ notAfterMs }) => notAfterMs)),
    jwtKeyId: keyIdOf(jwtKey),
    issueLeaf: leafIssuer({ certificate: signers[0]!, privateKey: signingKey }, signers.slice(1)),
  }
  prove(authority, trustDomain, nowMs)
  return Object.freeze(authority)
}

export function authorityId(fingerprint: string): string {
  return fingerprint.slice(0, ID_LENGTH)
}

/** The same authority with a signer that is certified anew, when that is due and we have the root's key. */
export function withFreshSigner(authority: Authority, trustDomain: TrustDomain, nowMs: number): Authority | undefined {
  const { root, rootKey, signers, signingKey, signersNotAfterMs } = authority
  const lifetime = signersNotAfterMs - signers[0]!.notBeforeMs
  if (rootKey === undefined || signersNotAfterMs - nowMs >= lifetime * RENEWAL_PART) return undefined
  // With the key it has: one file changes, so that there is no moment at which key and certificate do not fit.
  const signer = certifyIntermediate(signingKey, { certificate: root, privateKey: rootKey }, trustDomain, nowMs)
  return opened({ ...authority, signers: [signer] }, trustDomain, nowMs)
}

/** Signs a leaf for a parsed CSR. It ends with the signer at the latest. Throws `OutriderError<AuthorityErrorCode>`. */
export function issue(
  authority: Authority,
  trustDomain: TrustDomain,
  request: CertificateRequest,
  ttlMs: number,
  nowMs: number,
): IssuedCertificate {
  if (trustDomainOf(request.id) !== trustDomain || pathOf(request.id) === '')
    throw new OutriderError('ca-trust-domain', `${request.id} is not a workload of the trust domain ${trustDomain}`)
  if (!(ttlMs > 0)) throw new OutriderError('ca-ttl', `a certificate cannot live ${ttlMs} ms`)
  const { signersNotAfterMs, issueLeaf } = authority
  if (nowMs > signersNotAfterMs)
    throw new OutriderError(
      'ca-expired',
      `what signs for ${trustDomain} has expired: hand in another (outrider ca prepare)`,
      {
        source: 'internal',
      },
    )
  return issueLeaf(request, Math.min(nowMs + ttlMs, signersNotAfterMs), nowMs)
}

function checkNotExpired({ notAfterMs }: Certificate, trustDomain: TrustDomain, nowMs: number): void {
  if (nowMs <= notAfterMs) return
  const end = new Date(notAfterMs).toISOString()
  throw new OutriderError('ca-expired', `the root certificate of ${trustDomain} expired on ${end}`)
}

/** `certificate` absent: any key of the kind. */
function checkKey(name: string, key: KeyObject, certificate?: Certificate): void {
  const { namedCurve } = key.asymmetricKeyDetails ?? {}
  if (key.asymmetricKeyType !== 'ec' || (namedCurve !== 'prime256v1' && namedCurve !== 'secp384r1'))
    throw new OutriderError('ca-key-unsupported', `the ${name} key is neither P-256 nor P-384`)
  if (certificate !== undefined && !createPublicKey(key).equals(certificate.publicKey.key))
    throw new OutriderError('ca-key-mismatch', `the ${name} key is not the private key of the ${name} certificate`)
}

/** A corporate CA may name no trust domain; it must not name another. */
function checkTrustDomain(certificate: Certificate, trustDomain: TrustDomain): void {
  const foreign = (certificate.altNames?.uris ?? []).filter((uri) => uri !== spiffeIdOf(trustDomain, ''))
  if (foreign.length === 0) return
  throw new OutriderError(
    'ca-trust-domain',
    `a certificate of the CA is of ${foreign.join(', ')}, not of the trust domain ${trustDomain}`,
  )
}

function prove(
  { root, signers, issueLeaf, signersNotAfterMs }: Authority,
  trustDomain: TrustDomain,
  nowMs: number,
): void {
  const atMs = Math.min(nowMs, signersNotAfterMs)
  const request = { id: spiffeIdOf(trustDomain, '/outrider/self-test'), publicKey: signers[0]!.publicKey.key }
  const { chain } = issueLeaf(request, signersNotAfterMs, atMs)
  const bundle = parseBundle({ trustDomain, authorities: [root.der], sequence: 1 })
  const peer = verifyPeer(chain, new Map([[trustDomain, bundle]]), atMs)
  if (peer.kind === 'refused')
    throw new OutriderError('ca-invalid', `the CA of ${trustDomain} signs what nobody can accept: ${peer.message}`)
}

function keyIdOf(jwtKey: KeyObject): string {
  const { spki } = subjectKeyOf(createPublicKey(jwtKey))
  return createHash('sha256').update(spki).digest('base64url').slice(0, 22)
}
