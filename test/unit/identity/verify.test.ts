import { generateKeyPairSync } from 'node:crypto'
import t from 'tap'
import {
  bitString,
  boolean,
  context,
  contextConstructed,
  encode,
  oid,
  sequence,
  tags,
  unsigned,
} from '../../../src/identity/asn1.ts'
import { parseBundle, type TrustBundleSet } from '../../../src/identity/bundle.ts'
import { extension, oids, subjectKeyIdentifier } from '../../../src/identity/extension.ts'
import { spiffeIdErrorCodes } from '../../../src/identity/spiffe-id.ts'
import { type PeerRefusalCode, peerRefusalCodes, verifyPeer } from '../../../src/identity/verify.ts'
import { emptyName, encodeName } from '../../../src/identity/x509.ts'
import { makeKey, makeTestCa, type Overrides, type TestCa, time } from '../../fixtures/ca.ts'

const NOW = Date.UTC(2026, 5, 1)
const HOUR = 3_600_000
const WEB = '/ns/default/sa/web'
const KEY_CERT_SIGN = 0x04
const CRL_SIGN = 0x02
const DIGITAL_SIGNATURE = 0x80

const ca = makeTestCa('td.example')
const intermediate = ca.intermediate()
const otherCa = makeTestCa('other.example')
const bundles = trust(ca, otherCa)
const rsaKey = makeKey('rsa2048')
const pssKey = generateKeyPairSync('rsa-pss', { modulusLength: 2048 }).privateKey

function trust(...authorities: readonly TestCa[]): TrustBundleSet {
  return new Map(authorities.map((authority) => [authority.trustDomain, authority.bundle()]))
}

/** A leaf straight from the root. */
function leaf(overrides: Overrides = {}, from: TestCa = ca): readonly Buffer[] {
  return from.issue(WEB, { notAfterMs: NOW + 24 * HOUR, ...overrides }).chainDer
}

/** A leaf below an intermediate that is made with `overrides`. */
function below(overrides: Overrides, leafOverrides: Overrides = {}): readonly Buffer[] {
  return leaf(leafOverrides, ca.intermediate(overrides))
}

/** A leaf below a root that is made with `overrides`, and the bundle with that root. */
function ofRoot(overrides: Overrides): Hostile {
  const root = makeTestCa('td.example', overrides)
  return { chain: leaf({}, root), bundles: trust(root) }
}

/** A general subtree for a name constraint. */
const uriSubtree = (host: string): Buffer => sequence(encode(context(6), Buffer.from(host)))
const dnsSubtree = (host: string): Buffer => sequence(encode(context(2), Buffer.from(host)))
const permitted = (...subtrees: readonly Buffer[]): Buffer => encode(contextConstructed(0), ...subtrees)
const excluded = (...subtrees: readonly Buffer[]): Buffer => encode(contextConstructed(1), ...subtrees)
const constrained = (...lists: readonly Buffer[]): Overrides => ({
  extra: [extension(oids.nameConstraints, true, sequence(...lists))],
})

/** A good leaf after `change` to its bytes. */
function changed(change: (der: Buffer) => Buffer, overrides: Overrides = {}): readonly Buffer[] {
  const [der, ...rest] = leaf(overrides)
  return [change(Buffer.from(der!)), ...rest]
}

/** Replaces the one place where `from` stands. Lengths stay, so that only the meaning changes. */
function swap(der: Buffer, from: Buffer, to: Buffer): Buffer {
  const at = der.indexOf(from)
  if (at === -1 || der.indexOf(from, at + 1) !== -1) throw new Error('the bytes are not there exactly once')
  return Buffer.concat([der.subarray(0, at), to, der.subarray(at + from.length)])
}

const hex = (text: string): Buffer => Buffer.from(text, 'hex')
const validity = (from: string, to: string): Overrides => ({ validity: sequence(time(from), time(to)) })

interface Hostile {
  readonly chain: readonly Buffer[]
  readonly bundles?: TrustBundleSet
}

