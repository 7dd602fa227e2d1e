import { hash, type KeyObject, sign } from 'node:crypto'
import { OutriderError } from '../lib/errors.ts'
import {
  bitString,
  contextConstructed,
  type DerErrorCode,
  decode,
  type Element,
  encode,
  Fields,
  malformed,
  oid,
  relabel,
  sequence,
  tags,
  unsigned,
} from './asn1.ts'
import { type Extensions, keyIdOf, readExtensions } from './extension.ts'
import {
  ecdsaSha256,
  type KeyErrorCode,
  type PublicKey,
  readPublicKey,
  readSignatureAlgorithm,
  type SignatureAlgorithm,
} from './key.ts'

/** A certificate that is well formed (RFC 5280, 4.1). Whether it may be trusted is for verify.ts to say. */
export interface Certificate extends Extensions {
  readonly der: Buffer
  /** SHA-256 of `der`, hexadecimal. */
  readonly fingerprint: string
  /** What is signed. */
  readonly tbs: Buffer
  /** See `serialText`. */
  readonly serial: string
  readonly signatureAlgorithm: SignatureAlgorithm
  readonly signature: Buffer
  /** Encoded name. */
  readonly issuer: Buffer
  /** Encoded name. */
  readonly subject: Buffer
  readonly notBeforeMs: number
  readonly notAfterMs: number
  readonly publicKey: PublicKey
}

export const certificateErrorCodes = [
  'certificate-too-large',
  'certificate-malformed',
  'certificate-not-canonical',
] as const
export type CertificateErrorCode = (typeof certificateErrorCodes)[number] | KeyErrorCode

const codes: Readonly<Record<DerErrorCode, CertificateErrorCode>> = {
  'der-too-large': 'certificate-too-large',
  'der-malformed': 'certificate-malformed',
  'der-not-canonical': 'certificate-not-canonical',
}

const MAX_CERTIFICATE_BYTES = 16 * 1024
const MAX_SERIAL_BYTES = 20
const VERSION_3 = Buffer.from('a003020102', 'hex')
const EMPTY_NAME_BYTES = 2

/** Throws `OutriderError<CertificateErrorCode>`, whose message leaves it to the caller to name the certificate. */
export function parseCertificate(der: Uint8Array): Certificate {
  try {
    return readCertificate(decode(der, MAX_CERTIFICATE_BYTES))
  } catch (thrown) {
    throw relabel(thrown, codes)
  }
}

function readCertificate(whole: Element): Certificate {
  const outer = new Fields(whole, tags.sequence, 'certificate')
  const tbs = outer.take(tags.sequence, 'the part that is signed')
  const algorithm = outer.take(tags.sequence, 'signature algorithm')
  const signature = wholeBytes(outer.take(tags.bitString, 'signature'))
  outer.end()

  const fields = new Fields(tbs, tags.sequence, 'certificate')
  const version = fields.optional(contextConstructed(0))
  if (version?.der.equals(VERSION_3) !== true) throw malformed('is not an X.509 version 3 certificate')
  const serial = readSerial(fields.take(tags.integer, 'serial number'))
  // RFC 5280, 4.1.1.2: the one that is signed and the one beside the signature are the same.
  if (!fields.take(tags.sequence, 'signature algorithm').der.equals(algorithm.der))
    throw malformed('names two signature algorithms')
  const issuer = fields.take(tags.sequence, 'issuer')
  const validity = new Fields(fields.take(tags.sequence, 'validity'), tags.sequence, 'validity')
  const notBeforeMs = readTime(validity.any('a start'))
  const notAfterMs = readTime(validity.any('an end'))
  validity.end()
  if (notAfterMs < notBeforeMs) throw malformed('ends before it starts')
  const subject = fields.take(tags.sequence, 'subject')
  const spki = fields.take(tags.sequence, 'public key')
  const extensions = new Fields(
    fields.take(contextConstructed(3), 'extensions'),
    contextConstructed(3),
    'wrapper of extensions',
  )
  fields.end()
  const list = extensions.take(tags.sequence, 'extensions')
  extensions.end()

  return {
    ...readExtensions(list),
    der: whole.der,
    fingerprint: hash('sha256', whole.der, 'hex'),
    tbs: tbs.der,
    serial,
    signatureAlgorithm: readSignatureAlgorithm(algorithm),
    signature,
    issuer: issuer.der,
    subject: subject.der,
    notBeforeMs,
    notAfterMs,
    publicKey: readPublicKey(spki),
  }
}

