import type { KeyObject } from 'node:crypto'
import { OutriderError } from '../lib/errors.ts'
import { about } from './about.ts'
import { parsePublicKey } from './key.ts'
import { parseTrustDomain, type SpiffeIdErrorCode, type TrustDomain } from './spiffe-id.ts'
import { type Certificate, type CertificateErrorCode, isEmptyName, parseCertificate } from './x509.ts'

/** What the identities of one trust domain are verified with. SPIFFE Trust Domain and Bundle standard, section 4. */
export interface TrustBundle {
  readonly trustDomain: TrustDomain
  /** Roots of X.509-SVIDs. */
  readonly authorities: readonly Certificate[]
  /** SHA-256, hexadecimal, of those among `authorities` that are being given up: still believed, to be used by nobody. */
  readonly tainted: ReadonlySet<string>
  /** Public keys that JWT-SVIDs are signed with, P-256, by their `kid`. */
  readonly jwtAuthorities: ReadonlyMap<string, KeyObject>
  /** Rises with every change: an older bundle never replaces a newer one. */
  readonly sequence: number
}

/** A bundle as it travels. */
export interface BundleParts {
  readonly trustDomain: string
  /** DER certificates. */
  readonly authorities: readonly Uint8Array[]
  /** SHA-256 of authorities, hexadecimal. */
  readonly tainted?: readonly string[]
  readonly jwtAuthorities?: readonly JwtAuthority[]
  readonly sequence: number
}

export interface JwtAuthority {
  readonly keyId: string
  /** DER, SubjectPublicKeyInfo (RFC 5280, 4.1.2.7). */
  readonly publicKey: Uint8Array
}

/** One bundle per trust domain. They are never merged: each speaks for its own trust domain only. */
export type TrustBundleSet = ReadonlyMap<TrustDomain, TrustBundle>

export const bundleErrorCodes = [
  'bundle-sequence',
  'bundle-too-many-authorities',
  'bundle-not-authority',
  'bundle-tainted-unknown',
  'bundle-key-id',
  'bundle-jwt-key',
] as const
export type BundleErrorCode = (typeof bundleErrorCodes)[number] | CertificateErrorCode | SpiffeIdErrorCode

/** Of each kind. */
const MAX_AUTHORITIES = 64
const MAX_KEY_ID_LENGTH = 256

/**
 * Reads a bundle. One without authorities is valid and trusts nobody. Throws `OutriderError<BundleErrorCode>`; validity
 * in time is checked when a chain is.
 */
export function parseBundle(parts: BundleParts): TrustBundle {
  const { sequence, tainted = [], jwtAuthorities = [] } = parts
  if (!Number.isSafeInteger(sequence) || sequence < 0)
    throw new OutriderError('bundle-sequence', `the sequence of a bundle is a whole number, not ${sequence}`)
  if (parts.authorities.length > MAX_AUTHORITIES || jwtAuthorities.length > MAX_AUTHORITIES)
    throw new OutriderError(
      'bundle-too-many-authorities',
      `a bundle has at most ${MAX_AUTHORITIES} authorities of a kind`,
    )
  const trustDomain = parseTrustDomain(parts.trustDomain)
  const authorities = readAuthorities(parts.authorities, trustDomain)
  const unknown = tainted.find((fingerprint) => !authorities.has(fingerprint))
  if (unknown !== undefined)
    throw new OutriderError(
      'bundle-tainted-unknown',
      `${trustDomain} taints what is none of its authorities: ${unknown}`,
    )
  return Object.freeze({
    trustDomain,
    authorities: Object.freeze([...authorities.values()]),
    tainted: new Set(tainted),
    jwtAuthorities: readJwtAuthorities(jwtAuthorities, trustDomain),
    sequence,
  })
}

/** The bundle as `parseBundle` reads it. */
export function bundleParts({
  trustDomain,
  authorities,
  tainted,
  jwtAuthorities,
  sequence,
}: TrustBundle): Required<BundleParts> {
  return {
    trustDomain,
    authorities: authorities.map(({ der }) => der),
    tainted: [...tainted],
    jwtAuthorities: [...jwtAuthorities].map(([keyId, key]) => ({
      keyId,
      publicKey: key.export({ type: 'spki', format: 'der' }),
    })),
    sequence,
  }
}

/** One of `next` that is older than the present bundle of its trust domain, if there is one. */
export function olderBundle(next: TrustBundleSet, present: TrustBundleSet): TrustBundle | undefined {
  return [...next.values()].find(({ trustDomain, sequence }) => sequence < (present.get(trustDomain)?.sequence ?? 0))
}

function readAuthorities(list: readonly Uint8Array[], trustDomain: TrustDomain): Map<string, Certificate> {
  const authorities = new Map<string, Certificate>()
  for (const [index, der] of list.entries()) {
    const certificate = about(`authority ${index} of ${trustDomain}`, () => parseCertificate(der))
    const fault = authorityFault(certificate, trustDomain)
    if (fault !== undefined)
      throw new OutriderError('bundle-not-authority', `authority ${index} of ${trustDomain} ${fault}`, {
        place: `x509_authorities[${index}]`,
      })
    authorities.set(certificate.fingerprint, certificate)
  }
  return authorities
}

function readJwtAuthorities(list: readonly JwtAuthority[], trustDomain: TrustDomain): ReadonlyMap<string, KeyObject> {
  const keys = new Map<string, KeyObject>()
  for (const [index, { keyId, publicKey }] of list.entries()) {
    const place = `jwt_authorities[${index}]`
    if (keyId === '' || keyId.length > MAX_KEY_ID_LENGTH || keys.has(keyId))
      throw new OutriderError(
        'bundle-key-id',
        `JWT authority ${index} of ${trustDomain} needs a key ID of its own, of at most ${MAX_KEY_ID_LENGTH} characters`,
        { place },
      )
    const key = about(`JWT authority ${index} of ${trustDomain}`, () => parsePublicKey(publicKey))
    if (key.kind !== 'p256')
      throw new OutriderError('bundle-jwt-key', `JWT authority ${index} of ${trustDomain} has no P-256 key`, { place })
    keys.set(keyId, key.key)
  }
  return keys
}

/** What makes a certificate unfit to sign (X.509-SVID standard, sections 3.2 and 4.3); the chain check says the rest. */
function authorityFault(certificate: Certificate, trustDomain: TrustDomain): string | undefined {
  if (certificate.basicConstraints?.ca !== true) return 'is not a CA certificate'
  if (certificate.keyUsage?.keyCertSign !== true) return 'may not sign certificates'
  if (isEmptyName(certificate.subject)) return 'has no subject'
  const uris = certificate.altNames?.uris ?? []
  if (uris.some((uri) => uri !== `spiffe://${trustDomain}`)) return 'carries the SPIFFE ID of something else'
  return undefined
}
