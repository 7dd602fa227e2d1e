import { OutriderError } from '../lib/errors.ts'
import { about } from './about.ts'
import type { TrustBundleSet } from './bundle.ts'
import { oids, type Subtrees } from './extension.ts'
import { fitsKey, keyErrorCodes, verifySignature } from './key.ts'
import { type SpiffeId, spiffeIdErrorCodes, type TrustDomain, trustDomainOf } from './spiffe-id.ts'
import { type LeafErrorCode, leafErrorCodes, servesBothSides, validateLeaf } from './leaf.ts'
import { CLOCK_SKEW_MS, iso, span } from './validity.ts'
import {
  type Certificate,
  type CertificateErrorCode,
  certificateErrorCodes,
  isEmptyName,
  parseCertificate,
} from './x509.ts'

const verified: unique symbol = Symbol('verified')

/** A peer whose chain was verified. Only this file makes one. */
export interface VerifiedPeer {
  readonly [verified]: true
  readonly kind: 'verified'
  readonly id: SpiffeId
  /** The start of the leaf's validity. */
  readonly notBeforeMs: number
  /** The earliest end of validity in the chain. */
  readonly notAfterMs: number
  /** Hexadecimal. */
  readonly serial: string
  /** SHA-256 of the leaf, hexadecimal. */
  readonly fingerprint: string
  /** SHA-256 of the authority that the chain ends at, hexadecimal. */
  readonly authorityFingerprint: string
}

export interface RefusedPeer {
  readonly kind: 'refused'
  readonly code: PeerRefusalCode
  /**
   * What is wrong with what was shown, escaped and cut. The peer may read it: it says nothing that is not in its own
   * certificates or on our clock. What was expected is `expectedRoots`' to say (presented.ts).
   */
  readonly message: string
}

export const chainErrorCodes = [
  'chain-empty',
  'chain-too-long',
  'chain-too-complex',
  'trust-domain-unknown',
  'root-unknown',
  'key-id-mismatch',
  'signature-algorithm-mismatch',
  'signature-invalid',
  'expired',
  'not-yet-valid',
  'extension-unknown',
  'ca-flag-missing',
  'ca-flag-not-critical',
  'ca-key-usage',
  'ca-extended-key-usage',
  'ca-key-too-small',
  'ca-subject-empty',
  'ca-foreign-id',
  'ca-path-length',
  'name-constraint-unsupported',
  'name-not-permitted',
  'name-excluded',
] as const
export type ChainErrorCode = (typeof chainErrorCodes)[number]
export type PeerRefusalCode = ChainErrorCode | CertificateErrorCode | LeafErrorCode

export const peerRefusalCodes: readonly PeerRefusalCode[] = [
  ...chainErrorCodes,
  ...certificateErrorCodes,
  ...keyErrorCodes,
  ...leafErrorCodes,
  ...spiffeIdErrorCodes,
]

const MAX_CHAIN = 5
/** Signatures that are verified for one peer: a stranger can show certificates that fit in every order. */
const MAX_LINKS = 16
const MIN_RSA_BITS = 2048
/** Of a key identifier, in bytes; those of our own certificates have 20. */
const MAX_SHOWN_KEY_ID = 20

/**
 * Verifies what a peer showed in its handshake: DER, the leaf first, then its issuers in any order, with or without
 * the root. Every rule of X.509-SVID and RFC 5280, section 6, that applies to the chain is checked against the
 * bundle of the leaf's own trust domain; `node:tls` checks few of them. Never throws on bad input.
 */
export function verifyPeer(
  chain: readonly Uint8Array[],
  bundles: TrustBundleSet,
  nowMs: number,
): VerifiedPeer | RefusedPeer {
  try {
    return verifyChain(chain, bundles, nowMs)
  } catch (thrown) {
    if (!isRefusal(thrown)) throw thrown
    return { kind: 'refused', code: thrown.code, message: thrown.message }
  }
}

function isRefusal(thrown: unknown): thrown is OutriderError<PeerRefusalCode> {
  return thrown instanceof OutriderError && peerRefusalCodes.some((code) => code === thrown.code)
}

function verifyChain(chain: readonly Uint8Array[], bundles: TrustBundleSet, nowMs: number): VerifiedPeer {
  const certificates = parseChain(chain)
  const leaf = certificates[0]!
  const id = about('the leaf', () => validateLeaf(leaf))
  const trustDomain = trustDomainOf(id)
  const bundle = bundles.get(trustDomain)
  if (bundle?.trustDomain !== trustDomain)
    throw refusal('trust-domain-unknown', `there is no bundle for the trust domain ${trustDomain}`)
  about('the leaf', () => checkCertificate(leaf, nowMs))
  const { authorities } = bundle
  const path = findPath([leaf], certificates, { authorities, trustDomain, nowMs, linksLeft: MAX_LINKS })
  return {
    [verified]: true,
    kind: 'verified',
    id,
    notBeforeMs: leaf.notBeforeMs,
    notAfterMs: Math.min(...path.map((certificate) => certificate.notAfterMs)),
    serial: leaf.serial,
    fingerprint: leaf.fingerprint,
    authorityFingerprint: path.at(-1)!.fingerprint,
  }
}

