import { createPublicKey, type JsonWebKey } from 'node:crypto'
import { OutriderError } from '../lib/errors.ts'
import { about } from './about.ts'
import { decodeBase64, decodeBase64Url } from './base64.ts'
import { type BundleErrorCode, type JwtAuthority, parseBundle, type TrustBundle } from './bundle.ts'
import {
  isJsonObject,
  type JsonErrorCode,
  type JsonObject,
  type JsonValue,
  parseJsonObject,
  quoteJson,
} from './json.ts'
import { type Certificate, parseCertificate } from './x509.ts'

/** What a document of the SPIFFE bundle format says. SPIFFE Trust Domain and Bundle standard, section 4. */
export interface BundleDocument {
  readonly bundle: TrustBundle
  /** False for a document without a number: its bundle has the sequence 0, and whether it is newer cannot be told. */
  readonly sequenced: boolean
  /** How soon the publisher wants to be asked again; the caller bounds it. */
  readonly refreshHintMs: number | undefined
  readonly ignored: readonly IgnoredKey[]
}

/** The keys of a JWK Set that sign JWT-SVIDs, as the Workload API gives them. */
export interface JwtBundleDocument {
  /** For `parseBundle`, which holds them to its rules. */
  readonly jwtAuthorities: readonly JwtAuthority[]
  readonly ignored: readonly IgnoredKey[]
}

/** A key that is for something else, or of a kind that is not used here: the standard wants it passed over. */
export interface IgnoredKey {
  /** `keys[3]` */
  readonly place: string
  readonly why: string
}

export const bundleDocumentErrorCodes = [
  'bundle-document-too-large',
  'bundle-document-no-keys',
  'bundle-document-too-many-keys',
  'bundle-document-refresh-hint',
  'bundle-document-key-malformed',
  'bundle-document-key-mismatch',
  'bundle-document-certificate',
  'bundle-document-private-key',
] as const
export type BundleDocumentErrorCode = (typeof bundleDocumentErrorCodes)[number] | JsonErrorCode | BundleErrorCode

const MAX_BYTES = 1024 * 1024
/** With those that are ignored. `parseBundle` bounds what is left. */
const MAX_KEYS = 256
/** Of a coordinate on P-256 (RFC 7518, 6.2.1.2). */
const COORDINATE_BYTES = 32
/** Values of `use`. A JWK Set for others than SPIFFE says `sig`, or nothing. */
const X509_SVID = 'x509-svid'
const JWT_SVID = 'jwt-svid'
const usesForJwt: readonly (JsonValue | undefined)[] = [JWT_SVID, 'sig', undefined]
/** Members of a key that are secret (RFC 7518, 6.2.2, 6.3.2 and 6.4.1). */
const secretMembers = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k']
/** Members that are the key itself (RFC 7518, 6.2.1 and 6.3.1). */
const membersOf: Readonly<Record<string, readonly (keyof JsonWebKey)[]>> = {
  EC: ['kty', 'crv', 'x', 'y'],
  RSA: ['kty', 'n', 'e'],
}
const curves: readonly (JsonValue | undefined)[] = ['P-256', 'P-384']

interface Jwk {
  /** `keys[3]` */
  readonly place: string
  readonly members: JsonObject
}

/**
 * Reads a bundle document of a trust domain, whose name is not in it and has to be known from where it was got. Keys
 * of unknown kind and use are ignored, as the standard says; what is broken refuses the whole document, so that no part
 * of it is believed. Throws `OutriderError<BundleDocumentErrorCode>`.
 */
