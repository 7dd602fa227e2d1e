import { OutriderError } from '../lib/errors.ts'
import { bundleParts } from './bundle.ts'
import { type BundleDocument, type BundleDocumentErrorCode, parseBundleDocument } from './bundle-document.ts'

export const federatedBundleErrorCodes = ['bundle-too-large'] as const
export type FederatedBundleErrorCode = (typeof federatedBundleErrorCodes)[number] | BundleDocumentErrorCode

/**
 * Certificates and keys, DER: some 20 roots of the largest kind. Every sidecar gets the bundles of all trust domains in one
 * message, so that a foreign one must not be able to make it too large to be sent.
 */
export const MAX_FEDERATED_BYTES: number = 32 * 1024

/** As `parseBundleDocument`, for a trust domain that others operate. Throws `OutriderError<FederatedBundleErrorCode>`. */
export function parseFederatedBundle(document: Uint8Array, trustDomain: string): BundleDocument {
  const parsed = parseBundleDocument(document, trustDomain)
  const { authorities, jwtAuthorities } = bundleParts(parsed.bundle)
  const parts = [...authorities, ...jwtAuthorities.map(({ publicKey }) => publicKey)]
  const bytes = parts.reduce((sum, der) => sum + der.length, 0)
  if (bytes > MAX_FEDERATED_BYTES)
    throw new OutriderError(
      'bundle-too-large',
      `the certificates and keys of ${trustDomain} have ${bytes} bytes, at most ${MAX_FEDERATED_BYTES} are believed`,
    )
  return parsed
}
