import { OutriderError } from '../lib/errors.ts'
import { about } from './about.ts'
import { type Confirmation, readConfirmation } from './confirmation.ts'
import { type JsonObject, type JsonValue, parseJsonObject, quoteJson } from './json.ts'
import { keysFor, type VerificationKeys } from './jwk-set.ts'
import { type Jws, parseJws, verifyJws } from './jws.ts'
import { type JwsAlgorithm, jwsAlgorithms } from './jws-algorithm.ts'
import { iso } from './validity.ts'

/** A JSON Web Token of a user (RFC 7519), taken apart. Nothing of it is believed yet. */
export interface UserToken {
  readonly jws: Jws
  readonly claims: JsonObject
  /** Absent: it does not say. */
  readonly issuer: string | undefined
  readonly keyId: string | undefined
}

/** What one issuer's tokens are held to. */
export interface UserTokenRules {
  readonly audiences: readonly string[]
  readonly algorithms: readonly JwsAlgorithm[]
  /** How far the issuer's clock may be from ours. */
  readonly clockSkewMs: number
}

/** What a token says that its issuer signed. Whose it is to use, `confirmation` says. */
export interface UserTokenFacts {
  readonly subject: string | undefined
  readonly claims: JsonObject
  /** Wall-clock time from which it is believed no more: `exp` and the skew. */
  readonly expiresAtMs: number
  readonly confirmation: Confirmation | undefined
}

export const userTokenErrorCodes = [
  'token-malformed',
  'token-type',
  'token-algorithm',
  'token-key-unknown',
  'token-signature',
  'token-claims',
  'token-expired',
  'token-not-yet-valid',
  'token-audience',
  'token-binding-unknown',
] as const
export type UserTokenErrorCode = (typeof userTokenErrorCodes)[number]

/** What field sections of requests have room for, beside cookies. */
export const MAX_USER_TOKEN_LENGTH = 16_384
const MAX_NAME_LENGTH = 1024
const MAX_AUDIENCES = 64
/** The last second of the year 9999: what comes after it is no date. */
const MAX_SECONDS = 253_402_300_799
/**
 * Values of `typ` (RFC 8725, 3.11), in lower case and without `application/`: tokens for access and for identity, and not those
 * that are made for something else (a DPoP proof, a logout, a security event).
 */
const types: ReadonlySet<string> = new Set(['jwt', 'jose', 'at+jwt'])

/**
 * Takes a token apart. Key material that a header brings along (`jwk`, `jku`, `x5u`, `x5c`) is never looked at: the one who signs
 * would say whom to believe. Throws `OutriderError<UserTokenErrorCode>`, whose message leaves it to the caller to name the token;
 * so do the functions below.
 */
