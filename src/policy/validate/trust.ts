import type { BundleDocument } from '../../identity/bundle-document.ts'
import { isJsonObject } from '../../identity/json.ts'
import { parseFederatedBundle } from '../../identity/federated-bundle.ts'
import { parseSerial, serialForm } from '../../identity/revocation.ts'
import { parseTrustDomain, trustDomainForm, trustDomainOf } from '../../identity/spiffe-id.ts'
import { OutriderError } from '../../lib/errors.ts'
import type { BundleEndpoint, Revocation, TrustDomain } from '../model.ts'
import {
  andThen,
  foreign,
  itselfUnruled,
  object,
  oneOf,
  optional,
  parsed,
  pathOf,
  type Reader,
  withDefault,
} from '../schema.ts'
import { envelope, httpsForm, listOf, MAX_STRING, spiffeId, text, words } from './readers.ts'

const serial = parsed(parseSerial, MAX_STRING, { pattern: serialForm })
const nothingRevoked = 'names nothing to revoke: give serials or spiffeIds'

const revocationSpec = andThen(
  object({
    serials: withDefault(listOf(serial, { unique: itselfUnruled }), []),
    spiffeIds: withDefault(listOf(spiffeId, { unique: itselfUnruled }), []),
    reason: optional(words),
  }),
  (spec, field, report) =>
    spec.serials.length + spec.spiffeIds.length > 0
      ? spec
      : report({ field, code: 'entry-empty', message: nothingRevoked }),
  {
    rules: [
      {
        rule: 'has(self.serials) && self.serials.size() > 0 || has(self.spiffeIds) && self.spiffeIds.size() > 0',
        message: nothingRevoked,
      },
    ],
  },
)

/** The address of a bundle endpoint. SPIFFE Federation standard, sections 5.2.1.1 and 5.2.2.1. */
function parseBundleEndpointUrl(text: string): string {
  const url = httpsForm.test(text) ? URL.parse(text) : null
  if (url === null || url.username !== '' || url.password !== '')
    throw new OutriderError(
      'url-malformed',
      `the URL of a bundle endpoint begins with https:// and has neither a user nor a fragment: ${JSON.stringify(text.slice(0, 100))}`,
    )
  return url.href
}

const webWithId = 'https_web knows the endpoint by its host name: leave it out, or use https_spiffe'
const spiffeWithoutId = 'is required: https_spiffe knows the endpoint by its SPIFFE ID alone'
const spiffeWithCa = 'https_spiffe believes a trust bundle: give that as spec.bundle, or use https_web'

const bundleEndpoint: Reader<BundleEndpoint> = andThen(
  object({
    url: parsed(parseBundleEndpointUrl, MAX_STRING, { pattern: httpsForm }),
    profile: oneOf(['https_web', 'https_spiffe']),
    spiffeId: optional(spiffeId),
    caFile: optional(text(parseCaFile, { pattern: /^\// })),
  }),
  ({ url, profile, spiffeId, caFile }, field, report) => {
    if (profile === 'https_web') {
      if (spiffeId === undefined) return { url, profile, ...(caFile === undefined ? {} : { caFile }) }
      return report({ field: pathOf(field, 'spiffeId'), code: 'field-not-applicable', message: webWithId })
    }
    if (spiffeId === undefined)
      return report({ field: pathOf(field, 'spiffeId'), code: 'field-missing', message: spiffeWithoutId })
    if (caFile === undefined) return { url, profile, spiffeId }
    return report({ field: pathOf(field, 'caFile'), code: 'field-not-applicable', message: spiffeWithCa })
  },
  {
    rules: [
      { rule: "self.profile != 'https_web' || !has(self.spiffeId)", message: webWithId, fieldPath: '.spiffeId' },
      { rule: "self.profile != 'https_spiffe' || has(self.spiffeId)", message: `spiffeId ${spiffeWithoutId}` },
      { rule: "self.profile != 'https_spiffe' || !has(self.caFile)", message: spiffeWithCa, fieldPath: '.caFile' },
    ],
  },
)

function parseCaFile(text: string): void {
  if (!text.startsWith('/'))
    throw new OutriderError('path-relative', 'a file is named by its whole path, from the root of the file system')
}

/** A document of the SPIFFE bundle format, as a mapping; to be read when the trust domain is known. */
const bundleDocument = foreign('a SPIFFE bundle', isJsonObject)

const noBundle = 'has no bundle: give bundleEndpoint, bundle or both'
const nothingToVerifyWith = 'is required: what is the endpoint verified with?'

const trustDomainSpec = andThen(
  object({
    trustDomain: parsed(parseTrustDomain, MAX_STRING, { pattern: trustDomainForm, maxLength: 255 }),
    bundleEndpoint: optional(bundleEndpoint),
    bundle: optional(bundleDocument),
  }),
  ({ trustDomain, bundleEndpoint: endpoint, bundle: given }, field, report) => {
    const at = pathOf(field, 'bundle')
    if (given === undefined) {
      if (endpoint === undefined) return report({ field, code: 'entry-empty', message: noBundle })
      // Later bundles are verified with the one before; the first has to come from the operator.
      if (endpoint.profile === 'https_spiffe' && trustDomainOf(endpoint.spiffeId) === trustDomain)
        return report({ field: at, code: 'field-missing', message: nothingToVerifyWith })
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
  {
    rules: [
      { rule: 'has(self.bundle) || has(self.bundleEndpoint)', message: noBundle },
      {
        rule:
          'has(self.bundle) || !has(self.bundleEndpoint) || !has(self.bundleEndpoint.spiffeId) || ' +
          "!(self.bundleEndpoint.spiffeId + '/').startsWith('spiffe://' + self.trustDomain + '/')",
        message: `bundle ${nothingToVerifyWith}`,
      },
    ],
  },
)

export const revocation: Reader<Revocation> = envelope('Revocation', revocationSpec)
export const trustDomain: Reader<TrustDomain> = envelope('TrustDomain', trustDomainSpec)