const hostile: readonly (readonly [PeerRefusalCode, string, () => readonly Buffer[] | Hostile])[] = [
  // The form of the chain.
  ['chain-empty', 'no certificate', () => []],
  ['chain-too-long', 'six certificates', () => [...leaf(), ...Array.from({ length: 5 }, () => ca.der)]],
  ['certificate-malformed', 'an empty certificate', () => [Buffer.alloc(0)]],
  ['certificate-malformed', 'noise', () => [Buffer.from('GET / HTTP/1.1\r\n\r\n')]],
  ['certificate-malformed', 'a truncated leaf', () => changed((der) => der.subarray(0, -1))],
  ['certificate-malformed', 'a byte after the leaf', () => changed((der) => Buffer.concat([der, Buffer.of(0)]))],
  ['certificate-malformed', 'nested without end', () => [nested(64)]],
  ['certificate-malformed', 'a truncated intermediate', () => [leaf({}, intermediate)[0]!, ca.der.subarray(0, 99)]],
  ['certificate-malformed', 'noise after a good chain', () => [...leaf(), Buffer.from('noise')]],
  ['certificate-too-large', 'an oversize leaf', () => leaf({ subject: encodeName('x', 'x'.repeat(17_000)) })],
  ['certificate-not-canonical', 'a length with a leading zero', () => changed(paddedLength)],
  ['certificate-not-canonical', 'an indefinite length', () => changed(indefiniteLength)],
  [
    'certificate-not-canonical',
    'a boolean that is not ff',
    () => changed((der) => swap(der, hex('0603551d0f0101ff'), hex('0603551d0f010101'))),
  ],
  ['certificate-not-canonical', 'an integer with padding', () => leaf({ serial: hex('02020001') })],
  [
    'certificate-not-canonical',
    'a constructed bit string in place of the key usage',
    () => leaf({ keyUsage: 'none', extra: [extension(oids.keyUsage, true, hex('230403020780'))] }),
  ],
  [
    'certificate-malformed',
    'an explicit default: critical FALSE',
    () => leaf({ extra: [sequence(oid('2a0301'), hex('010100'), hex('04020500'))] }),
  ],
  [
    'certificate-malformed',
    'an explicit default: CA FALSE',
    () => leaf({ basicConstraints: 'none', extra: [extension(oids.basicConstraints, true, sequence(hex('010100')))] }),
  ],

  // The form of the certificate.
  ['certificate-malformed', 'version 1', () => leaf({ version: Buffer.alloc(0) })],
  ['certificate-malformed', 'version 2', () => leaf({ version: hex('a003020101') })],
  ['certificate-malformed', 'version 4', () => leaf({ version: hex('a003020103') })],
  ['certificate-malformed', 'a serial number of zero', () => leaf({ serial: hex('020100') })],
  ['certificate-malformed', 'a negative serial number', () => leaf({ serial: hex('0201ff') })],
  ['certificate-malformed', 'a serial number of 21 bytes', () => leaf({ serial: encode(2, Buffer.alloc(21, 1)) })],
  ['certificate-malformed', 'two signature algorithms', () => leaf({ innerAlgorithm: 'ecdsa-sha384' })],
  [
    'certificate-malformed',
    'an extension twice',
    () => leaf({ extra: [extension(oids.keyUsage, true, hex('03020780'))] }),
  ],
  [
    'certificate-malformed',
    'an unknown extension twice',
    () => leaf({ extra: [extension('2a0301', false, hex('0500')), extension('2a0301', false, hex('0500'))] }),
  ],
  [
    'certificate-malformed',
    'a second subject alternative name extension',
    () =>
      leaf({
        extra: [
          extension(oids.subjectAltName, true, sequence(encode(context(6), Buffer.from('spiffe://td.example/b')))),
        ],
      }),
  ],
  ['certificate-malformed', 'a URI that is not ASCII', () => leaf({ uris: ['spiffe://td.example/w\u00e9b'] })],
  [
    'certificate-malformed',
    'an empty alternative name',
    () => leaf({ uris: [], extra: [extension(oids.subjectAltName, true, sequence())] }),
  ],
  ['certificate-malformed', 'a path length without the CA flag', () => leaf({ pathLength: 0 })],
  ['certificate-malformed', 'a key usage of no use', () => leaf({ keyUsage: 0 })],
  ['certificate-malformed', 'an empty extended key usage', () => leaf({ eku: [] })],
  ['certificate-malformed', 'ends before it starts', () => leaf(validity('270101000000Z', '260101000000Z'))],
  ['certificate-malformed', '30 February', () => leaf(validity('260230000000Z', '270101000000Z'))],
  ['certificate-malformed', 'a time without seconds', () => leaf(validity('2601010000Z', '270101000000Z'))],
  ['certificate-malformed', 'a time with an offset', () => leaf(validity('260101000000+0100', '270101000000Z'))],
  ['certificate-malformed', 'the 24th hour', () => leaf(validity('260101240000Z', '270101000000Z'))],
  ['certificate-malformed', 'GeneralizedTime before 2050', () => leaf(validity('260101000000Z', '20270101000000Z'))],
  ['certificate-malformed', 'a fraction of a second', () => leaf(validity('260101000000Z', '20510101000000.5Z'))],

  [
    'certificate-malformed',
    'name constraints of a leaf',
    () => leaf({ extra: [extension(oids.nameConstraints, true, sequence(permitted(uriSubtree('td.example'))))] }),
  ],
  [
    'certificate-malformed',
    'a known extension with noise',
    () => leaf({ keyUsage: 'none', extra: [extension(oids.keyUsage, true, hex('ffff'))] }),
  ],

  [
    'certificate-malformed',
    'a key usage of another type',
    () => leaf({ keyUsage: 'none', extra: [extension(oids.keyUsage, true, hex('04020780'))] }),
  ],
  [
    'certificate-malformed',
    'a key identifier of another type',
    () => leaf({ subjectKeyId: 'none', extra: [extension(oids.subjectKeyIdentifier, false, boolean(true))] }),
  ],
  ['certificate-malformed', 'a DNS name with an empty label', () => leaf({ dnsNames: ['a..example'] })],
  ['certificate-malformed', 'a DNS name with a NUL', () => leaf({ dnsNames: ['a.example\0.evil'] })],
  ['certificate-malformed', 'empty name constraints', () => below(constrained())],
  ['certificate-malformed', 'an empty list of name constraints', () => below(constrained(permitted()))],
  ['certificate-malformed', 'a name constraint on nothing', () => below(constrained(permitted(sequence())))],
  ['certificate-malformed', 'a name constraint of another type', () => below(constrained(excluded(boolean(true))))],
  ['certificate-malformed', 'a signature of broken bytes', () => changed(brokenSignature)],
  ['certificate-malformed', 'a public key without an algorithm', () => leaf({ spki: sequence() })],

  // Keys and algorithms.
  ['leaf-key-unsupported', 'a leaf with RSA-1024', () => leaf({ key: 'rsa1024' })],
  ['leaf-key-unsupported', 'a leaf with RSA-2048', () => leaf({ privateKey: rsaKey })],
  ['key-unsupported', 'a leaf with P-521', () => leaf({ key: 'p521' })],
  ['key-unsupported', 'an RSA-PSS key', () => leaf({ privateKey: pssKey })],
  ['key-unsupported', 'an RSA key of 8200 bits', () => leaf({ spki: rsaSpki(Buffer.alloc(1025, 0xff), 65_537) })],
  [
    'key-unsupported',
    'an RSA key of 2047 bits',
    () => leaf({ spki: rsaSpki(Buffer.concat([Buffer.of(0x7f), Buffer.alloc(255, 0xff)]), 65_537) }),
  ],
  ['key-unsupported', 'an RSA exponent of 1', () => leaf({ spki: rsaSpki(Buffer.alloc(256, 0xff), 1) })],
  ['key-unsupported', 'a leaf with Ed25519', () => leaf({ key: 'ed25519' })],
  ['key-unsupported', 'a compressed point', () => leaf({ spki: compressedKey() })],
  [
    'key-invalid',
    'a point that is not on the curve',
    () => leaf({ spki: Buffer.concat([p256Head, Buffer.alloc(64, 7)]) }),
  ],
  ['signature-algorithm-unsupported', 'ECDSA with SHA-1', () => leaf({ algorithm: 'ecdsa-sha1' })],
  ['signature-algorithm-unsupported', 'RSA with SHA-1', () => leaf({ algorithm: 'rsa-sha1', signWith: rsaKey })],
  ['signature-algorithm-mismatch', 'an RSA signature under an EC root', () => leaf({ signWith: rsaKey })],
  [
    'signature-algorithm-mismatch',
    'an RSA root, a signature named ECDSA',
    () => {
      const root = makeTestCa('td.example', { privateKey: rsaKey })
      return { chain: leaf({ algorithm: 'ecdsa-sha256' }, root), bundles: trust(root) }
    },
  ],
  ['ca-key-too-small', 'a root with RSA-1024', () => ofRoot({ key: 'rsa1024' })],
  ['ca-key-too-small', 'an intermediate with RSA-1024', () => below({ key: 'rsa1024' })],

  // The leaf (X.509-SVID).
  ['leaf-no-uri', 'no alternative name', () => leaf({ uris: [], subject: encodeName('o', 'spiffe://td.example/web') })],
  ['leaf-no-uri', 'a DNS name only', () => leaf({ uris: [], dnsNames: ['web.td.example'] })],
  [
    'leaf-no-uri',
    'the ID as an e-mail address',
    () => leaf({ uris: [], otherNames: [encode(context(1), Buffer.from('spiffe://td.example/web'))] }),
  ],
  ['leaf-many-uris', 'two SPIFFE IDs', () => leaf({ uris: ['spiffe://td.example/web', 'spiffe://td.example/admin'] })],
  [
    'leaf-many-uris',
    'a SPIFFE ID and a web page',
    () => leaf({ uris: ['spiffe://td.example/web', 'https://x.example/'] }),
  ],
  [
    'leaf-many-uris',
    'the same SPIFFE ID twice',
    () => leaf({ uris: ['spiffe://td.example/web', 'spiffe://td.example/web'] }),
  ],
  ['leaf-id-without-path', 'the trust domain itself', () => leaf({ uris: ['spiffe://td.example'] })],
  ['leaf-is-ca', 'a CA leaf', () => leaf({ ca: true })],
  ['leaf-is-ca', 'a CA leaf that may not sign', () => leaf({ ca: true, keyUsage: DIGITAL_SIGNATURE, pathLength: 0 })],
  [
    'leaf-is-ca',
    'an intermediate with a path as a leaf',
    () => [ca.intermediate({ uris: ['spiffe://td.example/web'], notAfterMs: NOW + HOUR }).der],
  ],
  ['leaf-id-without-path', 'an intermediate as a leaf', () => [intermediate.der]],
  [
    'leaf-key-cert-sign',
    'a leaf that may sign certificates',
    () => leaf({ keyUsage: DIGITAL_SIGNATURE | KEY_CERT_SIGN }),
  ],
  ['leaf-crl-sign', 'a leaf that may sign revocation lists', () => leaf({ keyUsage: DIGITAL_SIGNATURE | CRL_SIGN })],
  ['leaf-key-usage-missing', 'no key usage', () => leaf({ keyUsage: 'none' })],
  ['leaf-key-usage-not-critical', 'a key usage that is not critical', () => leaf({ keyUsageCritical: false })],
  ['leaf-no-digital-signature', 'keyAgreement only', () => leaf({ keyUsage: 0x08 })],
  ['leaf-extended-key-usage', 'serverAuth only', () => leaf({ eku: [oids.serverAuth] })],
  ['leaf-extended-key-usage', 'clientAuth only', () => leaf({ eku: [oids.clientAuth] })],
  ['leaf-extended-key-usage', 'code signing', () => leaf({ eku: ['2b06010505070303'] })],
  ['leaf-alt-name-not-critical', 'an empty subject, the name not critical', () => leaf({ altNamesCritical: false })],
  ['spiffe-id-scheme', 'a web page', () => leaf({ uris: ['https://td.example/web'] })],
  ['spiffe-id-scheme', 'the scheme in capitals', () => leaf({ uris: ['SPIFFE://td.example/web'] })],
  ['spiffe-id-empty', 'an empty URI', () => leaf({ uris: [''] })],
  ['spiffe-id-too-long', 'an ID of 2049 bytes', () => leaf({ uris: [`spiffe://td.example/${'a'.repeat(2029)}`] })],
  ['spiffe-id-trust-domain-empty', 'no trust domain', () => leaf({ uris: ['spiffe:///web'] })],
  [
    'spiffe-id-trust-domain-too-long',
    'a trust domain of 256 bytes',
    () => leaf({ uris: [`spiffe://${'a'.repeat(256)}/web`] }),
  ],
  [
    'spiffe-id-trust-domain-character',
    'the trust domain in capitals',
    () => leaf({ uris: ['spiffe://TD.example/web'] }),
  ],
  ['spiffe-id-trust-domain-character', 'a port', () => leaf({ uris: ['spiffe://td.example:443/web'] })],
  [
    'spiffe-id-trust-domain-character',
    'user information',
    () => leaf({ uris: ['spiffe://td.example@evil.example/web'] }),
  ],
  [
    'spiffe-id-trust-domain-character',
    'a NUL in the trust domain',
    () => leaf({ uris: ['spiffe://td.example\0.evil/web'] }),
  ],
  ['spiffe-id-path-character', 'a NUL in the path', () => leaf({ uris: ['spiffe://td.example/web\0/admin'] })],
  ['spiffe-id-path-character', 'percent-encoding', () => leaf({ uris: ['spiffe://td.example/%77eb'] })],
  ['spiffe-id-path-character', 'a query', () => leaf({ uris: ['spiffe://td.example/web?admin'] })],
  ['spiffe-id-path-dot-segment', 'a way up', () => leaf({ uris: ['spiffe://td.example/web/../admin'] })],
  ['spiffe-id-path-empty-segment', 'an empty segment', () => leaf({ uris: ['spiffe://td.example//web'] })],
  ['spiffe-id-path-trailing-slash', 'a slash at the end', () => leaf({ uris: ['spiffe://td.example/web/'] })],

  // Whose root it is.
  ['trust-domain-unknown', 'a trust domain without a bundle', () => leaf({}, makeTestCa('stranger.example'))],
  ['trust-domain-unknown', 'no bundle at all', () => ({ chain: leaf(), bundles: new Map() })],
  [
    'trust-domain-unknown',
    'the bundle of another trust domain under the name of ours',
    () => ({ chain: leaf(), bundles: new Map([[ca.trustDomain, otherCa.bundle()]]) }),
  ],
  [
    'root-unknown',
    'a bundle without authorities',
    () => ({
      chain: leaf(),
      bundles: new Map([[ca.trustDomain, parseBundle({ trustDomain: ca.trustDomain, authorities: [], sequence: 1 })]]),
    }),
  ],
  [
    'root-unknown',
    'a stranger claims our trust domain',
    () => leaf({}, makeTestCa('td.example', { subject: encodeName('x', 'y') })),
  ],
  [
    'root-unknown',
    'the root of another trust domain claims ours',
    () => otherCa.issue('spiffe://td.example/web', { notAfterMs: NOW + HOUR }).chainDer,
  ],
  ['root-unknown', 'our root claims another trust domain', () => leaf({ uris: ['spiffe://other.example/web'] })],
  [
    'ca-foreign-id',
    'the other root in the chain as an intermediate',
    () => [...otherCa.issue('spiffe://td.example/web', { notAfterMs: NOW + HOUR }).chainDer, otherCa.der],
  ],
  [
    'root-unknown',
    'a self-signed root beside the leaf',
    () => {
      const stranger = makeTestCa('td.example', { subject: encodeName('x', 'y') })
      return [...leaf({}, stranger), stranger.der]
    },
  ],
  ['root-unknown', 'the intermediate is not shown', () => leaf({}, intermediate).slice(0, 1)],
  ['key-id-mismatch', 'a stranger with the name of our root', () => leaf({}, makeTestCa('td.example'))],
  [
    'signature-invalid',
    'a stranger with the name and key identifier of our root',
    () => leaf({ signWith: makeKey('p256') }),
  ],
  [
    'signature-invalid',
    'a stranger with the name of our root and no key identifier',
    () => leaf({ authorityKeyId: 'none' }, makeTestCa('td.example')),
  ],
  [
    'ca-foreign-id',
    'an intermediate of another trust domain under a shared root',
    () => below({ uris: ['spiffe://other.example'] }),
  ],
  ['ca-foreign-id', 'an intermediate with a path', () => below({ uris: ['spiffe://td.example/ca'] })],
  [
    'ca-foreign-id',
    'an intermediate with two URIs',
    () => below({ uris: ['spiffe://td.example', 'spiffe://other.example'] }),
  ],

  // Links.
  ['signature-invalid', 'a bit of the signature is flipped', () => changed((der) => flip(der, der.length - 1))],
  [
    'signature-invalid',
    'a character of the ID is changed',
    () => changed((der) => swap(der, Buffer.from(WEB), Buffer.from('/ns/default/sa/wec'))),
  ],
  ['signature-invalid', 'the intermediate is signed by somebody else', () => below({ signWith: makeKey('p256') })],
  ['signature-invalid', 'an empty signature', () => changed(withoutSignature)],
  ['root-unknown', 'an intermediate that is not the issuer', () => [leaf({}, intermediate)[0]!, otherCa.der]],
  ['chain-too-complex', 'four intermediates that fit in every order', everyOrder],
  ['root-unknown', 'two intermediates that sign each other', circle],
  ['key-id-mismatch', 'another key identifier', () => leaf({ authorityKeyId: Buffer.alloc(20, 1) })],
  [
    'key-id-mismatch',
    'another key identifier of the intermediate',
    () => below({ authorityKeyId: Buffer.alloc(20, 1) }),
  ],

  // Validity.
  ['expired', 'an expired leaf', () => leaf({ notAfterMs: NOW - 3 * HOUR })],
  ['expired', 'a leaf that ended a second ago', () => leaf({ notAfterMs: NOW - 1000 })],
  ['expired', 'an expired intermediate', () => below({ notAfterMs: NOW - 1000 })],
  ['expired', 'an expired root', () => ofRoot({ notAfterMs: NOW - 1000 })],
  [
    'expired',
    'an expired root that is shown',
    () => {
      const root = makeTestCa('td.example', { notAfterMs: NOW - 1000 })
      return { chain: [...leaf({}, root), root.der], bundles: trust(root) }
    },
  ],
  ['not-yet-valid', 'a leaf of tomorrow', () => leaf({ notBeforeMs: NOW + HOUR })],
  ['not-yet-valid', 'a leaf that starts in 21 s', () => leaf({ notBeforeMs: NOW + 21_000 })],
  ['not-yet-valid', 'an intermediate of tomorrow', () => below({ notBeforeMs: NOW + HOUR })],
  ['not-yet-valid', 'a root of tomorrow', () => ofRoot({ notBeforeMs: NOW + HOUR })],

  // Authorities.
  ['ca-flag-missing', 'a leaf as an intermediate', () => leafAsIssuer({}).chain],
  ['ca-flag-missing', 'an intermediate without basic constraints', () => below({ basicConstraints: 'none' })],
  ['ca-flag-missing', 'an intermediate that is no CA', () => below({ ca: false })],
  [
    'ca-flag-not-critical',
    'basic constraints that are not critical',
    () => below({ basicConstraints: 'not-critical' }),
  ],
  [
    'ca-flag-not-critical',
    'basic constraints of the root that are not critical',
    () => ofRoot({ basicConstraints: 'not-critical' }),
  ],
  ['ca-key-usage', 'an intermediate without key usage', () => below({ keyUsage: 'none' })],
  ['ca-key-usage', 'an intermediate with digitalSignature only', () => below({ keyUsage: DIGITAL_SIGNATURE })],
  ['ca-key-usage', 'an intermediate with cRLSign only', () => below({ keyUsage: CRL_SIGN })],
  ['ca-extended-key-usage', 'an intermediate for servers only', () => below({ eku: [oids.serverAuth] })],
  [
    'ca-subject-empty',
    'an intermediate without a subject',
    () => below({ subject: emptyName, altNamesCritical: true }),
  ],
  [
    'ca-path-length',
    'an intermediate below a path length of 0',
    () => leaf({}, ca.intermediate({ pathLength: 0 }).intermediate()),
  ],
  [
    'ca-path-length',
    'a root with a path length of 0',
    () => {
      const root = makeTestCa('td.example', { pathLength: 0 })
      return { chain: leaf({}, root.intermediate()), bundles: trust(root) }
    },
  ],
  [
    'ca-path-length',
    'a self-issued intermediate below a path length of 0',
    () => {
      const subject = encodeName('o', 'self')
      return leaf({}, ca.intermediate({ subject, pathLength: 0 }).intermediate({ subject }))
    },
  ],
  [
    'ca-path-length',
    'a path length of 1, two intermediates below',
    () => leaf({}, ca.intermediate({ pathLength: 1 }).intermediate().intermediate()),
  ],

  // Extensions and name constraints.
  [
    'extension-unknown',
    'an unknown critical extension of the leaf',
    () => leaf({ extra: [extension('2a0301', true, hex('0500'))] }),
  ],
  [
    'extension-unknown',
    'an unknown critical extension of the intermediate',
    () => below({ extra: [extension('2a0301', true, hex('0500'))] }),
  ],
  [
    'extension-unknown',
    'an unknown critical extension of the root',
    () => ofRoot({ extra: [extension('2a0301', true, hex('0500'))] }),
  ],
  [
    'extension-unknown',
    'critical policy constraints',
    () => below({ extra: [extension('551d24', true, sequence(hex('800100')))] }),
  ],
  [
    'extension-unknown',
    'policy constraints that ought to be critical',
    () => below({ extra: [extension(oids.policyConstraints, false, sequence(hex('800100')))] }),
  ],
  [
    'extension-unknown',
    'a bar to any policy that ought to be critical',
    () => below({ extra: [extension(oids.inhibitAnyPolicy, false, hex('020100'))] }),
  ],
  [
    'certificate-malformed',
    'name constraints that are not critical',
    () => below({ extra: [extension(oids.nameConstraints, false, sequence(permitted(uriSubtree('td.example'))))] }),
  ],
  [
    'certificate-malformed',
    'a critical subject key identifier',
    () => leaf({ subjectKeyId: 'none', extra: [extension(oids.subjectKeyIdentifier, true, hex('040101'))] }),
  ],
  [
    'certificate-malformed',
    'a critical authority key identifier',
    () =>
      leaf({ authorityKeyId: 'none', extra: [extension(oids.authorityKeyIdentifier, true, sequence(hex('800101')))] }),
  ],
  ['name-not-permitted', 'another host permitted', () => below(constrained(permitted(uriSubtree('other.example'))))],
  [
    'name-not-permitted',
    'only hosts below ours permitted',
    () => below(constrained(permitted(uriSubtree('.td.example')))),
  ],
  [
    'name-not-permitted',
    'a host that ends like ours permitted',
    () => below(constrained(permitted(uriSubtree('d.example')))),
  ],
  ['name-excluded', 'our host excluded', () => below(constrained(excluded(uriSubtree('td.example'))))],
  ['name-excluded', 'our host excluded in capitals', () => below(constrained(excluded(uriSubtree('TD.example'))))],
  ['name-excluded', 'all hosts below example excluded', () => below(constrained(excluded(uriSubtree('.example'))))],
  [
    'name-excluded',
    'permitted and excluded',
    () => below(constrained(permitted(uriSubtree('td.example')), excluded(uriSubtree('td.example')))),
  ],
  ['name-excluded', 'constraints of the root', () => ofRoot(constrained(excluded(uriSubtree('td.example'))))],
  [
    'name-not-permitted',
    'another DNS name permitted',
    () => below(constrained(permitted(dnsSubtree('a.example'))), { dnsNames: ['b.example'] }),
  ],
  [
    'name-excluded',
    'a DNS name excluded',
    () => below(constrained(excluded(dnsSubtree('a.example'))), { dnsNames: ['x.A.example'] }),
  ],
  [
    'name-excluded',
    'a star that may be the excluded name',
    () => below(constrained(excluded(dnsSubtree('x.a.example'))), { dnsNames: ['*.a.example'] }),
  ],
  [
    'name-constraint-unsupported',
    'a constraint on addresses',
    () => below(constrained(permitted(sequence(encode(context(7), Buffer.alloc(8)))))),
  ],
  [
    'name-constraint-unsupported',
    'a constraint on e-mail',
    () => below(constrained(excluded(sequence(encode(context(1), Buffer.from('x.example')))))),
  ],
  [
    'name-constraint-unsupported',
    'a constraint with a minimum',
    () =>
      below(
        constrained(
          permitted(sequence(encode(context(6), Buffer.from('td.example')), encode(context(0), Buffer.of(1)))),
        ),
      ),
  ],
  ['name-constraint-unsupported', 'an empty URI constraint', () => below(constrained(excluded(uriSubtree(''))))],
]