/** Content of a bit string that has no unused bits. */
export function wholeBytes(bits: Element): Buffer {
  if (bits.content[0] !== 0) throw malformed('has a bit string of broken bytes')
  return bits.content.subarray(1)
}

/** RFC 5280, 4.1.2.2: positive, at most 20 octets. */
function readSerial({ content }: Element): string {
  if (content.length > MAX_SERIAL_BYTES || content[0]! > 0x7f || content.every((byte) => byte === 0))
    throw malformed('has a serial number that is not positive or too long')
  return serialText(content)
}

/** A serial number as it is shown: hexadecimal, lower-case, whole bytes without leading zero bytes. */
export function serialText(magnitude: Uint8Array): string {
  return Buffer.from(magnitude)
    .toString('hex')
    .replace(/^(?:00)+(?=..)/, '')
}

const LAST_UTC_TIME_YEAR = 2049

/** RFC 5280, 4.1.2.5: seconds and Z always, and UTCTime for what it can say. */
function readTime({ tag, content }: Element): number {
  const text = content.toString('latin1')
  const isUtc = tag === tags.utcTime
  const match = (isUtc ? /^(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/ : /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/).exec(
    text,
  )
  if ((!isUtc && tag !== tags.generalizedTime) || match === null) throw malformed('has a time that is none')
  const [short = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = match.slice(1).map(Number)
  const year = isUtc ? short + (short < 50 ? 2000 : 1900) : short
  if (!isUtc && year <= LAST_UTC_TIME_YEAR && year >= 1950) throw malformed('has a GeneralizedTime before 2050')
  const time = new Date(0)
  time.setUTCFullYear(year, month - 1, day)
  time.setUTCHours(hour, minute, second)
  const exists =
    time.getUTCMonth() === month - 1 && time.getUTCDate() === day && hour < 24 && minute < 60 && second < 60
  if (!exists) throw malformed('has a time that does not exist')
  return time.getTime()
}

/** Certificates of one second have the same times. */
const MAX_KNOWN_TIMES = 64
const knownTimes = new Map<number, Buffer>()

function encodeTime(ms: number): Buffer {
  const second = Math.floor(ms / 1000)
  const known = knownTimes.get(second)
  if (known !== undefined) return known
  if (knownTimes.size >= MAX_KNOWN_TIMES) knownTimes.clear()
  const made = timeOf(ms)
  knownTimes.set(second, made)
  return made
}

function timeOf(ms: number): Buffer {
  const digits = new Date(ms).toISOString().replaceAll(/[-:T]|\.\d+Z/g, '')
  const isUtc = Number(digits.slice(0, 4)) <= LAST_UTC_TIME_YEAR
  return encode(isUtc ? tags.utcTime : tags.generalizedTime, Buffer.from(`${isUtc ? digits.slice(2) : digits}Z`))
}

/** True for a name without any attribute, which a subject alternative name then replaces. */
export function isEmptyName(name: Buffer): boolean {
  return name.length === EMPTY_NAME_BYTES
}

export const emptyName: Buffer = sequence()

const COMMON_NAME = '550403'
const ORGANIZATION = '55040a'

function attribute(id: string, text: string): Buffer {
  return encode(tags.set, sequence(oid(id), encode(tags.utf8String, Buffer.from(text))))
}

/** A name of organisation and common name, UTF-8. */
export function encodeName(organization: string, commonName: string): Buffer {
  return sequence(attribute(ORGANIZATION, organization), attribute(COMMON_NAME, commonName))
}

/** A P-256 or P-384 key that is to be certified, encoded once. */
export interface SubjectKey {
  readonly spki: Buffer
  readonly keyId: Buffer
}

export function subjectKeyOf(publicKey: KeyObject): SubjectKey {
  const spki = publicKey.export({ type: 'spki', format: 'der' })
  return subjectKeyFrom(decode(spki, spki.length))
}

/**
 * The same of a SubjectPublicKeyInfo that `readPublicKey` took for an EC key. Such a key has one encoding, which is
 * compared there to the byte: this copy of it is what OpenSSL would write, which takes as long as two signatures.
 */
export function subjectKeyFrom(spki: Element): SubjectKey {
  return { spki: Buffer.from(spki.der), keyId: keyIdOf(spki) }
}

export interface CertificateFields {
  /** Big-endian magnitude. */
  readonly serial: Uint8Array
  readonly issuer: Uint8Array
  readonly subject: Uint8Array
  /** Cut to whole seconds, as are all times of a certificate. */
  readonly notBeforeMs: number
  readonly notAfterMs: number
  readonly spki: Uint8Array
  /** Encoded extensions. */
  readonly extensions: readonly Uint8Array[]
}

/** Signs with ECDSA and SHA-256, DER form. */
export type Sign = (data: Buffer) => Buffer

export function ecdsaSigner(privateKey: KeyObject): Sign {
  return (data) => sign('sha256', data, privateKey)
}

/** An ECDSA-SHA256 certificate, DER. */
export function buildCertificate(fields: CertificateFields, sign: Sign): Buffer {
  const tbs = sequence(
    VERSION_3,
    unsigned(fields.serial),
    ecdsaSha256,
    fields.issuer,
    sequence(encodeTime(fields.notBeforeMs), encodeTime(fields.notAfterMs)),
    fields.subject,
    fields.spki,
    encode(contextConstructed(3), sequence(...fields.extensions)),
  )
  return signed(tbs, sign)
}

/** `SEQUENCE { tbs, ecdsa-with-SHA256, signature }`, the form of certificates and of certification requests. */
export function signed(tbs: Buffer, sign: Sign): Buffer {
  return sequence(tbs, ecdsaSha256, bitString(sign(tbs)))
}

/** PEM, one block per certificate. */
export function toPem(certificates: readonly Uint8Array[]): string {
  return certificates
    .map((der) => {
      const lines =
        Buffer.from(der)
          .toString('base64')
          .match(/.{1,64}/g) ?? []
      return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`
    })
    .join('')
}

/**
 * The DER of every certificate in a PEM text that has nothing but certificates. Throws `OutriderError` with
 * `certificate-malformed`.
 */
export function fromPem(text: string): Buffer[] {
  const blocks = text.match(/-----BEGIN CERTIFICATE-----\s[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----\s*/g) ?? []
  if (blocks.length === 0 || blocks.join('') !== text.trimStart())
    throw new OutriderError('certificate-malformed', 'is not a PEM text of certificates')
  return blocks.map((block) => Buffer.from(block.replaceAll(/-----[A-Z ]+-----/g, ''), 'base64'))
}

/** More than any chain or bundle has. */
const MAX_CONCATENATED = 64

/**
 * Takes DER certificates apart that stand one after the other, as the SPIFFE Workload API sends them. Looks at their lengths
 * alone. Throws `certificate-malformed`.
 */
export function splitDer(bytes: Uint8Array): Buffer[] {
  const all = Buffer.from(bytes)
  const parts: Buffer[] = []
  for (let start = 0; start < all.length; ) {
    const length = lengthOfSequence(all.subarray(start))
    if (length === undefined || length > all.length - start || parts.length >= MAX_CONCATENATED)
      throw new OutriderError(
        'certificate-malformed',
        `is not a row of at most ${MAX_CONCATENATED} DER certificates, from byte ${start} on`,
      )
    parts.push(all.subarray(start, start + length))
    start += length
  }
  return parts
}

/** Of the SEQUENCE that `bytes` begin with, header included; up to 16 MiB (X.690, 8.1.3). */
function lengthOfSequence(bytes: Buffer): number | undefined {
  const [tag, first = 0] = bytes
  if (tag !== tags.sequence) return undefined
  if (first < 0x80) return 2 + first
  const count = first & 0x7f
  return count >= 1 && count <= 3 && bytes.length > 2 + count ? 2 + count + bytes.readUIntBE(2, count) : undefined
}
