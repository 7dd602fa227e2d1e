import { OutriderError } from '../lib/errors.ts'
import { about } from './about.ts'
import { oids } from './extension.ts'
import { parseSpiffeId, pathOf, type SpiffeId, type SpiffeIdErrorCode } from './spiffe-id.ts'
import { type Certificate, isEmptyName } from './x509.ts'

/** One code per rule of the X.509-SVID standard, sections 2 to 4, for a leaf. */
export const leafErrorCodes = [
  'leaf-no-uri',
  'leaf-many-uris',
  'leaf-id-without-path',
  'leaf-alt-name-not-critical',
  'leaf-is-ca',
  'leaf-key-usage-missing',
  'leaf-key-usage-not-critical',
  'leaf-no-digital-signature',
  'leaf-key-cert-sign',
  'leaf-crl-sign',
  'leaf-extended-key-usage',
  'leaf-key-unsupported',
] as const
export type LeafErrorCode = (typeof leafErrorCodes)[number] | SpiffeIdErrorCode

/**
 * The SPIFFE ID of a leaf that keeps every rule of the standard, for our own certificates and for those of peers alike.
 * Says nothing about who signed it or when it expires. Throws `OutriderError<LeafErrorCode>`.
 */
export function validateLeaf(certificate: Certificate): SpiffeId {
  const { altNames, basicConstraints, keyUsage, extendedKeyUsage, publicKey } = certificate
  const [uri, ...moreUris] = altNames?.uris ?? []
  if (altNames === undefined || uri === undefined) throw refusal('leaf-no-uri', 'has no URI name, an SVID has one')
  if (moreUris.length > 0)
    throw refusal('leaf-many-uris', `has ${moreUris.length + 1} URI names, an SVID has exactly one`)
  const id = idOfName(uri)
  if (pathOf(id) === '') throw refusal('leaf-id-without-path', `names the trust domain ${id} itself, not a workload`)
  if (isEmptyName(certificate.subject) && !altNames.critical)
    throw refusal('leaf-alt-name-not-critical', 'has an empty subject, so its alternative name has to be critical')

  if (basicConstraints?.ca === true) throw refusal('leaf-is-ca', 'is a CA certificate, not a leaf')
  if (keyUsage === undefined) throw refusal('leaf-key-usage-missing', 'has no key usage')
  if (keyUsage.keyCertSign) throw refusal('leaf-key-cert-sign', 'may sign certificates, a leaf may not')
  if (keyUsage.crlSign) throw refusal('leaf-crl-sign', 'may sign revocation lists, a leaf may not')
  if (!keyUsage.critical) throw refusal('leaf-key-usage-not-critical', 'has a key usage that is not critical')
  if (!keyUsage.digitalSignature) throw refusal('leaf-no-digital-signature', 'has a key usage without digitalSignature')
  if (extendedKeyUsage !== undefined && !servesBothSides(extendedKeyUsage))
    throw refusal('leaf-extended-key-usage', 'has an extended key usage without serverAuth and clientAuth')
  if (publicKey.kind === 'rsa')
    throw refusal('leaf-key-unsupported', 'has an RSA key, an SVID has a P-256 or P-384 key')
  return id
}

/** The SPIFFE ID in a URI name. Throws `OutriderError<SpiffeIdErrorCode>`. */
export function idOfName(uri: string): SpiffeId {
  return about('has a URI name that is no SPIFFE ID:', () => parseSpiffeId(uri))
}

/** An SVID is shown as a server and as a client. */
export function servesBothSides(purposes: readonly string[]): boolean {
  return purposes.includes(oids.serverAuth) && purposes.includes(oids.clientAuth)
}

function refusal(code: LeafErrorCode, message: string): OutriderError<LeafErrorCode> {
  return new OutriderError(code, message)
}
