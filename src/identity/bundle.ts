import { OutriderError } from '../lib/errors.ts'
import { about } from './about.ts'
import { parseTrustDomain, type SpiffeIdErrorCode, type TrustDomain } from './spiffe-id.ts'
import { type Certificate, type CertificateErrorCode, isEmptyName, parseCertificate } from './x509.ts'

/** The root certificates of one trust domain. */
export interface TrustBundle {
  readonly trustDomain: TrustDomain
  readonly authorities: readonly Certificate[]
  /** Rises with every change: an older bundle never replaces a newer one. */
  readonly sequence: number
}

/** One bundle per trust domain. They are never merged: each speaks for its own trust domain only. */
export type TrustBundleSet = ReadonlyMap<TrustDomain, TrustBundle>

export const bundleErrorCodes = ['bundle-sequence', 'bundle-too-many-authorities', 'bundle-not-authority'] as const
export type BundleErrorCode = (typeof bundleErrorCodes)[number] | CertificateErrorCode | SpiffeIdErrorCode

const MAX_AUTHORITIES = 64

/**
 * Reads a bundle. One without authorities is valid and trusts nobody. Throws `OutriderError<BundleErrorCode>`; validity
 * in time is checked when a chain is.
 */
export function parseBundle(trustDomain: string, authoritiesDer: readonly Uint8Array[], sequence: number): TrustBundle {
  if (!Number.isSafeInteger(sequence) || sequence < 0)
    throw new OutriderError('bundle-sequence', `the sequence of a bundle is a whole number, not ${sequence}`)
  if (authoritiesDer.length > MAX_AUTHORITIES)
    throw new OutriderError('bundle-too-many-authorities', `a bundle has at most ${MAX_AUTHORITIES} authorities`)
  const domain = parseTrustDomain(trustDomain)
  const authorities = new Map<string, Certificate>()
  for (const [index, der] of authoritiesDer.entries()) {
    const certificate = about(`authority ${index} of ${domain}`, () => parseCertificate(der))
    const fault = authorityFault(certificate, domain)
    if (fault !== undefined)
      throw new OutriderError('bundle-not-authority', `authority ${index} of ${domain} ${fault}`, {
        place: `x509_authorities[${index}]`,
      })
    authorities.set(certificate.fingerprint, certificate)
  }
  return Object.freeze({ trustDomain: domain, authorities: Object.freeze([...authorities.values()]), sequence })
}

/** What makes a certificate unfit to sign (X.509-SVID standard, sections 3.2 and 4.3); the chain check says the rest. */
function authorityFault(certificate: Certificate, trustDomain: TrustDomain): string | undefined {
  if (certificate.basicConstraints?.ca !== true) return 'is not a CA certificate'
  if (certificate.keyUsage?.keyCertSign !== true) return 'may not sign certificates'
  if (isEmptyName(certificate.subject)) return 'has no subject'
  const uris = certificate.altNames?.uris ?? []
  if (uris.some((uri) => uri !== `spiffe://${trustDomain}`)) return 'carries the SPIFFE ID of something else'
  return undefined
}
