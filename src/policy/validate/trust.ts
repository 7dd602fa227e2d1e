import type { BundleDocument } from '../../identity/bundle-document.ts'
import { parseFederatedBundle } from '../../identity/federated-bundle.ts'
import { parseSerial } from '../../identity/revocation.ts'
import { parseTrustDomain, trustDomainOf } from '../../identity/spiffe-id.ts'
import { OutriderError } from '../../lib/errors.ts'
import type { BundleEndpoint, Revocation, TrustDomain } from '../model.ts'
import { andThen, object, oneOf, optional, parsed, pathOf, type Reader, withDefault } from '../schema.ts'
import { describe } from '../violations.ts'
import { envelope, listOf, MAX_STRING, spiffeId, text, words } from './readers.ts'

const revocationSpec = andThen(
  object({
    serials: withDefault(listOf(parsed(parseSerial, MAX_STRING), { uniqueBy: (serial) => serial }), []),
    spiffeIds: withDefault(listOf(spiffeId, { uniqueBy: (id) => id }), []),
    reason: optional(words),
  }),
  (spec, field, report) =>
    spec.serials.length + spec.spiffeIds.length > 0
      ? spec
      : report({ field, code: 'entry-empty', message: 'names nothing to revoke: give serials or spiffeIds' }),
)

/** The address of a bundle endpoint. SPIFFE Federation standard, sections 5.2.1.1 and 5.2.2.1. */
function parseBundleEndpointUrl(text: string): string {
  const url = URL.parse(text)
  if (url?.protocol !== 'https:' || url.username !== '' || url.password !== '' || /[#@\s]/.test(text))
    throw new OutriderError(
      'url-malformed',
      `the URL of a bundle endpoint begins with https:// and has neither a user nor a fragment: ${JSON.stringify(text.slice(0, 100))}`,
    )
  return url.href
}

const bundleEndpoint: Reader<BundleEndpoint> = andThen(
  object({
    url: parsed(parseBundleEndpointUrl, MAX_STRING),
    profile: oneOf(['https_web', 'https_spiffe']),
    spiffeId: optional(spiffeId),
    caFile: optional(text(parseCaFile)),
  }),
  ({ url, profile, spiffeId, caFile }, field, report) => {
    if (profile === 'https_web') {
      if (spiffeId === undefined) return { url, profile, ...(caFile === undefined ? {} : { caFile }) }
      const message = 'https_web knows the endpoint by its host name: leave it out, or use https_spiffe'
      return report({ field: pathOf(field, 'spiffeId'), code: 'field-not-applicable', message })
    }
    if (spiffeId === undefined) {
      const message = 'is required: https_spiffe knows the endpoint by its SPIFFE ID alone'
      return report({ field: pathOf(field, 'spiffeId'), code: 'field-missing', message })
    }
    if (caFile === undefined) return { url, profile, spiffeId }
    const message = 'https_spiffe believes a trust bundle: give that as spec.bundle, or use https_web'
    return report({ field: pathOf(field, 'caFile'), code: 'field-not-applicable', message })
  },
)

function parseCaFile(text: string): void {
  if (!text.startsWith('/'))
    throw new OutriderError('path-relative', 'a file is named by its whole path, from the root of the file system')
}

/** A document of the SPIFFE bundle format, as a mapping; to be read when the trust domain is known. */
const bundleDocument: Reader<object> = (value, field, report) =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
    ? value
    : report({ field, code: 'type-mismatch', message: `must be a SPIFFE bundle, not ${describe(value)}` })

const trustDomainSpec = andThen(
  object({
    trustDomain: parsed(parseTrustDomain, MAX_STRING),
    bundleEndpoint: optional(bundleEndpoint),
    bundle: optional(bundleDocument),
  }),
  ({ trustDomain, bundleEndpoint: endpoint, bundle: given }, field, report) => {
    const at = pathOf(field, 'bundle')
    if (given === undefined) {
      if (endpoint === undefined)
        return report({ field, code: 'entry-empty', message: 'has no bundle: give bundleEndpoint, bundle or both' })
      // Later bundles are verified with the one before; the first has to come from the operator.
      if (endpoint.profile === 'https_spiffe' && trustDomainOf(endpoint.spiffeId) === trustDomain)
        return report({ field: at, code: 'field-missing', message: 'is required: what is the endpoint verified with?' })
      return { trustDomain, bundleEndpoint: endpoint }
    }
    let bundle: BundleDocument
    try {
      bundle = parseFederatedBundle(Buffer.from(JSON.stringify(given)), trustDomain)
    } catch (thrown) {
      if (thrown instanceof RangeError)
        return report({ field: at, code: 'json-too-deep', message: 'is nested too deep' })
      if (!(thrown instanceof OutriderError)) throw thrown
      return report({ field: at, code: thrown.code, message: thrown.message })
    }
    if (bundle.bundle.authorities.length === 0)
      return report({ field: at, code: 'bundle-empty', message: 'has no authority of X.509-SVIDs: it trusts nobody' })
    return { trustDomain, bundle, ...(endpoint === undefined ? {} : { bundleEndpoint: endpoint }) }
  },
)

export const revocation: Reader<Revocation> = envelope('Revocation', revocationSpec)
export const trustDomain: Reader<TrustDomain> = envelope('TrustDomain', trustDomainSpec)
