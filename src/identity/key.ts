import { createPublicKey, type KeyObject, verify } from 'node:crypto'
import { OutriderError } from '../lib/errors.ts'
import { decode, type Element, malformed, relabel } from './asn1.ts'

export const keyErrorCodes = ['key-unsupported', 'key-invalid', 'signature-algorithm-unsupported'] as const
export type KeyErrorCode = (typeof keyErrorCodes)[number]

export interface PublicKey {
  readonly kind: 'p256' | 'p384' | 'rsa'
  readonly bits: number
  readonly key: KeyObject
}

/** What may have signed a certificate. */
export interface SignatureAlgorithm {
  readonly name: 'ecdsa-sha256' | 'ecdsa-sha384' | 'rsa-pkcs1-sha256' | 'rsa-pkcs1-sha384'
  /** The whole AlgorithmIdentifier, hexadecimal. */
  readonly der: string
  readonly hash: 'sha256' | 'sha384'
  readonly family: 'ec' | 'rsa'
}

/** RFC 5758, 3.2 (no parameters) and RFC 4055, 5 (a NULL). SHA-1, PSS, P-521 and Ed25519 are not here. */
const algorithms: readonly SignatureAlgorithm[] = [
  { name: 'ecdsa-sha256', der: '300a06082a8648ce3d040302', hash: 'sha256', family: 'ec' },
  { name: 'ecdsa-sha384', der: '300a06082a8648ce3d040303', hash: 'sha384', family: 'ec' },
  { name: 'rsa-pkcs1-sha256', der: '300d06092a864886f70d01010b0500', hash: 'sha256', family: 'rsa' },
  { name: 'rsa-pkcs1-sha384', der: '300d06092a864886f70d01010c0500', hash: 'sha384', family: 'rsa' },
]

/** AlgorithmIdentifier of what Outrider itself signs with. */
export const ecdsaSha256: Buffer = Buffer.from('300a06082a8648ce3d040302', 'hex')

/** SubjectPublicKeyInfo up to the x coordinate: named curve and uncompressed point only (RFC 5480, 2). */
const curves = [
  { kind: 'p256', bits: 256, length: 91, head: '3059301306072a8648ce3d020106082a8648ce3d03010703420004' },
  { kind: 'p384', bits: 384, length: 120, head: '3076301006072a8648ce3d020106052b8104002203620004' },
] as const
/** rsaEncryption with a NULL (RFC 3279, 2.3.1). */
const RSA_ALGORITHM = '300d06092a864886f70d0101010500'
/** Verifying costs the square of the length, and the time is a stranger's to spend. */
const MAX_RSA_BITS = 8192
const MAX_RSA_EXPONENT = 0xffff_ffffn
/** Enough for RSA of `MAX_RSA_BITS`. */
const MAX_SPKI_BYTES = 2048

/** Throws `OutriderError` with `key-unsupported` or `key-invalid` (not on the curve), or with a `DerErrorCode`. */
export function readPublicKey(spki: Element): PublicKey {
  const start = spki.der.toString('hex', 0, 32)
  const curve = curves.find(({ head, length }) => spki.der.length === length && start.startsWith(head))
  if (curve !== undefined) return { kind: curve.kind, bits: curve.bits, key: importKey(spki) }
  const algorithm = spki.children[0]
  if (algorithm === undefined) throw malformed('has no algorithm in its public key')
  if (algorithm.der.toString('hex') !== RSA_ALGORITHM)
    throw new OutriderError('key-unsupported', 'has a key that is neither P-256, P-384 nor RSA')
  const key = importKey(spki)
  const { modulusLength = 0, publicExponent = 0n } = key.asymmetricKeyDetails ?? {}
  if (
    modulusLength > MAX_RSA_BITS ||
    modulusLength % 8 !== 0 ||
    publicExponent < 3n ||
    publicExponent > MAX_RSA_EXPONENT
  )
    throw new OutriderError('key-unsupported', `has an RSA key of ${modulusLength} bits or with an odd exponent`)
  return { kind: 'rsa', bits: modulusLength, key }
}

/** As `readPublicKey`, from a DER SubjectPublicKeyInfo that stands alone. Throws `OutriderError<KeyErrorCode>`. */
export function parsePublicKey(spki: Uint8Array): PublicKey {
  try {
    return readPublicKey(decode(spki, MAX_SPKI_BYTES))
  } catch (thrown) {
    throw relabel(thrown, {
      'der-too-large': 'key-invalid',
      'der-malformed': 'key-invalid',
      'der-not-canonical': 'key-invalid',
    })
  }
}

function importKey(spki: Element): KeyObject {
  try {
    return createPublicKey({ key: spki.der, format: 'der', type: 'spki' })
  } catch (cause) {
    throw new OutriderError('key-invalid', 'has a public key that OpenSSL refuses', { cause })
  }
}

/** Throws `OutriderError` with `signature-algorithm-unsupported`. */
export function readSignatureAlgorithm(identifier: Element): SignatureAlgorithm {
  const encoding = identifier.der.toString('hex')
  const algorithm = algorithms.find(({ der }) => der === encoding)
  if (algorithm === undefined)
    throw new OutriderError(
      'signature-algorithm-unsupported',
      'is signed with an algorithm other than ECDSA or RSA PKCS#1 with SHA-256 or SHA-384',
    )
  return algorithm
}

/** Whether a key of this kind can have made a signature of this kind. */
export function fitsKey(algorithm: SignatureAlgorithm, key: PublicKey): boolean {
  return (algorithm.family === 'rsa') === (key.kind === 'rsa')
}

/** True when `signature` over `data` is `signer`'s, and of the kind that `algorithm` names. */
export function verifySignature(
  algorithm: SignatureAlgorithm,
  signer: PublicKey,
  data: Uint8Array,
  signature: Uint8Array,
): boolean {
  // OpenSSL goes by the key alone: without this an RSA signature could pass under the name of ECDSA.
  if (!fitsKey(algorithm, signer)) return false
  try {
    return verify(algorithm.hash, data, signer.key, signature)
  } catch {
    return false
  }
}
