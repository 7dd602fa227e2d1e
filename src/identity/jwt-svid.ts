import type { KeyObject } from 'node:crypto'
import { OutriderError } from '../lib/errors.ts'
import { about, quote } from './about.ts'
import type { TrustBundleSet } from './bundle.ts'
import { type JsonObject, type JsonValue, jsonErrorCodes, parseJsonObject, quoteJson } from './json.ts'
import { type Jws, type JwsAlgorithm, type JwsErrorCode, jwsErrorCodes, parseJws, signJws, verifyJws } from './jws.ts'
import {
  parseSpiffeId,
  pathOf,
  type SpiffeId,
  type SpiffeIdErrorCode,
  spiffeIdErrorCodes,
  trustDomainOf,
} from './spiffe-id.ts'
import { CLOCK_SKEW_MS, iso, span } from './validity.ts'

const verified: unique symbol = Symbol('verified')

/** A JWT-SVID that was verified. Only this file makes one. Whoever holds the token can show it: it proves no possession. */
export interface VerifiedJwtSvid {
  readonly [verified]: true
  readonly kind: 'verified'
  readonly id: SpiffeId
  /** All of them: who is named beside us can use the token as well as its subject. */
  readonly audience: readonly string[]
  /** Of the authority that signed it, in the bundle of the ID's trust domain. */
  readonly keyId: string
  readonly expiresAtMs: number
  readonly issuedAtMs: number | undefined
  /** Everything that was signed, `sub`, `aud` and `exp` among it. */
  readonly claims: JsonObject
}

export interface RefusedJwtSvid {
  readonly kind: 'refused'
  readonly code: JwtSvidRefusalCode
  /** For the log. May quote the token's claims, escaped and cut, and never what could be shown as a token again. */
  readonly message: string
}

export const jwtSvidErrorCodes = [
  'jwt-svid-header-unknown',
  'jwt-svid-type',
  'jwt-svid-key-id-missing',
  'jwt-svid-key-unknown',
  'jwt-svid-subject-missing',
  'jwt-svid-subject-without-path',
  'jwt-svid-trust-domain-unknown',
  'jwt-svid-audience-missing',
  'jwt-svid-audience-malformed',
  'jwt-svid-audience-mismatch',
  'jwt-svid-expiry-missing',
  'jwt-svid-time-malformed',
  'jwt-svid-expired',
  'jwt-svid-not-yet-valid',
  'jwt-svid-issued-in-future',
  'jwt-svid-ttl',
] as const
export type JwtSvidErrorCode = (typeof jwtSvidErrorCodes)[number]
export type JwtSvidRefusalCode = JwtSvidErrorCode | JwsErrorCode | SpiffeIdErrorCode

export const jwtSvidRefusalCodes: readonly JwtSvidRefusalCode[] = [
  ...jwtSvidErrorCodes,
  ...jwsErrorCodes,
  ...jsonErrorCodes,
  ...spiffeIdErrorCodes,
]

/** The standard's list is longer; our authorities have P-256 keys. */
const ALGORITHMS: readonly JwsAlgorithm[] = ['ES256']
/** What field sections of requests have room for. */
const MAX_TOKEN_LENGTH = 8192
/** JWT-SVID standard, section 2: any other must not be there. That bars `jku`, `jwk`, `x5u`, `x5c` and `cty` as well. */
const HEADER_PARAMETERS: ReadonlySet<string> = new Set(['alg', 'kid', 'typ'])
const TYPES: readonly JsonValue[] = ['JWT', 'JOSE']
/** The last second of the year 9999: what comes after it is no date. */
const MAX_SECONDS = 253_402_300_799
const MAX_AUDIENCES = 16
const MAX_AUDIENCE_LENGTH = 512
const MIN_TTL_MS = 1000
const MAX_TTL_MS = 86_400_000

/**
 * Verifies a token that was shown to `audience`, by every rule of the JWT-SVID standard, with the keys of the bundle of
 * its subject's own trust domain. Where the standard leaves a choice it is the narrower one: a key ID is mandatory, an
 * end of validity is exact. What it refuses for its time or audience was signed by who it says. Never throws on bad
 * input.
 */