/**
 * The path from a leaf that is no SVID to one of `authorities`, leaf and authority included. As `verifyPeer`, but what the
 * leaf says of itself is not looked at. Throws an `OutriderError` with the code of a refusal.
 */
export function verifyPath(
  chain: readonly Uint8Array[],
  authorities: readonly Certificate[],
  nowMs: number,
): readonly Certificate[] {
  const certificates = parseChain(chain)
  const leaf = certificates[0]!
  about('the leaf', () => checkCertificate(leaf, nowMs))
  return findPath([leaf], certificates, { authorities, trustDomain: undefined, nowMs, linksLeft: MAX_LINKS })
}

/** Not empty. */
function parseChain(chain: readonly Uint8Array[]): readonly Certificate[] {
  if (chain.length === 0) throw refusal('chain-empty', 'the peer showed no certificate')
  if (chain.length > MAX_CHAIN)
    throw refusal('chain-too-long', `the peer showed ${chain.length} certificates, at most ${MAX_CHAIN} are read`)
  return chain.map((der, index) => about(positionOf(index), () => parseCertificate(der)))
}

/** Where a path may end, and how far a search for it may go. */
interface Search {
  readonly authorities: readonly Certificate[]
  /** Of an SVID. */
  readonly trustDomain: TrustDomain | undefined
  readonly nowMs: number
  linksLeft: number
}

/**
 * Continues `path`, which starts with the leaf, to an authority of the bundle; every certificate on it is checked.
 * Issuers are found by name: several may bear one, after a renewal or a change of keys, and one that passes is enough.
 * Throws the refusal of the first that did not.
 */
function findPath(path: readonly Certificate[], shown: readonly Certificate[], search: Search): readonly Certificate[] {
  const { authorities, trustDomain } = search
  const last = path.at(-1)!
  let fault: unknown
  for (const issuer of [...authorities, ...shown]) {
    if (!issuer.subject.equals(last.issuer) || path.includes(issuer)) continue
    const isAuthority = authorities.includes(issuer)
    try {
      about(isAuthority ? 'the root' : positionOf(shown.indexOf(issuer)), () => {
        checkLink(last, issuer, search)
        checkCertificate(issuer, search.nowMs)
        checkAuthority(issuer, path, trustDomain)
      })
      return isAuthority ? [...path, issuer] : findPath([...path, issuer], shown, search)
    } catch (thrown) {
      if (search.linksLeft < 0) throw thrown
      fault ??= thrown
    }
  }
  throw (
    fault ??
    refusal(
      'root-unknown',
      `the chain ends at no root${trustDomain === undefined ? '' : ` of ${trustDomain}`} that is known here: its last certificate was issued by ${issuerKey(last)}`,
    )
  )
}

/** `issuer` signed `subject`. */
function checkLink(subject: Certificate, issuer: Certificate, search: Search): void {
  if (subject.authorityKeyId !== undefined && issuer.subjectKeyId?.equals(subject.authorityKeyId) === false)
    throw refusal(
      'key-id-mismatch',
      `has the name of the issuer and not its key: the certificate before it was issued by ${issuerKey(subject)}`,
    )
  if (!fitsKey(subject.signatureAlgorithm, issuer.publicKey))
    throw refusal('signature-algorithm-mismatch', 'has a key of another kind than the signature before it')
  // Before the signature is verified, so that a stranger cannot choose a key that is costly.
  if (issuer.publicKey.kind === 'rsa' && issuer.publicKey.bits < MIN_RSA_BITS)
    throw refusal('ca-key-too-small', `has an RSA key of ${issuer.publicKey.bits} bits, less than ${MIN_RSA_BITS}`)
  search.linksLeft -= 1
  if (search.linksLeft < 0)
    throw refusal('chain-too-complex', `is the ${MAX_LINKS + 1}th issuer to be tried, at most ${MAX_LINKS} are`)
  if (!verifySignature(subject.signatureAlgorithm, issuer.publicKey, subject.tbs, subject.signature))
    throw refusal('signature-invalid', 'did not sign the certificate before it')
}

/** What holds for every certificate of a chain. */
function checkCertificate(certificate: Certificate, nowMs: number): void {
  if (nowMs > certificate.notAfterMs)
    throw refusal(
      'expired',
      `expired ${span(nowMs - certificate.notAfterMs)} ago, at ${iso(certificate.notAfterMs)}; here it is ${iso(nowMs)}`,
    )
  if (nowMs < certificate.notBeforeMs - CLOCK_SKEW_MS)
    throw refusal(
      'not-yet-valid',
      `is not valid before ${iso(certificate.notBeforeMs)}, in ${span(certificate.notBeforeMs - nowMs)}; here it is ${iso(nowMs)}, and clocks may differ by ${span(CLOCK_SKEW_MS)}`,
    )
  const [unknown] = certificate.unknownCritical
  if (unknown !== undefined) throw refusal('extension-unknown', `has the unknown critical extension ${unknown}`)
}

