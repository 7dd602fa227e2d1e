import { jwsAlgorithms } from '../../identity/jws-algorithm.ts'
import type { Refusal } from '../refusal.ts'
import { refusals } from '../refusal.ts'
import type { Credential } from './credential.ts'

const DPOP_CODES: ReadonlySet<string> = new Set([
  'dpop-proof-missing',
  'dpop-proof-invalid',
  'dpop-proof-expired',
  'dpop-proof-mismatch',
  'token-replayed',
])

/**
 * A refusal with the field that a client of OAuth 2.0 looks at: which error it was, of the closed list of RFC 6750, 3.1 and RFC
 * 9449, 7.1. What exactly was wrong goes only to who may be told, as with every refusal.
 */
export function challenged(refusal: Refusal, credential: Credential | undefined): Refusal {
  const { status } = refusals[refusal.code]
  if ((status !== 400 && status !== 401) || refusal.headers !== undefined) return refusal
  const proof = DPOP_CODES.has(refusal.code)
  const scheme = proof || credential?.dpop === true ? 'DPoP' : 'Bearer'
  const error = proof ? 'invalid_dpop_proof' : status === 400 ? 'invalid_request' : 'invalid_token'
  const algorithms = scheme === 'DPoP' ? `, algs="${jwsAlgorithms.join(' ')}"` : ''
  return { ...refusal, headers: ['www-authenticate', `${scheme} error="${error}"${algorithms}`] }
}
