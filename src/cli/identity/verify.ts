import { parseBundle, type TrustBundleSet } from '../../identity/bundle.ts'
import { validateLeaf } from '../../identity/leaf.ts'
import { trustDomainOf } from '../../identity/spiffe-id.ts'
import { type RefusedPeer, type VerifiedPeer, verifyPeer } from '../../identity/verify.ts'
import { fromPem, parseCertificate } from '../../identity/x509.ts'
import { describeError, OutriderError } from '../../lib/errors.ts'
import { readSmallFile } from '../../lib/small-file.ts'
import type { CertificatePage } from '../sidecar-page.ts'

const MAX_FILE_BYTES = 1024 * 1024

/**
 * Verifies the certificates of a PEM file, leaf first, by the rules that sidecars apply to their peers. Throws `usage-file` when a
 * file holds no certificates.
 */
export function verifyFile(file: string, bundles: TrustBundleSet, nowMs: number): VerifiedPeer | RefusedPeer {
  return verifyPeer(certificatesOf(file), bundles, nowMs)
}

/** The roots in a PEM file, as the bundle of the trust domain that the leaf of `file` names. */
export function bundlesOfFile(bundleFile: string, file: string): TrustBundleSet {
  const [leaf] = certificatesOf(file)
  const trustDomain = trustDomainOf(validateLeaf(parseCertificate(leaf!)))
  const bundle = parseBundle({ trustDomain, authorities: certificatesOf(bundleFile), sequence: 0 })
  return new Map([[trustDomain, bundle]])
}

/** Whom a sidecar believes. */
export function bundlesOfPage({ bundles }: CertificatePage): TrustBundleSet {
  const parsed = bundles.map(({ trustDomain, sequence, authorities }) =>
    parseBundle({ trustDomain, sequence, authorities: authorities.flatMap(({ pem }) => fromPem(pem)) }),
  )
  return new Map(parsed.map((bundle) => [bundle.trustDomain, bundle]))
}

function certificatesOf(file: string): readonly Buffer[] {
  let certificates: readonly Buffer[]
  try {
    certificates = fromPem(readSmallFile(file, MAX_FILE_BYTES).text)
  } catch (cause) {
    throw new OutriderError('usage-file', `${file} cannot be read: ${describeError(cause)}`, { place: file })
  }
  if (certificates.length === 0) throw new OutriderError('usage-file', `${file} holds no certificate`, { place: file })
  return certificates
}