const p256Head = hex('3059301306072a8648ce3d020106082a8648ce3d03010703420004')

function compressedKey(): Buffer {
  const algorithm = hex('301306072a8648ce3d020106082a8648ce3d030107')
  const x = makeKey('p256').export({ format: 'jwk' }).x ?? ''
  return sequence(algorithm, encode(tags.bitString, hex('0002'), Buffer.from(x, 'base64url')))
}

/** Intermediates of one name and key, each of which may have signed each. The root bears the name, but has another key. */
function everyOrder(): readonly Buffer[] {
  const subject = encodeName('td.example', 'test root')
  const privateKey = makeKey('p256')
  const twin = makeTestCa('td.example', { subject, privateKey, authorityKeyId: 'none' })
  const twins = Array.from({ length: 4 }, () => twin.intermediate({ subject, privateKey, authorityKeyId: 'none' }).der)
  return [...leaf({ authorityKeyId: 'none' }, twin), ...twins]
}

function circle(): readonly Buffer[] {
  const first = makeTestCa('td.example', { subject: encodeName('o', 'first') })
  const second = first.intermediate({ subject: encodeName('o', 'second') })
  const back = second.intermediate({ subject: encodeName('o', 'first'), privateKey: first.privateKey })
  return [leaf({}, first)[0]!, back.der, second.der]
}