export function parseBundleDocument(document: Uint8Array, trustDomain: string): BundleDocument {
  const members = readDocument(document)
  const ignored: IgnoredKey[] = []
  const authorities: Buffer[] = []
  const jwtAuthorities: JwtAuthority[] = []
  for (const jwk of readKeys(members)) {
    const why = whyIgnored(jwk)
    if (why !== undefined) ignored.push({ place: jwk.place, why })
    else if (jwk.members['use'] === X509_SVID) authorities.push(readCertificate(jwk).der)
    else jwtAuthorities.push(readJwtAuthority(jwk))
  }
  const sequence = members['spiffe_sequence']
  if (sequence !== undefined && typeof sequence !== 'number')
    throw new OutriderError('bundle-sequence', 'the sequence of a bundle is a whole number')
  return {
    bundle: parseBundle({ trustDomain, authorities, jwtAuthorities, sequence: sequence ?? 0 }),
    sequenced: sequence !== undefined,
    refreshHintMs: readRefreshHint(members['spiffe_refresh_hint']),
    ignored,
  }
}

/** As `parseBundleDocument`, for a JWK Set that may have been made without SPIFFE's values of `use`. */
export function parseJwtBundleDocument(document: Uint8Array): JwtBundleDocument {
  const ignored: IgnoredKey[] = []
  const jwtAuthorities: JwtAuthority[] = []
  for (const { place, members } of readKeys(readDocument(document))) {
    const jwk = { place, members: usesForJwt.includes(members['use']) ? { ...members, use: JWT_SVID } : members }
    const why = members['use'] === X509_SVID ? 'is for X.509-SVIDs' : whyIgnored(jwk)
    if (why === undefined) jwtAuthorities.push(readJwtAuthority(jwk))
    else ignored.push({ place, why })
  }
  return { jwtAuthorities, ignored }
}

function readDocument(document: Uint8Array): JsonObject {
  if (document.length > MAX_BYTES)
    throw new OutriderError(
      'bundle-document-too-large',
      `the bundle document has ${document.length} bytes, at most ${MAX_BYTES} are read`,
    )
  return about('the bundle document', () => parseJsonObject(document))
}

/** SPIFFE Trust Domain and Bundle standard, sections 4.1.3 and 4.2. */
function readKeys({ keys }: JsonObject): readonly Jwk[] {
  if (!isList(keys)) throw new OutriderError('bundle-document-no-keys', 'the bundle document has no list of keys')
  if (keys.length > MAX_KEYS)
    throw new OutriderError(
      'bundle-document-too-many-keys',
      `the bundle document has ${keys.length} keys, at most ${MAX_KEYS} are read`,
    )
  return keys.map((members, index) => {
    const place = `keys[${index}]`
    if (!isJsonObject(members)) throw refusal('bundle-document-key-malformed', 'is no object', place)
    if (typeof members['kty'] !== 'string') throw refusal('bundle-document-key-malformed', 'has no key type', place)
    return { place, members }
  })
}

function isList(value: unknown): value is readonly unknown[] {
  return Array.isArray(value)
}

/** Why the standard wants the key passed over, or why there is nothing that it could be used for. */
function whyIgnored({ members }: Jwk): string | undefined {
  const { kty, use, crv, alg, x5c, key_ops: operations } = members
  if (use !== X509_SVID && use !== JWT_SVID) return `has the use ${quoteJson(use)}`
  if (kty !== 'EC' && kty !== 'RSA') return `has the key type ${quoteJson(kty)}`
  if (kty === 'EC' && !curves.includes(crv)) return `is on the curve ${quoteJson(crv)}`
  if (use === X509_SVID) return isList(x5c) && x5c.length > 0 ? undefined : 'has no certificate'
  if (kty !== 'EC' || crv !== 'P-256') return 'signs JWT-SVIDs with something else than ES256'
  if (alg !== undefined && alg !== 'ES256') return `is for the algorithm ${quoteJson(alg)}`
  if (operations !== undefined && !(isList(operations) && operations.includes('verify'))) return 'is not for verifying'
  return undefined
}

/** X.509-SVID standard, section 6.2: the first certificate counts. */
function readCertificate({ place, members }: Jwk): Certificate {
  const { x5c } = members
  const [text] = isList(x5c) ? x5c : []
  const der = typeof text === 'string' ? decodeBase64(text) : undefined
  if (der === undefined) throw refusal('bundle-document-certificate', 'has no canonical base64 in x5c', place)
  checkPublic(members, place)
  const certificate = at(place, () => parseCertificate(der))
  const key = certificate.publicKey.key.export({ format: 'jwk' })
  // RFC 7517, 4.7. Two readers could otherwise believe two keys.
  if (membersOf[String(key.kty)]?.every((name) => members[name] === key[name]) !== true)
    throw refusal('bundle-document-key-mismatch', 'is another key than the one of its certificate', place)
  return certificate
}

