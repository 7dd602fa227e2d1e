import type { Confirmation } from '../../identity/confirmation.ts'
import { readConfirmation } from '../../identity/confirmation.ts'
import { parseJsonObject } from '../../identity/json.ts'
import { checkAudience, checkTimes, textOf } from '../../identity/user-token.ts'
import type { Headers } from '../../http/headers.ts'
import type { AcceptedIntrospection } from '../../policy/authentication.ts'
import type { TokenIdentity } from '../../policy/decision.ts'
import { type Refusal, refuse } from '../refusal.ts'
import { claimFields } from './forwarded-form.ts'
import { attempt } from './refusing.ts'

/** What an authorization server said about a token: it is good, or why it is not. */
export type IntrospectionAnswer = GoodAnswer | Refusal

export interface GoodAnswer {
  readonly token: TokenIdentity
  readonly confirmation: Confirmation | undefined
  /** Out of its claims, flat. */
  readonly headers: Headers
}

/** Clocks differ: the server's may be ahead of ours by so much. An end is exact. */
const SKEW_MS = 30_000

/** Reads an answer of RFC 7662, 2.2. What cannot be understood says nothing about the token: that is no answer. */
export function readAnswer(body: Buffer, accepted: AcceptedIntrospection, nowMs: number): IntrospectionAnswer {
  const claims = attempt(() => parseJsonObject(body), 'introspection-malformed')
  if (isRefusal(claims)) return claims
  const { active, exp } = claims
  if (typeof active !== 'boolean')
    return refuse('introspection-malformed', { detail: 'the answer does not say whether the token is active' })
  if (!active) return refuse('token-inactive')
  if (claims['iss'] !== undefined && claims['iss'] !== accepted.issuer)
    return refuse('token-issuer-unknown', { detail: 'the answer names another issuer than the one that is configured' })
  const read = attempt(() => {
    const endMs = checkTimes(exp === undefined ? { ...claims, exp: FAR_S } : claims, SKEW_MS, nowMs) - SKEW_MS
    checkAudience(claims['aud'], accepted.audiences)
    return {
      subject: textOf(claims['sub'], 'sub'),
      confirmation: readConfirmation(claims),
      expiresAtMs: exp === undefined ? Number.POSITIVE_INFINITY : endMs,
    }
  })
  if (isRefusal(read)) return read
  const { subject, confirmation, expiresAtMs } = read
  if (nowMs >= expiresAtMs) return refuse('token-expired')
  const headers = claimFields(claims, accepted.claimsToHeaders)
  if (isRefusal(headers)) return headers
  return { token: { issuer: accepted.issuer, subject, claims, expiresAtMs }, confirmation, headers }
}

/** The end of the year 9999: RFC 7662 does not demand an end. */
const FAR_S = 253_402_300_799

export function isRefusal(value: object): value is Refusal {
  return 'kind' in value && value.kind === 'refusal' && 'code' in value
}