/** An RSA key that nobody has. */
function rsaSpki(modulus: Buffer, exponent: number): Buffer {
  const digits = Buffer.alloc(4)
  digits.writeUInt32BE(exponent)
  return sequence(hex('300d06092a864886f70d0101010500'), bitString(sequence(unsigned(modulus), unsigned(digits))))
}

function brokenSignature(der: Buffer): Buffer {
  const signatureAt = der.lastIndexOf(hex('300a06082a8648ce3d040302')) + 12
  der[signatureAt + 2] = 1
  der[der.length - 1]! &= 0xfe
  return der
}

function nested(depth: number): Buffer {
  let der = boolean(true)
  for (let level = 0; level < depth; level += 1) der = sequence(der)
  return der
}

function paddedLength(der: Buffer): Buffer {
  return Buffer.concat([hex('308300'), der.subarray(2)])
}

function indefiniteLength(der: Buffer): Buffer {
  return Buffer.concat([hex('3080'), der.subarray(4), hex('0000')])
}

function flip(der: Buffer, index: number): Buffer {
  der[index]! ^= 1
  return der
}

function withoutSignature(der: Buffer): Buffer {
  const signatureAt = der.lastIndexOf(hex('300a06082a8648ce3d040302')) + 12
  return sequence(der.subarray(4, signatureAt), hex('030100'))
}

