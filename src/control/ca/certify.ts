import { createPublicKey, generateKeyPairSync, type KeyObject, randomBytes } from 'node:crypto'
import {
  authorityKeyIdentifier,
  basicConstraints,
  extendedKeyUsage,
  keyUsage,
  keyUsageBits,
  oids,
  subjectKeyIdentifier,
  uriAltNames,
} from '../../identity/extension.ts'
import { type SpiffeId, spiffeIdOf, type TrustDomain } from '../../identity/spiffe-id.ts'
import {
  buildCertificate,
  type Certificate,
  ecdsaSigner,
  emptyName,
  encodeName,
  parseCertificate,
  type Sign,
  serialText,
  type SubjectKey,
  subjectKeyOf,
} from '../../identity/x509.ts'

/** A CA certificate with its private key. */
export interface Credential {
  readonly certificate: Certificate
  /** P-256 or P-384. */
  readonly privateKey: KeyObject
}

export interface CertificateRequest {
  readonly id: SpiffeId
  /** P-256 or P-384. */
  readonly publicKey: KeyObject
  /** `publicKey`, where it is encoded already. */
  readonly subjectKey?: SubjectKey
  /** Further names of the leaf. */
  readonly dnsNames?: readonly string[]
}

export interface IssuedCertificate {
  /** DER: leaf, then the certificates between it and the root. */
  readonly chain: readonly Buffer[]
  /** Hexadecimal. */
  readonly serial: string
  readonly notBeforeMs: number
  readonly notAfterMs: number
}

export type IssueLeaf = (request: CertificateRequest, notAfterMs: number, nowMs: number) => IssuedCertificate

const DAY_MS = 86_400_000
const ROOT_LIFETIME_MS = 3650 * DAY_MS
const INTERMEDIATE_LIFETIME_MS = 365 * DAY_MS
/** For peers whose clock is behind. */
const BACKDATE_MS = 20_000
const SERIAL_BYTES = 16
const SERIALS_AT_ONCE = 64

/** What all leaves have in common is encoded once. */
export function leafIssuer({ certificate, privateKey }: Credential, above: readonly Certificate[]): IssueLeaf {
  const chain = [certificate, ...above].map(({ der }) => der)
  const sign = ecdsaSigner(privateKey)
  const constant = [
    keyUsage(keyUsageBits.digitalSignature),
    extendedKeyUsage([oids.serverAuth, oids.clientAuth]),
    basicConstraints({ ca: false }),
    authorityKeyIdentifier(keyIdOf(certificate)),
  ]
  const nextSerial = serialNumbers()
  return ({ id, publicKey, dnsNames, subjectKey = subjectKeyOf(publicKey) }, notAfterMs, nowMs) => {
    const { spki, keyId } = subjectKey
    const serial = nextSerial()
    const validity = { notBeforeMs: wholeSeconds(nowMs - BACKDATE_MS), notAfterMs: wholeSeconds(notAfterMs) }
    const leaf = buildCertificate(
      {
        serial,
        issuer: certificate.subject,
        subject: emptyName,
        ...validity,
        spki,
        extensions: [...constant, subjectKeyIdentifier(keyId), uriAltNames([id], true, dnsNames)],
      },
      sign,
    )
    return { chain: [leaf, ...chain], serial: serialText(serial), ...validity }
  }
}

/** Random serial numbers, fetched many at a time. */
function serialNumbers(): () => Buffer {
  let pool = Buffer.alloc(0)
  let next = 0
  return () => {
    if (next === pool.length) {
      pool = randomBytes(SERIAL_BYTES * SERIALS_AT_ONCE)
      next = 0
    }
    next += SERIAL_BYTES
    return pool.subarray(next - SERIAL_BYTES, next)
  }
}

export function makeRoot(trustDomain: TrustDomain, nowMs: number): Credential {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const name = authorityName(trustDomain, 'root')
  const der = buildAuthority(privateKey, trustDomain, {
    subject: name,
    issuer: name,
    issuerKeyId: subjectKeyOf(createPublicKey(privateKey)).keyId,
    pathLength: 1,
    notBeforeMs: nowMs - BACKDATE_MS,
    notAfterMs: nowMs + ROOT_LIFETIME_MS,
    sign: ecdsaSigner(privateKey),
  })
  return { certificate: parseCertificate(der), privateKey }
}

/** An intermediate that may sign leaves and nothing else. It ends with the root at the latest. */
export function certifyIntermediate(
  privateKey: KeyObject,
  root: Credential,
  trustDomain: TrustDomain,
  nowMs: number,
): Certificate {
  const der = buildAuthority(privateKey, trustDomain, {
    subject: authorityName(trustDomain, 'intermediate'),
    issuer: root.certificate.subject,
    issuerKeyId: keyIdOf(root.certificate),
    pathLength: 0,
    notBeforeMs: nowMs - BACKDATE_MS,
    notAfterMs: Math.min(nowMs + INTERMEDIATE_LIFETIME_MS, root.certificate.notAfterMs),
    sign: ecdsaSigner(root.privateKey),
  })
  return parseCertificate(der)
}

interface AuthorityFields {
  readonly subject: Buffer
  readonly issuer: Buffer
  readonly issuerKeyId: Buffer
  readonly pathLength: number
  readonly notBeforeMs: number
  readonly notAfterMs: number
  readonly sign: Sign
}

function buildAuthority(privateKey: KeyObject, trustDomain: TrustDomain, fields: AuthorityFields): Buffer {
  const { spki, keyId } = subjectKeyOf(createPublicKey(privateKey))
  return buildCertificate(
    {
      serial: randomBytes(SERIAL_BYTES),
      issuer: fields.issuer,
      subject: fields.subject,
      notBeforeMs: fields.notBeforeMs,
      notAfterMs: fields.notAfterMs,
      spki,
      extensions: [
        basicConstraints({ ca: true, pathLength: fields.pathLength }),
        keyUsage(keyUsageBits.keyCertSign | keyUsageBits.crlSign),
        subjectKeyIdentifier(keyId),
        authorityKeyIdentifier(fields.issuerKeyId),
        uriAltNames([spiffeIdOf(trustDomain, '')], false),
      ],
    },
    fields.sign,
  )
}

/** Names have at most 64 characters (RFC 5280, appendix A); the whole trust domain is in the URI name. */
function authorityName(trustDomain: TrustDomain, role: 'root' | 'intermediate'): Buffer {
  return encodeName(trustDomain.slice(0, 64), `Outrider ${role}`)
}

/** What the certificate says its key is called; a CA that was given as files may count differently than we do. */
function keyIdOf(certificate: Certificate): Buffer {
  return certificate.subjectKeyId ?? subjectKeyOf(certificate.publicKey.key).keyId
}

function wholeSeconds(ms: number): number {
  return Math.floor(ms / 1000) * 1000
}