export function verifyJwtSvid(
  token: string,
  audience: string,
  bundles: TrustBundleSet,
  nowMs: number,
): VerifiedJwtSvid | RefusedJwtSvid {
  try {
    return about('the token', () => verifyToken(token, audience, bundles, nowMs))
  } catch (thrown) {
    if (!isRefusal(thrown)) throw thrown
    return { kind: 'refused', code: thrown.code, message: thrown.message }
  }
}

function isRefusal(thrown: unknown): thrown is OutriderError<JwtSvidRefusalCode> {
  return thrown instanceof OutriderError && jwtSvidRefusalCodes.some((code) => code === thrown.code)
}

function verifyToken(token: string, audience: string, bundles: TrustBundleSet, nowMs: number): VerifiedJwtSvid {
  const jws = parseJws(token, ALGORITHMS, MAX_TOKEN_LENGTH)
  const keyId = readHeader(jws)
  const claims = about('has claims that', () => parseJsonObject(jws.payload))
  const id = readSubject(claims['sub'])
  const trustDomain = trustDomainOf(id)
  const bundle = bundles.get(trustDomain)
  if (bundle?.trustDomain !== trustDomain)
    throw refusal('jwt-svid-trust-domain-unknown', `is of the trust domain ${trustDomain}, of which there is no bundle`)
  const key = bundle.jwtAuthorities.get(keyId)
  if (key === undefined)
    throw refusal(
      'jwt-svid-key-unknown',
      `names the key ${quote(keyId)}, none of the ${bundle.jwtAuthorities.size} of ${trustDomain}`,
    )
  verifyJws(jws, key)
  const tokenAudience = readAudience(claims['aud'], audience)
  const { expiresAtMs, issuedAtMs } = readTimes(claims, nowMs)
  return { [verified]: true, kind: 'verified', id, audience: tokenAudience, keyId, expiresAtMs, issuedAtMs, claims }
}

/** The key ID. JWT-SVID standard, section 2. */
function readHeader({ header }: Jws): string {
  const unknown = Object.keys(header).find((name) => !HEADER_PARAMETERS.has(name))
  if (unknown !== undefined)
    throw refusal(
      'jwt-svid-header-unknown',
      `has the header parameter ${quote(unknown)}, which a JWT-SVID must not have`,
    )
  const { typ, kid } = header
  if (typ !== undefined && !TYPES.includes(typ))
    throw refusal('jwt-svid-type', `has the type ${quoteJson(typ)}, a JWT-SVID is JWT or JOSE`)
  if (typeof kid !== 'string' || kid === '') throw refusal('jwt-svid-key-id-missing', 'names no key in its header')
  return kid
}

/** JWT-SVID standard, section 3.1. */
function readSubject(subject: JsonValue | undefined): SpiffeId {
  if (typeof subject !== 'string') throw refusal('jwt-svid-subject-missing', 'has no subject')
  const id = about('has a subject that is no SPIFFE ID:', () => parseSpiffeId(subject))
  if (pathOf(id) === '')
    throw refusal('jwt-svid-subject-without-path', `is for the trust domain ${id} itself, not for a workload`)
  return id
}

/** JWT-SVID standard, section 3.2; RFC 7519, 4.1.3: one text, or a list of them. */
function readAudience(value: JsonValue | undefined, ours: string): readonly string[] {
  if (value === undefined) throw refusal('jwt-svid-audience-missing', 'has no audience')
  const list = typeof value === 'string' ? [value] : value
  if (!isTexts(list)) throw refusal('jwt-svid-audience-malformed', 'has an audience that is neither a text nor texts')
  if (list.length === 0) throw refusal('jwt-svid-audience-missing', 'has an empty audience')
  if (!list.includes(ours))
    throw refusal('jwt-svid-audience-mismatch', `is for ${quote(list.join(', '))}, not for ${quote(ours)}`)
  return list
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((text) => typeof text === 'string' && text !== '')
}