/** `authority` may have signed the last certificate of `below`, which starts with the leaf. */
function checkAuthority(
  authority: Certificate,
  below: readonly Certificate[],
  trustDomain: TrustDomain | undefined,
): void {
  const { basicConstraints, keyUsage, extendedKeyUsage, nameConstraints, altNames } = authority
  if (basicConstraints?.ca !== true) throw refusal('ca-flag-missing', 'is not a CA certificate')
  if (!basicConstraints.critical) throw refusal('ca-flag-not-critical', 'has basic constraints that are not critical')
  if (keyUsage?.keyCertSign !== true) throw refusal('ca-key-usage', 'has no key usage that lets it sign certificates')
  if (
    extendedKeyUsage !== undefined &&
    !extendedKeyUsage.includes(oids.anyExtendedKeyUsage) &&
    !servesBothSides(extendedKeyUsage)
  )
    throw refusal('ca-extended-key-usage', 'has an extended key usage that bars serverAuth or clientAuth')
  if (isEmptyName(authority.subject)) throw refusal('ca-subject-empty', 'is a CA certificate without a subject')
  if (trustDomain !== undefined && (altNames?.uris ?? []).some((uri) => uri !== `spiffe://${trustDomain}`))
    throw refusal('ca-foreign-id', `is a CA certificate with another URI name than spiffe://${trustDomain}`)
  // Self-issued certificates count too, which RFC 5280 would let pass uncounted.
  const intermediates = below.length - 1
  if (basicConstraints.pathLength !== undefined && intermediates > basicConstraints.pathLength)
    throw refusal(
      'ca-path-length',
      `allows ${basicConstraints.pathLength} intermediates below it, there are ${intermediates}`,
    )
  if (nameConstraints === undefined) return
  if (nameConstraints.unsupported)
    throw refusal('name-constraint-unsupported', 'has a name constraint that is not on a URI or a DNS name')
  for (const certificate of below) checkNames(certificate, nameConstraints.permitted, nameConstraints.excluded)
}

/** RFC 5280, 4.2.1.10. A SPIFFE ID's host is its trust domain. */
function checkNames(certificate: Certificate, permitted: Subtrees, excluded: Subtrees): void {
  const { uris, dnsNames } = certificate.altNames ?? { uris: [], dnsNames: [] }
  const hosts = uris.map((uri) => /^spiffe:\/\/([^/]*)/.exec(uri)?.[1] ?? '')
  const forms = [
    { names: hosts, allowed: permitted.uris, barred: excluded.uris, within: hostWithin, overlaps: hostWithin },
    {
      names: dnsNames,
      allowed: permitted.dnsNames,
      barred: excluded.dnsNames,
      within: dnsWithin,
      overlaps: dnsOverlaps,
    },
  ]
  for (const { names, allowed, barred, within, overlaps } of forms) {
    for (const name of names) {
      if (barred.some((subtree) => overlaps(name, subtree)))
        throw refusal('name-excluded', `bars the name ${JSON.stringify(name)}`)
      if (allowed.length > 0 && !allowed.some((subtree) => within(name, subtree)))
        throw refusal('name-not-permitted', `does not permit the name ${JSON.stringify(name)}`)
    }
  }
}

/** A URI constraint is one host, or with a leading dot all hosts below it. */
function hostWithin(host: string, subtree: string): boolean {
  return subtree.startsWith('.') ? host.endsWith(subtree) && host.length > subtree.length : host === subtree
}

/** A DNS constraint is a name and all names below it. */
function dnsWithin(name: string, subtree: string): boolean {
  return name === subtree || name.endsWith(`.${subtree}`)
}

/** The star of `*.example.org` may stand for the very host that is barred. */
function dnsOverlaps(name: string, subtree: string): boolean {
  return dnsWithin(name, subtree) || (name.startsWith('*.') && subtree.endsWith(name.slice(1)))
}

function refusal(code: ChainErrorCode, message: string): OutriderError<ChainErrorCode> {
  return new OutriderError(code, message)
}

function positionOf(index: number): string {
  return index === 0 ? 'the leaf' : `intermediate ${index}`
}

/** The key identifier of the issuer, which an operator can look up. */
function issuerKey({ authorityKeyId }: Certificate): string {
  return authorityKeyId === undefined
    ? 'a key that it does not name'
    : `the key ${authorityKeyId.toString('hex', 0, MAX_SHOWN_KEY_ID)}`
}
