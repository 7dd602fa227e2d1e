import { createPublicKey, generateKeyPairSync, type KeyObject, randomBytes } from 'node:crypto'
import { parseBundle, type TrustBundle } from '../../identity/bundle.ts'
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
import { pathOf, type SpiffeId, spiffeIdOf, type TrustDomain, trustDomainOf } from '../../identity/spiffe-id.ts'
import { verifyPeer } from '../../identity/verify.ts'
import {
  buildCertificate,
  type Certificate,
  ecdsaSigner,
  emptyName,
  encodeName,
  parseCertificate,
  type Sign,
  serialText,
  subjectKeyOf,
} from '../../identity/x509.ts'
import type { Clock } from '../../lib/clock.ts'
import { OutriderError } from '../../lib/errors.ts'
import {
  type Credential,
  readAuthority,
  replaceIntermediate,
  type StorageErrorCode,
  writeAuthority,
} from './storage.ts'

/** Signs the identities of one trust domain with an intermediate whose root is the trust domain's authority. */
export interface CertificateAuthority {
  readonly trustDomain: TrustDomain
  readonly rootDer: Buffer
  /** SHA-256 of `rootDer`, hexadecimal. */
  readonly rootFingerprint: string
  readonly rootNotAfterMs: number
  readonly intermediateDer: Buffer
  readonly intermediateNotAfterMs: number
  bundle(): TrustBundle
  /**
   * Signs a leaf for a parsed CSR. It starts 20 s in the past, for peers whose clock is behind, and ends with the
   * intermediate at the latest. Throws `OutriderError<AuthorityErrorCode>`.
   */
  issue(request: CertificateRequest, ttlMs: number, nowMs: number): IssuedCertificate
}

export interface CertificateRequest {
  readonly id: SpiffeId
  /** P-256 or P-384. */
  readonly publicKey: KeyObject
  /** Further names of the leaf. */
  readonly dnsNames?: readonly string[]
}

export interface IssuedCertificate {
  /** DER: leaf, intermediate. */
  readonly chain: readonly Buffer[]
  /** Hexadecimal. */
  readonly serial: string
  readonly notBeforeMs: number
  readonly notAfterMs: number
}

export type AuthorityErrorCode =
  | StorageErrorCode
  | 'ca-key-mismatch'
  | 'ca-trust-domain'
  | 'ca-expired'
  | 'ca-invalid'
  | 'ca-ttl'

const DAY_MS = 86_400_000
const ROOT_LIFETIME_MS = 3650 * DAY_MS
const INTERMEDIATE_LIFETIME_MS = 365 * DAY_MS
/** The intermediate is signed anew when less than this part of its lifetime is left. */
const RENEWAL_PART = 1 / 3
const BACKDATE_MS = 20_000
const SERIAL_BYTES = 16

/** Whether there is a CA in `dataDir/ca`. Throws as `openAuthority` when there is a part of one. */
export function hasAuthority(dataDir: string): boolean {
  return readAuthority(dataDir) !== undefined
}

/**
 * Opens the CA in `dataDir/ca`, or makes one where there is none at all. What is there is verified as a whole: a CA that
 * is damaged, exposed or of another trust domain is refused, never replaced. Throws `OutriderError<AuthorityErrorCode>`.
 */
export function openAuthority(dataDir: string, trustDomain: TrustDomain, clock: Clock): CertificateAuthority {
  const nowMs = clock.now()
  const stored = readAuthority(dataDir)
  if (stored === undefined) {
    const root = makeRoot(trustDomain, nowMs)
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const intermediate = { certificate: certifyIntermediate(privateKey, root, trustDomain, nowMs), privateKey }
    writeAuthority(dataDir, { root, intermediate })
    return proven(authorityOf(trustDomain, root, intermediate), intermediate, nowMs)
  }

  const { root, intermediate } = stored
  checkCredential('root', root, trustDomain)
  checkCredential('intermediate', intermediate, trustDomain)
  if (nowMs > root.certificate.notAfterMs)
    throw new OutriderError(
      'ca-expired',
      `the root certificate of ${trustDomain} expired on ${new Date(root.certificate.notAfterMs).toISOString()}`,
    )
  const { notBeforeMs, notAfterMs } = intermediate.certificate
  const found = authorityOf(trustDomain, root, intermediate)
  proven(found, intermediate, Math.min(nowMs, notAfterMs))
  if (notAfterMs - nowMs >= (notAfterMs - notBeforeMs) * RENEWAL_PART) return found

  // With the key it has: one file changes, so that there is no moment at which key and certificate do not fit.
  const certificate = certifyIntermediate(intermediate.privateKey, root, trustDomain, nowMs)
  replaceIntermediate(dataDir, certificate)
  const renewed = { ...intermediate, certificate }
  return proven(authorityOf(trustDomain, root, renewed), renewed, nowMs)
}