/** JWT-SVID standard, section 3.3; RFC 7519, 4.1.4 to 4.1.6. */
function readTimes(claims: JsonObject, nowMs: number): Pick<VerifiedJwtSvid, 'expiresAtMs' | 'issuedAtMs'> {
  const expiresAtMs = readTime(claims, 'exp')
  const notBeforeMs = readTime(claims, 'nbf')
  const issuedAtMs = readTime(claims, 'iat')
  if (expiresAtMs === undefined) throw refusal('jwt-svid-expiry-missing', 'has no end of validity')
  if (nowMs >= expiresAtMs)
    throw refusal('jwt-svid-expired', `expired ${span(nowMs - expiresAtMs)} ago, at ${iso(expiresAtMs)}`)
  if (notBeforeMs !== undefined && nowMs < notBeforeMs - CLOCK_SKEW_MS)
    throw refusal(
      'jwt-svid-not-yet-valid',
      `is not valid before ${iso(notBeforeMs)}, in ${span(notBeforeMs - nowMs)}: does a clock differ?`,
    )
  if (issuedAtMs !== undefined && nowMs < issuedAtMs - CLOCK_SKEW_MS)
    throw refusal(
      'jwt-svid-issued-in-future',
      `was issued at ${iso(issuedAtMs)}, in ${span(issuedAtMs - nowMs)}: does a clock differ?`,
    )
  return { expiresAtMs, issuedAtMs }
}

/** A NumericDate (RFC 7519, 2), which may have a fraction, in whole milliseconds. */
function readTime(claims: JsonObject, name: string): number | undefined {
  const seconds = claims[name]
  if (seconds === undefined) return undefined
  if (typeof seconds !== 'number' || !(seconds >= 0 && seconds <= MAX_SECONDS))
    throw refusal('jwt-svid-time-malformed', `has a claim ${name} that is no number of seconds since 1970`)
  return Math.floor(seconds * 1000)
}

export interface JwtSvidOrder {
  readonly id: SpiffeId
  /** To whom it will be shown: one, if possible, as each can use it with the others. */
  readonly audience: readonly string[]
  readonly keyId: string
  /** P-256. */
  readonly privateKey: KeyObject
  /** From a second to a day. */
  readonly ttlMs: number
  readonly nowMs: number
}

export interface SignedJwtSvid {
  readonly token: string
  readonly issuedAtMs: number
  /** In whole seconds, and so up to one second before `ttlMs` is over. */
  readonly expiresAtMs: number
}

/**
 * Makes a JWT-SVID that `verifyJwtSvid` takes. Throws an `OutriderError` with a code of `JwtSvidErrorCode`, or with
 * `jws-key-mismatch` or `jws-too-large`.
 */
export function signJwtSvid({ id, audience, keyId, privateKey, ttlMs, nowMs }: JwtSvidOrder): SignedJwtSvid {
  checkOrder(id, audience, keyId, ttlMs)
  const issuedAt = Math.floor(nowMs / 1000)
  const expiresAt = Math.floor((nowMs + ttlMs) / 1000)
  const claims = { sub: id, aud: audience, exp: expiresAt, iat: issuedAt }
  const token = about('the token', () => signJws({ kid: keyId, typ: 'JWT' }, claims, 'ES256', privateKey))
  if (token.length > MAX_TOKEN_LENGTH)
    throw new OutriderError(
      'jws-too-large',
      `the token would be ${token.length} characters long, at most ${MAX_TOKEN_LENGTH} are read`,
    )
  return { token, issuedAtMs: issuedAt * 1000, expiresAtMs: expiresAt * 1000 }
}

function checkOrder(id: SpiffeId, audience: readonly string[], keyId: string, ttlMs: number): void {
  if (pathOf(id) === '')
    throw refusal(
      'jwt-svid-subject-without-path',
      `a JWT-SVID is for a workload, not for the trust domain ${id} itself`,
    )
  if (audience.length === 0) throw refusal('jwt-svid-audience-missing', 'a JWT-SVID is for an audience')
  if (audience.length > MAX_AUDIENCES || audience.some((name) => name === '' || name.length > MAX_AUDIENCE_LENGTH))
    throw refusal(
      'jwt-svid-audience-malformed',
      `an audience is up to ${MAX_AUDIENCES} names of 1 to ${MAX_AUDIENCE_LENGTH} characters`,
    )
  if (keyId === '') throw refusal('jwt-svid-key-id-missing', 'a JWT-SVID names the key that signs it')
  // Not a number is no lifetime either.
  if (!(ttlMs >= MIN_TTL_MS && ttlMs <= MAX_TTL_MS))
    throw refusal('jwt-svid-ttl', `a JWT-SVID lives from ${MIN_TTL_MS} to ${MAX_TTL_MS} ms, not ${ttlMs}`)
}

function refusal(code: JwtSvidErrorCode, message: string): OutriderError<JwtSvidErrorCode> {
  return new OutriderError(code, message)
}