export function parseUserToken(text: string): UserToken {
  const jws = relabelled(() => parseJws(text, jwsAlgorithms, MAX_USER_TOKEN_LENGTH))
  const { typ, cty, b64, kid } = jws.header
  // RFC 7519, 5.2: it has another token in it. RFC 7797: its payload is not encoded.
  if (cty !== undefined || b64 !== undefined)
    throw refusal('token-malformed', 'has a header for something else than claims (cty, b64)')
  if (typ !== undefined && !(typeof typ === 'string' && types.has(typ.toLowerCase().replace(/^application\//, ''))))
    throw refusal('token-type', `has the type ${quoteJson(typ)}`)
  const claims = relabelled(() => about('has claims that', () => parseJsonObject(jws.payload)))
  return { jws, claims, issuer: textOf(claims['iss'], 'iss'), keyId: textOf(kid, 'kid') }
}

/**
 * Verifies a token whose issuer has these keys. What it refuses for its times or audience was signed by that issuer. The caller
 * has chosen keys and rules by the issuer that the token names.
 */
export function verifyUserToken(
  { jws, claims, keyId }: UserToken,
  keys: VerificationKeys,
  { audiences, algorithms, clockSkewMs }: UserTokenRules,
  nowMs: number,
): UserTokenFacts {
  const { algorithm } = jws
  if (!algorithms.includes(algorithm))
    throw refusal('token-algorithm', `has the algorithm ${algorithm}, allowed is ${algorithms.join(', ')}`)
  const candidates = keysFor(keys, keyId, algorithm)
  if (candidates.length === 0)
    throw refusal(
      'token-key-unknown',
      `names the key ${quoteJson(keyId)} for ${algorithm}, none of the ${keys.keys.length} of its issuer`,
    )
  if (!candidates.some(({ key }) => isSignedWith(jws, key)))
    throw refusal('token-signature', 'was not signed with the key that it names')
  const expiresAtMs = checkTimes(claims, clockSkewMs, nowMs)
  checkAudience(claims['aud'], audiences)
  return { subject: textOf(claims['sub'], 'sub'), claims, expiresAtMs, confirmation: readConfirmation(claims) }
}

function isSignedWith(jws: Jws, key: VerificationKeys['keys'][number]['key']): boolean {
  try {
    verifyJws(jws, key)
    return true
  } catch (thrown) {
    if (!(thrown instanceof OutriderError)) throw thrown
    return false
  }
}

/** Wall-clock time from which the token is believed no more. RFC 7519, 4.1.4 to 4.1.6; an end is mandatory here. */
export function checkTimes(claims: JsonObject, skewMs: number, nowMs: number): number {
  const expiry = secondsOf(claims['exp'], 'exp')
  if (expiry === undefined) throw refusal('token-claims', 'has no end (exp)')
  const expiresAtMs = expiry * 1000 + skewMs
  if (nowMs >= expiresAtMs) throw refusal('token-expired', `has expired at ${iso(expiry * 1000)}`)
  for (const name of ['nbf', 'iat']) {
    const from = secondsOf(claims[name], name)
    if (from !== undefined && from * 1000 > nowMs + skewMs)
      throw refusal('token-not-yet-valid', `is of the future: its "${name}" is ${iso(from * 1000)}`)
  }
  return expiresAtMs
}

/** RFC 7519, 4.1.3; `wanted` is empty where any will do. */
export function checkAudience(given: JsonValue | undefined, wanted: readonly string[]): void {
  if (wanted.length === 0) return
  const list: readonly JsonValue[] = isList(given) ? given : given === undefined ? [] : [given]
  if (list.length > MAX_AUDIENCES || !list.every((audience) => typeof audience === 'string'))
    throw refusal('token-claims', `has a claim "aud" that is neither a text nor a list of at most ${MAX_AUDIENCES}`)
  if (!list.some((audience) => wanted.includes(audience)))
    throw refusal('token-audience', `is for ${quoteJson(given)}, and for none of ${wanted.join(', ')}`)
}

function secondsOf(value: JsonValue | undefined, name: string): number | undefined {
  if (value === undefined) return undefined
  if (typeof value === 'number' && value >= 0 && value <= MAX_SECONDS) return value
  throw refusal('token-claims', `has a claim "${name}" that is no time in seconds`)
}

/** A text, or nothing: any other value of these members means nothing to two readers alike. */
export function textOf(value: JsonValue | undefined, name: string): string | undefined {
  if (value === undefined) return undefined
  if (typeof value === 'string' && value !== '' && value.length <= MAX_NAME_LENGTH) return value
  throw refusal('token-claims', `has a "${name}" that is no text of 1 to ${MAX_NAME_LENGTH} characters`)
}

function isList(value: JsonValue | undefined): value is readonly JsonValue[] {
  return Array.isArray(value)
}

/** The codes of a JWS are of the format; those here are what the bearer is told. */
function relabelled<T>(read: () => T): T {
  try {
    return read()
  } catch (thrown) {
    if (!(thrown instanceof OutriderError)) throw thrown
    throw refusal(thrown.code === 'jws-algorithm' ? 'token-algorithm' : 'token-malformed', thrown.message)
  }
}

function refusal(code: UserTokenErrorCode, message: string): OutriderError<UserTokenErrorCode> {
  return new OutriderError(code, message)
}