function checkCredential(name: 'root' | 'intermediate', credential: Credential, trustDomain: TrustDomain): void {
  const { certificate, privateKey } = credential
  if (!createPublicKey(privateKey).equals(certificate.publicKey.key))
    throw new OutriderError('ca-key-mismatch', `${name}.key is not the private key of ${name}.pem`)
  const uris = certificate.altNames?.uris ?? []
  if (uris.length !== 1 || uris[0] !== spiffeIdOf(trustDomain, ''))
    throw new OutriderError(
      'ca-trust-domain',
      `${name}.pem is of ${uris.join(', ')}, not of the trust domain ${trustDomain}`,
    )
}

/** A CA is whole when a leaf that it signs passes the very check that peers will make. */
function proven(authority: CertificateAuthority, intermediate: Credential, nowMs: number): CertificateAuthority {
  const { trustDomain } = authority
  const request = {
    id: spiffeIdOf(trustDomain, '/outrider/self-test'),
    publicKey: intermediate.certificate.publicKey.key,
  }
  const { chain } = authority.issue(request, DAY_MS, nowMs)
  const peer = verifyPeer(chain, new Map([[trustDomain, authority.bundle()]]), nowMs)
  if (peer.kind === 'refused')
    throw new OutriderError('ca-invalid', `the CA of ${trustDomain} signs what nobody can accept: ${peer.message}`)
  return authority
}

function authorityOf(trustDomain: TrustDomain, root: Credential, intermediate: Credential): CertificateAuthority {
  const bundle = parseBundle({ trustDomain, authorities: [root.certificate.der], sequence: 1 })
  const { certificate } = intermediate
  const issueLeaf = leafIssuer(intermediate)
  return Object.freeze({
    trustDomain,
    rootDer: root.certificate.der,
    rootFingerprint: root.certificate.fingerprint,
    rootNotAfterMs: root.certificate.notAfterMs,
    intermediateDer: certificate.der,
    intermediateNotAfterMs: certificate.notAfterMs,
    bundle: () => bundle,
    issue(request: CertificateRequest, ttlMs: number, nowMs: number): IssuedCertificate {
      if (trustDomainOf(request.id) !== trustDomain || pathOf(request.id) === '')
        throw new OutriderError('ca-trust-domain', `${request.id} is not a workload of the trust domain ${trustDomain}`)
      if (!(ttlMs > 0)) throw new OutriderError('ca-ttl', `a certificate cannot live ${ttlMs} ms`)
      if (nowMs > certificate.notAfterMs)
        throw new OutriderError('ca-expired', `the intermediate certificate of ${trustDomain} has expired: restart`, {
          source: 'internal',
        })
      return issueLeaf(request, Math.min(nowMs + ttlMs, certificate.notAfterMs), nowMs)
    },
  })
}

/** What all leaves have in common is encoded once. */
function leafIssuer(
  intermediate: Credential,
): (request: CertificateRequest, notAfterMs: number, nowMs: number) => IssuedCertificate {
  const { certificate, privateKey } = intermediate
  const sign = ecdsaSigner(privateKey)
  const constant = [
    keyUsage(keyUsageBits.digitalSignature),
    extendedKeyUsage([oids.serverAuth, oids.clientAuth]),
    basicConstraints({ ca: false }),
    authorityKeyIdentifier(keyIdOf(certificate)),
  ]
  return ({ id, publicKey, dnsNames }, notAfterMs, nowMs) => {
    const { spki, keyId } = subjectKeyOf(publicKey)
    const serial = randomBytes(SERIAL_BYTES)
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
    return { chain: [leaf, certificate.der], serial: serialText(serial), ...validity }
  }
}

function makeRoot(trustDomain: TrustDomain, nowMs: number): Credential {
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

function certifyIntermediate(
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
