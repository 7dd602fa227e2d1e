import { hash } from 'node:crypto'
import { OutriderError } from '../lib/errors.ts'
import { about } from './about.ts'
import { isJsonObject, type JsonObject, parseJsonObject, quoteJson } from './json.ts'
import { type PublicJwk, readPublicJwk, thumbprintOf } from './jwk.ts'
import { type Jws, parseJws, verifyJws } from './jws.ts'
import { jwsAlgorithms } from './jws-algorithm.ts'

/** A proof of possession for one request (RFC 9449, 4.2) that holds in itself. */
export interface DpopProof {
  /** Thumbprint of the key that made it. */
  readonly thumbprint: string
  /** Of no other proof of this key. */
  readonly id: string
  /** The method that it was made for. */
  readonly method: string
  /** The URI that it was made for, as it stands there. */
  readonly uri: string
  /** Wall-clock time from which it is accepted no more. */
  readonly expiresAtMs: number
}

/** How long a proof serves, by the clock of who made it. */
const MAX_AGE_MS = 60_000
/** How far that clock may be ahead of ours. */
const MAX_AHEAD_MS = 30_000
const MAX_LENGTH = 8192
const MAX_ID_LENGTH = 256
const MAX_URI_LENGTH = 4096

/**
 * Verifies a proof that was shown with the access token `token`: everything of RFC 9449, 4.3 but the request that it is for, and
 * whether it was shown before, which are the caller's to compare. Throws `OutriderError` with `dpop-proof-invalid` or
 * `dpop-proof-expired`.
 */
export function verifyDpopProof(text: string, token: string, nowMs: number): DpopProof {
  return about('the DPoP proof', () => {
    const jws = invalidating(() => parseJws(text, jwsAlgorithms, MAX_LENGTH))
    const jwk = keyOf(jws)
    invalidating(() => verifyJws(jws, jwk.key))
    const claims = invalidating(() => about('has claims that', () => parseJsonObject(jws.payload)))
    if (claims['ath'] !== hash('sha256', token, 'base64url'))
      throw invalid('is for another access token, or for none (ath)')
    return {
      thumbprint: thumbprintOf(jwk),
      id: textOf(claims, 'jti', MAX_ID_LENGTH),
      method: textOf(claims, 'htm', MAX_ID_LENGTH),
      uri: textOf(claims, 'htu', MAX_URI_LENGTH),
      expiresAtMs: checkAge(claims, nowMs),
    }
  })
}

function keyOf({ header }: Jws): PublicJwk {
  const { typ, jwk } = header
  if (typ !== 'dpop+jwt') throw invalid(`has the type ${quoteJson(typ)}`)
  if (!isJsonObject(jwk)) throw invalid('has no key in its header')
  return invalidating(() => about('has a key that', () => readPublicJwk(jwk)))
}

function checkAge({ iat }: JsonObject, nowMs: number): number {
  if (typeof iat !== 'number' || !Number.isFinite(iat)) throw invalid('does not say when it was made (iat)')
  const madeAtMs = iat * 1000
  if (nowMs < madeAtMs - MAX_AHEAD_MS || nowMs >= madeAtMs + MAX_AGE_MS)
    throw new OutriderError(
      'dpop-proof-expired',
      `was made ${Math.round((nowMs - madeAtMs) / 1000)} s ago; it serves for ${MAX_AGE_MS / 1000} s, and from ${MAX_AHEAD_MS / 1000} s before`,
    )
  return madeAtMs + MAX_AGE_MS
}

function textOf(claims: JsonObject, name: string, maxLength: number): string {
  const value = claims[name]
  if (typeof value === 'string' && value !== '' && value.length <= maxLength) return value
  throw invalid(`has no "${name}" of 1 to ${maxLength} characters`)
}

function invalidating<T>(read: () => T): T {
  try {
    return read()
  } catch (thrown) {
    if (!(thrown instanceof OutriderError)) throw thrown
    throw invalid(thrown.message)
  }
}

function invalid(message: string): OutriderError<'dpop-proof-invalid'> {
  return new OutriderError('dpop-proof-invalid', message)
}