/** A leaf that was signed with the key of a leaf. */
function leafAsIssuer(overrides: Overrides): Hostile {
  const subject = encodeName('o', 'a leaf')
  const signer = ca.issue(WEB, { notAfterMs: NOW + HOUR, subject, ...overrides })
  const chain = leaf({ issuer: subject, signWith: signer.privateKey, authorityKeyId: 'none' })
  return { chain: [chain[0]!, signer.chainDer[0]!] }
}

t.test('hostile chains', async (t) => {
  const seen = new Set<string>()
  for (const [code, name, make] of hostile) {
    const made = make()
    const { chain, bundles: trusted = bundles } = 'chain' in made ? made : { chain: made }
    const peer = verifyPeer(chain, trusted, NOW)
    t.equal(peer.kind === 'refused' ? peer.code : peer.kind, code, `${code}: ${name}`)
    seen.add(code)
  }
  const names = new Set(hostile.map(([, name]) => name))
  t.equal(names.size, hostile.length, 'each chain is another one')
  t.same([...seen].toSorted(), peerRefusalCodes.toSorted(), 'every code is there')
  t.ok(spiffeIdErrorCodes.every((code) => seen.has(code)))
})

t.test('good chains', async (t) => {
  const two = intermediate.intermediate()
  const longest = leaf({}, two.intermediate())
  const samePlace = encodeName('td.example', 'test root')
  const renewed = makeTestCa('td.example', { subject: samePlace })
  const rsaRoot = makeTestCa('td.example', { privateKey: rsaKey })
  const expiredTwin = makeTestCa('td.example', { privateKey: ca.privateKey, notAfterMs: NOW - HOUR })
  const expiredIntermediate = ca.intermediate({ privateKey: intermediate.privateKey, notAfterMs: NOW - HOUR })
  const crossCertified = makeTestCa('td.example', { subject: encodeName('td.example', 'former root') }).intermediate({
    subject: encodeName('td.example', 'test intermediate 1'),
    privateKey: intermediate.privateKey,
  })
  const good: readonly (readonly [string, readonly Buffer[] | Hostile])[] = [
    ['straight from the root', leaf()],
    ['root shown', [...leaf(), ca.der]],
    ['one intermediate', leaf({}, intermediate)],
    ['one intermediate, root shown', [...leaf({}, intermediate), ca.der]],
    ['two intermediates', leaf({}, two)],
    ['two intermediates, root shown', [...leaf({}, two), ca.der]],
    ['two intermediates in the wrong order, root shown', [leaf({}, two)[0]!, ca.der, intermediate.der, two.der]],
    [
      'another intermediate beside the right one',
      [leaf({}, intermediate)[0]!, ca.intermediate().der, intermediate.der],
    ],
    [
      'an expired twin of the intermediate beside it',
      [leaf({}, intermediate)[0]!, expiredIntermediate.der, intermediate.der],
    ],
    [
      'an intermediate that two roots certified',
      {
        chain: [leaf({}, intermediate)[0]!, crossCertified.der, intermediate.der],
      },
    ],
    ['three intermediates, root shown: five certificates', [...longest, ca.der]],
    [
      'another root of the trust domain bears the same name',
      {
        chain: leaf(),
        bundles: new Map([
          [ca.trustDomain, parseBundle({ trustDomain: 'td.example', authorities: [renewed.der, ca.der], sequence: 2 })],
        ]),
      },
    ],
    [
      'the root was renewed, the expired one is still in the bundle',
      {
        chain: leaf(),
        bundles: new Map([
          [
            ca.trustDomain,
            parseBundle({ trustDomain: 'td.example', authorities: [expiredTwin.der, ca.der], sequence: 2 }),
          ],
        ]),
      },
    ],
    [
      'the intermediate itself is the authority',
      {
        chain: leaf({}, intermediate),
        bundles: new Map([
          [ca.trustDomain, parseBundle({ trustDomain: 'td.example', authorities: [intermediate.der], sequence: 1 })],
        ]),
      },
    ],
    ['a P-384 leaf', leaf({ key: 'p384' })],
    [
      'a P-384 intermediate that signs with SHA-384',
      leaf({ algorithm: 'ecdsa-sha384' }, ca.intermediate({ key: 'p384' })),
    ],
    ['an RSA root', { chain: leaf({}, rsaRoot), bundles: trust(rsaRoot) }],
    [
      'an RSA root that signs with SHA-384',
      { chain: leaf({ algorithm: 'rsa-sha384' }, rsaRoot), bundles: trust(rsaRoot) },
    ],
    ['no extended key usage', leaf({ eku: 'none' })],
    ['no basic constraints', leaf({ basicConstraints: 'none' })],
    ['no key identifier of the issuer', leaf({ authorityKeyId: 'none' })],
    ['a subject, the name not critical', leaf({ subject: encodeName('o', 'web'), altNamesCritical: false })],
    ['a DNS name beside the ID', leaf({ dnsNames: ['web.td.example'] })],
    ['an address beside the ID', leaf({ otherNames: [encode(context(7), Buffer.of(127, 0, 0, 1))] })],
    ['an unknown extension that is not critical', leaf({ extra: [extension('2a0301', false, hex('0500'))] })],
    ['an unknown extension with noise', leaf({ extra: [extension('2a0301', false, hex('ffff'))] })],
    ['keyAgreement beside digitalSignature', leaf({ keyUsage: 0x88 })],
    ['an intermediate without a URI', below({ uris: [] })],
    ['an intermediate for any use', below({ eku: [oids.anyExtendedKeyUsage] })],
    ['a path length that is just enough', leaf({}, ca.intermediate({ pathLength: 1 }).intermediate({ pathLength: 0 }))],
    ['our host permitted', below(constrained(permitted(uriSubtree('td.example'))))],
    ['hosts below example permitted', below(constrained(permitted(uriSubtree('.example'))), {})],
    ['another host excluded', below(constrained(excluded(uriSubtree('other.example'))))],
    ['DNS names constrained, a URI only', below(constrained(permitted(dnsSubtree('x.example'))))],
    ['the DNS name permitted', below(constrained(permitted(dnsSubtree('example'))), { dnsNames: ['a.example'] })],
    ['starts in 20 s', leaf({ notBeforeMs: NOW + 20_000 })],
    ['ends now', leaf({ notAfterMs: NOW })],
    ['without an end', leaf(validity('260101000000Z', '99991231235959Z'))],
    ['the longest ID', leaf({ uris: [`spiffe://td.example/${'a'.repeat(2028)}`] })],
    ['a certificate too many, after the one the root signed', [...leaf(), otherCa.der]],
  ]
  for (const [name, made] of good) {
    const { chain, bundles: trusted = bundles } = 'chain' in made ? made : { chain: made }
    const peer = verifyPeer(chain, trusted, NOW)
    t.equal(peer.kind === 'refused' ? peer.message : peer.kind, 'verified', name)
  }
})