/** JWT-SVID standard, section 6. */
function readJwtAuthority({ place, members }: Jwk): JwtAuthority {
  const { kid, x, y } = members
  checkPublic(members, place)
  if (typeof kid !== 'string' || kid === '') throw refusal('bundle-key-id', 'has no key ID', place)
  if (!isCoordinate(x) || !isCoordinate(y))
    throw refusal('bundle-document-key-malformed', `has no coordinates of ${COORDINATE_BYTES} bytes`, place)
  try {
    const key = createPublicKey({ key: { kty: 'EC', crv: 'P-256', x, y }, format: 'jwk' })
    return { keyId: kid, publicKey: key.export({ type: 'spki', format: 'der' }) }
  } catch (cause) {
    throw refusal('bundle-document-key-malformed', 'is not on its curve', place, cause)
  }
}

function isCoordinate(value: JsonValue | undefined): value is string {
  return typeof value === 'string' && decodeBase64Url(value)?.length === COORDINATE_BYTES
}

/** Whoever publishes a private key has lost it: nothing that is signed with it proves anything. */
function checkPublic(members: JsonObject, place: string): void {
  if (secretMembers.some((name) => Object.hasOwn(members, name)))
    throw refusal('bundle-document-private-key', 'has members of a private key: consider it known', place)
}

/** In seconds; 0 stands for nothing. SPIFFE Trust Domain and Bundle standard, section 4.1.2. */
function readRefreshHint(hint: JsonValue | undefined): number | undefined {
  if (hint === undefined || hint === 0) return undefined
  if (typeof hint !== 'number' || hint < 0 || !Number.isSafeInteger(hint * 1000) || !Number.isInteger(hint))
    throw new OutriderError('bundle-document-refresh-hint', 'the refresh hint of a bundle is a whole number of seconds')
  return hint * 1000
}

/** As `about`, with the place. */
function at<T>(place: string, read: () => T): T {
  try {
    return read()
  } catch (thrown) {
    if (!(thrown instanceof OutriderError)) throw thrown
    throw new OutriderError(thrown.code, `${place} of the bundle document ${thrown.message}`, { place, cause: thrown })
  }
}

function refusal<Code extends BundleDocumentErrorCode>(
  code: Code,
  fault: string,
  place: string,
  cause?: unknown,
): OutriderError<Code> {
  return new OutriderError(code, `${place} of the bundle document ${fault}`, { place, cause })
}

/**
 * The document that `parseBundleDocument` reads. What is tainted is not told: the format has no word for it.
 * `refreshHintMs` is told in seconds, rounded down to at least one.
 */
export function formatBundleDocument(bundle: TrustBundle, refreshHintMs: number): string {
  return JSON.stringify({
    keys: [
      ...bundle.authorities.map(({ der, publicKey }) => ({
        ...publicKey.key.export({ format: 'jwk' }),
        use: X509_SVID,
        x5c: [der.toString('base64')],
      })),
      ...jwtKeys(bundle, { use: JWT_SVID }),
    ],
    spiffe_sequence: bundle.sequence,
    spiffe_refresh_hint: Math.max(1, Math.floor(refreshHintMs / 1000)),
  })
}

/** The keys of JWT-SVIDs as a JWK Set (RFC 7517) that readers who know nothing of SPIFFE can use. */
export function formatJwtBundleDocument(bundle: TrustBundle): string {
  return JSON.stringify({ keys: jwtKeys(bundle, { use: 'sig', alg: 'ES256' }) })
}

function jwtKeys({ jwtAuthorities }: TrustBundle, more: JsonWebKey): readonly JsonWebKey[] {
  return [...jwtAuthorities].map(([kid, key]) => ({ ...key.export({ format: 'jwk' }), kid, ...more }))
}
