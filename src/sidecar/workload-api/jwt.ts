import type { TrustBundleSet } from '../../identity/bundle.ts'
import { formatJwtBundleDocument } from '../../identity/bundle-document.ts'
import { verifyJwtSvid } from '../../identity/jwt-svid.ts'
import { spiffeIdOf } from '../../identity/spiffe-id.ts'
import { OutriderError } from '../../lib/errors.ts'
import type { Credentials } from '../../mtls/credentials.ts'
import { structOf } from '../../rpc/struct.ts'
import type { JWTBundlesResponse } from '../../wire/JWTBundlesResponse.ts'
import type { JWTSVIDRequest__Output } from '../../wire/JWTSVIDRequest.ts'
import type { JWTSVIDResponse } from '../../wire/JWTSVIDResponse.ts'
import type { ValidateJWTSVIDRequest__Output } from '../../wire/ValidateJWTSVIDRequest.ts'
import type { ValidateJWTSVIDResponse } from '../../wire/ValidateJWTSVIDResponse.ts'
import type { RequestJwtSvid } from '../../enrolment/identity.ts'

/** SPIFFE Workload API standard, section 6.2.1. Rejects with `jwt-svid-audience-missing` or `caller-not-entitled`, too. */
export async function jwtSvidResponse(
  { audience, spiffeId }: JWTSVIDRequest__Output,
  { svid }: Credentials,
  request: RequestJwtSvid,
): Promise<JWTSVIDResponse> {
  if (audience.length === 0) {
    throw new OutriderError('jwt-svid-audience-missing', 'a JWT-SVID is for an audience, and the request names none')
  }
  if (spiffeId !== '' && spiffeId !== svid.id) {
    throw new OutriderError('caller-not-entitled', `the identity here is ${svid.id}, and no other can be had`)
  }
  return { svids: [{ spiffeId: svid.id, svid: await request(audience) }] }
}

/** The keys of JWT-SVIDs of each trust domain. Section 6.2.2. */
export function jwtBundlesResponse({ bundles }: Credentials): JWTBundlesResponse {
  return {
    bundles: Object.fromEntries(
      [...bundles.values()].map((bundle) => [
        spiffeIdOf(bundle.trustDomain, ''),
        Buffer.from(formatJwtBundleDocument(bundle)),
      ]),
    ),
  }
}

/** Equal for credentials of which `jwtBundlesResponse` makes the same. */
export function jwtKeysKey({ bundles }: Credentials): string {
  return [...bundles.values()].map((bundle) => `${bundle.trustDomain} ${formatJwtBundleDocument(bundle)}`).join('\n')
}

/** Section 6.2.3. Throws an `OutriderError<JwtSvidRefusalCode>` for a token that is not valid. */
export function validateResponse(
  { audience, svid: token }: ValidateJWTSVIDRequest__Output,
  bundles: TrustBundleSet,
  nowMs: number,
): ValidateJWTSVIDResponse {
  if (audience === '') {
    throw new OutriderError(
      'jwt-svid-audience-missing',
      'the request does not say which audience the token was shown to',
    )
  }
  const verdict = verifyJwtSvid(token, audience, bundles, nowMs)
  if (verdict.kind === 'refused') throw new OutriderError(verdict.code, verdict.message)
  return { spiffeId: verdict.id, claims: structOf(verdict.claims) }
}