t.test('what is said of a verified peer', async (t) => {
  const shortLived = ca.intermediate({ notAfterMs: NOW + HOUR })
  const peer = verifyPeer(leaf({ serial: hex('0203008012') }, shortLived), bundles, NOW)
  t.match(peer, {
    kind: 'verified',
    id: 'spiffe://td.example/ns/default/sa/web',
    serial: '8012',
    notAfterMs: NOW + HOUR,
    fingerprint: /^[0-9a-f]{64}$/,
    authorityFingerprint: ca.bundle().authorities[0]?.fingerprint,
  })
})

t.test('what is said of a refused peer', async (t) => {
  const says = (chain: readonly Buffer[]): string => {
    const peer = verifyPeer(chain, bundles, NOW)
    return peer.kind === 'refused' ? peer.message : peer.kind
  }
  t.equal(
    says(leaf({ notAfterMs: NOW - 3 * HOUR })),
    'the leaf expired 3 h ago, at 2026-05-31T21:00:00.000Z; here it is 2026-06-01T00:00:00.000Z',
  )
  t.match(
    says(below({ notBeforeMs: NOW + 48 * HOUR })),
    /^intermediate 1 is not valid before 2026-06-03.*, in 2 d; here it is 2026-06-01.*, and clocks may differ by 20 s$/,
  )
  t.equal(says([Buffer.of(1)]), 'the leaf is not DER')
  t.equal(
    says(leaf({ uris: ['spiffe:///a'] })),
    'the leaf has a URI name that is no SPIFFE ID: a trust domain is not empty',
  )
  t.match(
    says(leaf({ uris: [`spiffe://td.example/\n\u001b[2J${'x'.repeat(1000)}`] })),
    /^[ -~]{1,300}$/,
    'fit for a log',
  )
  t.equal(says(leaf({ extra: [subjectKeyIdentifier(Buffer.alloc(20))] })), 'the leaf has the extension 2.5.29.14 twice')
})
