import type { KeyObject } from 'node:crypto'
import { OutriderError } from '../lib/errors.ts'
import { isJsonObject, type JsonObject, type JsonValue, quoteJson } from './json.ts'
import { algorithmsOf, readPublicJwk } from './jwk.ts'
import type { JwsAlgorithm } from './jws-algorithm.ts'

/** Keys that an issuer signs with. */
export interface VerificationKeys {
  readonly keys: readonly VerificationKey[]
  readonly ignored: readonly IgnoredJwk[]
}

export interface VerificationKey {
  readonly keyId: string | undefined
  /** What it may verify: the one that the issuer says it is for, or all that it can. */
  readonly algorithms: readonly JwsAlgorithm[]
  readonly key: KeyObject
}

/** A key that cannot be used; RFC 7517, 5 wants it passed over. */
export interface IgnoredJwk {
  /** `keys[3]` */
  readonly place: string
  readonly why: string
}

export const jwkSetErrorCodes = [
  'jwk-set-malformed',
  'jwk-set-too-many-keys',
  'jwk-set-private-key',
  'jwk-set-no-keys',
] as const
export type JwkSetErrorCode = (typeof jwkSetErrorCodes)[number]

/** With those that are ignored. */
const MAX_KEYS = 64
const MAX_KEY_ID_LENGTH = 512
/** Keys that are tried for one token: each costs a signature. */
const MAX_CANDIDATES = 4

export const noKeys: VerificationKeys = { keys: [], ignored: [] }

/**
 * Reads a JWK Set (RFC 7517, 5). Keys that are for something else, or of a kind that is not used here, are ignored; without any
 * that is left, and with a private key among them, the set is refused. Throws `OutriderError<JwkSetErrorCode>`.
 */
export function readJwkSet({ keys: list }: JsonObject): VerificationKeys {
  if (!isList(list)) throw new OutriderError('jwk-set-malformed', 'the JWK Set has no list of keys')
  if (list.length > MAX_KEYS)
    throw new OutriderError(
      'jwk-set-too-many-keys',
      `the JWK Set has ${list.length} keys, at most ${MAX_KEYS} are read`,
    )
  const keys: VerificationKey[] = []
  const ignored: IgnoredJwk[] = []
  for (const [index, jwk] of list.entries()) {
    const place = `keys[${index}]`
    try {
      keys.push(readKey(jwk))
    } catch (thrown) {
      if (!(thrown instanceof OutriderError)) throw thrown
      if (thrown.code === 'jwk-private')
        throw new OutriderError('jwk-set-private-key', `${place} of the JWK Set ${thrown.message}`, { place })
      ignored.push({ place, why: thrown.message })
    }
  }
  if (keys.length > 0) return { keys, ignored }
  const why = ignored[0] === undefined ? '' : `: ${ignored[0].place} ${ignored[0].why}`
  throw new OutriderError('jwk-set-no-keys', `the JWK Set has no key that can be used${why}`)
}

/** Keys that may have made a signature by `algorithm`. A token that names no key has one when only one can be meant. */
export function keysFor(
  { keys }: VerificationKeys,
  keyId: string | undefined,
  algorithm: JwsAlgorithm,
): readonly VerificationKey[] {
  const fitting = keys.filter((key) => key.algorithms.includes(algorithm))
  if (keyId === undefined) return fitting.length === 1 ? fitting : []
  return fitting.filter((key) => key.keyId === keyId).slice(0, MAX_CANDIDATES)
}

function readKey(jwk: unknown): VerificationKey {
  if (!isJsonObject(jwk)) throw unusable('is no object')
  const { use, key_ops: operations, alg, kid: keyId } = jwk
  const { key } = readPublicJwk(jwk)
  if (use !== undefined && use !== 'sig') throw unusable(`has the use ${quoteJson(use)}`)
  if (operations !== undefined && !(isList(operations) && operations.includes('verify')))
    throw unusable('is not for verifying')
  if (keyId !== undefined && (typeof keyId !== 'string' || keyId.length > MAX_KEY_ID_LENGTH))
    throw unusable(`has an ID that is no text of at most ${MAX_KEY_ID_LENGTH} characters`)
  const able = algorithmsOf(key)
  const algorithms = alg === undefined ? able : able.filter((algorithm) => algorithm === alg)
  if (algorithms.length === 0) throw unusable(`is for the algorithm ${quoteJson(alg)}`)
  return { keyId, algorithms, key }
}

function isList(value: JsonValue | undefined): value is readonly JsonValue[] {
  return Array.isArray(value)
}

/** Caught above. */
function unusable(why: string): OutriderError<'jwk-unsupported'> {
  return new OutriderError('jwk-unsupported', why)
}
