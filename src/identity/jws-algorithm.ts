import { constants, type KeyObject } from 'node:crypto'

/**
 * Values of `alg` with a public key (RFC 7518, 3.1; RFC 8037, 3.1, with Ed25519 alone). There is neither `none` nor one with a
 * shared secret, so no key can pass as that.
 */
export const jwsAlgorithms = [
  'ES256',
  'ES384',
  'ES512',
  'PS256',
  'PS384',
  'PS512',
  'RS256',
  'RS384',
  'RS512',
  'EdDSA',
] as const
export type JwsAlgorithm = (typeof jwsAlgorithms)[number]

export interface AlgorithmRules {
  /** Ed25519 hashes by itself. */
  readonly hash: 'sha256' | 'sha384' | 'sha512' | undefined
  readonly keyType: 'ec' | 'rsa' | 'ed25519'
  /** OpenSSL's name of it. */
  readonly curve?: string
  /** Of r and s, one after the other (RFC 7518, 3.4), or of Ed25519; of RSA as many as the key has. */
  readonly signatureBytes?: number
  /** For `sign` and `verify` of node:crypto, beside the key. */
  readonly options: {
    readonly dsaEncoding?: 'ieee-p1363'
    readonly padding?: number
    readonly saltLength?: number
  }
}

/** RFC 7518, 3.3 and 3.5 */
const MIN_RSA_BITS = 2048
/** Verifying costs the square of the length, and the time is a stranger's to spend. */
const MAX_RSA_BITS = 8192

const ecdsa = { dsaEncoding: 'ieee-p1363' } as const
const pkcs1 = { padding: constants.RSA_PKCS1_PADDING } as const
/** RFC 7518, 3.5: the salt is as long as the hash. */
const pss = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST } as const

const algorithms: Readonly<Record<JwsAlgorithm, AlgorithmRules>> = {
  ES256: { hash: 'sha256', keyType: 'ec', curve: 'prime256v1', signatureBytes: 64, options: ecdsa },
  ES384: { hash: 'sha384', keyType: 'ec', curve: 'secp384r1', signatureBytes: 96, options: ecdsa },
  ES512: { hash: 'sha512', keyType: 'ec', curve: 'secp521r1', signatureBytes: 132, options: ecdsa },
  PS256: { hash: 'sha256', keyType: 'rsa', options: pss },
  PS384: { hash: 'sha384', keyType: 'rsa', options: pss },
  PS512: { hash: 'sha512', keyType: 'rsa', options: pss },
  RS256: { hash: 'sha256', keyType: 'rsa', options: pkcs1 },
  RS384: { hash: 'sha384', keyType: 'rsa', options: pkcs1 },
  RS512: { hash: 'sha512', keyType: 'rsa', options: pkcs1 },
  EdDSA: { hash: undefined, keyType: 'ed25519', signatureBytes: 64, options: {} },
}

export function rulesOf(algorithm: JwsAlgorithm): AlgorithmRules {
  return algorithms[algorithm]
}

/** OpenSSL goes by the key alone: without this a token could name one algorithm and be signed by another. */
export function keyFits(algorithm: JwsAlgorithm, key: KeyObject): boolean {
  const { keyType, curve } = algorithms[algorithm]
  if (key.asymmetricKeyType !== keyType) return false
  const { namedCurve, modulusLength } = key.asymmetricKeyDetails ?? {}
  if (keyType !== 'rsa') return namedCurve === curve
  return modulusLength !== undefined && modulusLength >= MIN_RSA_BITS && modulusLength <= MAX_RSA_BITS
}
