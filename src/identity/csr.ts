import { createPublicKey, type KeyObject } from 'node:crypto'
import { OutriderError } from '../lib/errors.ts'
import { about } from './about.ts'
import {
  contextConstructed,
  type DerErrorCode,
  decode,
  type Element,
  encode,
  Fields,
  oid,
  relabel,
  sequence,
  tags,
} from './asn1.ts'
import { oids, readExtensions, readRawExtensions, uriAltNames } from './extension.ts'
import { type KeyErrorCode, readPublicKey, readSignatureAlgorithm, verifySignature } from './key.ts'
import { idOfName } from './leaf.ts'
import type { SpiffeId, SpiffeIdErrorCode } from './spiffe-id.ts'
import { ecdsaSigner, emptyName, isEmptyName, signed, wholeBytes, type SubjectKey, subjectKeyFrom } from './x509.ts'

/** One code per rule for a certification request. */
export const csrErrorCodes = [
  'csr-too-large',
  'csr-malformed',
  'csr-not-canonical',
  'csr-version',
  'csr-subject',
  'csr-attributes',
  'csr-extensions',
  'csr-alt-names',
  'csr-key-unsupported',
  'csr-algorithm-unsupported',
  'csr-signature-invalid',
] as const
export type CsrErrorCode = (typeof csrErrorCodes)[number] | KeyErrorCode | SpiffeIdErrorCode

const codes: Readonly<Record<DerErrorCode, CsrErrorCode>> = {
  'der-too-large': 'csr-too-large',
  'der-malformed': 'csr-malformed',
  'der-not-canonical': 'csr-not-canonical',
}

/** What a certification request asks for, and proves. */
export interface CertificationRequest {
  readonly id: SpiffeId
  /** P-256. */
  readonly publicKey: KeyObject
  /** `publicKey`, encoded. */
  readonly subjectKey: SubjectKey
}

const MAX_CSR_BYTES = 4096
const VERSION_1 = Buffer.from('020100', 'hex')
/** PKCS#9 extensionRequest, 1.2.840.113549.1.9.14 */
const EXTENSION_REQUEST = '2a864886f70d01090e'

/** A certification request (PKCS#10, RFC 2986), DER, that asks for `id` and nothing else. */
export function buildCsr(privateKey: KeyObject, id: SpiffeId): Buffer {
  const spki = createPublicKey(privateKey).export({ type: 'spki', format: 'der' })
  const request = sequence(oid(EXTENSION_REQUEST), encode(tags.set, sequence(uriAltNames([id], true))))
  const info = sequence(VERSION_1, emptyName, spki, encode(contextConstructed(0), request))
  return signed(info, ecdsaSigner(privateKey))
}

/**
 * Reads a certification request and verifies that its sender has the private key. What it asks for beside a SPIFFE ID
 * is refused rather than ignored. Throws `OutriderError<CsrErrorCode>`.
 */
export function parseCsr(der: Buffer): CertificationRequest {
  return about('the certification request', () => {
    try {
      return readCsr(decode(der, MAX_CSR_BYTES))
    } catch (thrown) {
      throw relabel(thrown, codes)
    }
  })
}

function readCsr(whole: Element): CertificationRequest {
  const outer = new Fields(whole, tags.sequence, 'certification request')
  const info = outer.take(tags.sequence, 'the part that is signed')
  const algorithm = readSignatureAlgorithm(outer.take(tags.sequence, 'signature algorithm'))
  const signature = wholeBytes(outer.take(tags.bitString, 'signature'))
  outer.end()

  const fields = new Fields(info, tags.sequence, 'certification request')
  if (!fields.take(tags.integer, 'version').der.equals(VERSION_1))
    throw refusal('csr-version', 'is not a certification request of version 1')
  if (!isEmptyName(fields.take(tags.sequence, 'subject').der))
    throw refusal('csr-subject', 'asks for a subject, an SVID is named by its SPIFFE ID alone')
  const spki = fields.take(tags.sequence, 'public key')
  const publicKey = readPublicKey(spki)
  const attributes = fields.take(contextConstructed(0), 'attributes')
  fields.end()

  if (publicKey.kind !== 'p256') throw refusal('csr-key-unsupported', 'has a key that is not P-256')
  if (algorithm.name !== 'ecdsa-sha256')
    throw refusal('csr-algorithm-unsupported', 'is not signed with ECDSA and SHA-256')
  const id = readRequestedId(attributes)
  if (!verifySignature(algorithm, publicKey, info.der, signature))
    throw refusal('csr-signature-invalid', 'is not signed with the private key of its public key')
  return { id, publicKey: publicKey.key, subjectKey: subjectKeyFrom(spki) }
}

function readRequestedId(attributes: Element): SpiffeId {
  const [attribute, ...more] = attributes.children
  if (attribute === undefined || more.length > 0)
    throw refusal('csr-attributes', 'has not exactly one attribute, the extension request')
  const fields = new Fields(attribute, tags.sequence, 'attribute')
  const type = fields.take(tags.oid, 'type').content.toString('hex')
  if (type !== EXTENSION_REQUEST) throw refusal('csr-attributes', 'has an attribute other than the extension request')
  const values = new Fields(fields.take(tags.set, 'values'), tags.set, 'extension request')
  fields.end()
  const list = values.take(tags.sequence, 'extensions')
  values.end()
  if (readRawExtensions(list).some(({ oid }) => oid !== oids.subjectAltName))
    throw refusal('csr-extensions', 'asks for an extension other than the subject alternative name')
  const { uris, dnsNames, others } = readExtensions(list).altNames!
  const [uri] = uris
  if (uri === undefined || uris.length + dnsNames.length + others > 1)
    throw refusal('csr-alt-names', 'has not exactly one alternative name, a URI')
  return idOfName(uri)
}

function refusal(code: CsrErrorCode, message: string): OutriderError<CsrErrorCode> {
  return new OutriderError(code, message)
}
