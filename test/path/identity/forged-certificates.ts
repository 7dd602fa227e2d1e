import { context, contextConstructed, encode, oid, sequence } from '../../../src/identity/asn1.ts'
import { extension, keyUsageBits, oids } from '../../../src/identity/extension.ts'
import { emptyName, encodeName, toPem } from '../../../src/identity/x509.ts'
import { makeKey, makeTestCa, type Overrides, type TestCa, type TestLeaf } from '../../fixtures/ca.ts'

/** Who is deceived: a sidecar that accepts a connection, one that opens it, or the control server. */
export type Place = 'inbound' | 'outbound' | 'control'
export const places: readonly Place[] = ['inbound', 'outbound', 'control']

/** A certificate that must not be believed. */
export interface ForgedCertificate {
  readonly what: string
  /** That it is refused with, where `at` says nothing else. */
  readonly code: string
  readonly forge: () => TestLeaf
  readonly at?: At
}

/** Another code in that place. */
export type At = Readonly<Partial<Record<Place, string>>>

export const TRUST_DOMAIN = 'test.local'
export const WEB = '/ns/default/sa/web'
export const WEB_ID: string = `spiffe://${TRUST_DOMAIN}${WEB}`
const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS

/** The CA of the mesh, whose key the forger has got at; and that of a mesh whose bundle the sidecars have. */
export const ca: TestCa = makeTestCa(TRUST_DOMAIN)
export const partner: TestCa = makeTestCa('partner.example')
const stranger = makeTestCa(TRUST_DOMAIN)

/** What Node shows of a client to a server is the leaf; the control server adds its own issuers to it (nodejs/node#65579). */
const leafAlone: At = { control: 'root-unknown' }
/** Our own client does not load it, and there is no other here that speaks gRPC. */
export const NOT_SHOWN = 'not shown'

type Row = readonly [what: string, code: string, forge: () => TestLeaf, at?: At]

const leaf = (overrides: Overrides) => (): TestLeaf => ca.issue(WEB, overrides)
/** The ID of the leaf is this. Bytes: one character each. */
const named = (uri: string) => leaf({ uris: [uri] })
const utf8 = (text: string): string => Buffer.from(text).toString('latin1')
/** A good leaf below an intermediate with these faults. */
const below = (overrides: Overrides) => (): TestLeaf => ca.intermediate(overrides).issue(WEB)
const constrained = (...subtrees: readonly Buffer[]): Overrides => ({
  extra: [extension(oids.nameConstraints, true, sequence(...subtrees))],
})
const permitted = (...names: readonly Buffer[]): Buffer =>
  encode(contextConstructed(0), ...names.map((name) => sequence(name)))
const excluded = (...names: readonly Buffer[]): Buffer =>
  encode(contextConstructed(1), ...names.map((name) => sequence(name)))
const uriName = (text: string): Buffer => encode(context(6), Buffer.from(text))
const critical = extension('2b0601040186f8010101', true, oid('2a03'))

/** `leaf` with more certificates behind it. */
function withIssuers(leaf: TestLeaf, ...more: readonly Buffer[]): TestLeaf {
  const chainDer = [...leaf.chainDer, ...more]
  return { ...leaf, chainDer, chainPem: toPem(chainDer) }
}

/** Signed by a leaf in the place of a CA. */
function leafOfLeaf(): TestLeaf {
  const subject = encodeName('test', 'a workload')
  const signer = ca.intermediate({
    subject,
    ca: false,
    keyUsage: keyUsageBits.digitalSignature,
    uris: [`spiffe://${TRUST_DOMAIN}/ns/default/sa/thief`],
    eku: [oids.serverAuth, oids.clientAuth],
  })
  return signer.issue(WEB)
}

/** Signed with its own key, and with the names of the root. */
function selfSigned(): TestLeaf {
  const privateKey = makeKey('p256')
  return ca.issue(WEB, { privateKey, signWith: privateKey })
}

function oneTooMany(): TestLeaf {
  let issuer = ca
  for (let depth = 0; depth < 5; depth += 1) issuer = issuer.intermediate()
  return issuer.issue(WEB)
}

const trustDomains: readonly Row[] = [
  ['the same names under a root of its own', 'key-id-mismatch', () => stranger.issue(WEB)],
  ['... without a key identifier', 'signature-invalid', () => stranger.issue(WEB, { authorityKeyId: 'none' })],
  ['... with the key identifier of our root', 'signature-invalid', leaf({ signWith: stranger.privateKey })],
  ['... with its root in the chain', 'key-id-mismatch', () => withIssuers(stranger.issue(WEB), stranger.der)],
  ['... with our root in the chain', 'key-id-mismatch', () => withIssuers(stranger.issue(WEB), ca.der)],
  [
    'our trust domain under a root with a name of its own',
    'root-unknown',
    () => makeTestCa(TRUST_DOMAIN, { subject: encodeName('x', 'y') }).issue(WEB),
  ],
  ['a trust domain that nobody knows', 'trust-domain-unknown', () => makeTestCa('evil.example').issue(WEB)],
  [
    'the same path in the trust domain of the partner, by our root',
    'ca-foreign-id',
    named(`spiffe://partner.example${WEB}`),
    { control: 'trust-domain-unknown' },
  ],
  ['our ID, by the root of the partner: the merged bundle', 'ca-foreign-id', () => partner.issue(WEB_ID), leafAlone],
  ['our ID, by an intermediate of the partner', 'ca-foreign-id', () => partner.intermediate().issue(WEB_ID), leafAlone],
  [
    'our ID, by an intermediate of the partner that names our trust domain',
    'ca-foreign-id',
    () => partner.intermediate({ uris: [`spiffe://${TRUST_DOMAIN}`] }).issue(WEB_ID),
    leafAlone,
  ],
  [
    'an intermediate of ours for the partner',
    'ca-foreign-id',
    below({ uris: ['spiffe://partner.example'] }),
    leafAlone,
  ],
  ['a trust domain below ours', 'trust-domain-unknown', named(`spiffe://a.${TRUST_DOMAIN}${WEB}`)],
  ['a trust domain that ours is below', 'trust-domain-unknown', named(`spiffe://local${WEB}`)],
  [
    'a trust domain that begins like ours',
    'trust-domain-unknown',
    named(`spiffe://${TRUST_DOMAIN}.evil.example${WEB}`),
  ],
  ['a trust domain that ends like ours', 'trust-domain-unknown', named(`spiffe://evil${TRUST_DOMAIN}${WEB}`)],
  ['our trust domain with the dot of the root', 'trust-domain-unknown', named(`spiffe://${TRUST_DOMAIN}.${WEB}`)],
  ['a dash for a dot', 'trust-domain-unknown', named(`spiffe://test-local${WEB}`)],
  ['a homograph in Punycode', 'trust-domain-unknown', named(`spiffe://xn--tst-qdd.local${WEB}`)],
]

const names: readonly Row[] = [
  ['the trust domain in capitals', 'spiffe-id-trust-domain-character', named(`spiffe://TEST.local${WEB}`)],
  ['the scheme in capitals', 'spiffe-id-scheme', named(`SPIFFE://${TRUST_DOMAIN}${WEB}`)],
  ['one capital in the scheme', 'spiffe-id-scheme', named(`Spiffe://${TRUST_DOMAIN}${WEB}`)],
  [
    'a letter of the path percent-encoded',
    'spiffe-id-path-character',
    named(`spiffe://${TRUST_DOMAIN}/ns/default/sa/%77eb`),
  ],
  ['a slash percent-encoded', 'spiffe-id-path-character', named(`spiffe://${TRUST_DOMAIN}/ns/default%2Fsa/web`)],
  ['dots percent-encoded', 'spiffe-id-path-character', named(`spiffe://${TRUST_DOMAIN}/ns/x/%2e%2e/default/sa/web`)],
  [
    'a dot of the trust domain percent-encoded',
    'spiffe-id-trust-domain-character',
    named(`spiffe://test%2elocal${WEB}`),
  ],
  ['a slash at the end', 'spiffe-id-path-trailing-slash', named(`${WEB_ID}/`)],
  ['a slash and no path', 'spiffe-id-path-trailing-slash', named(`spiffe://${TRUST_DOMAIN}/`)],
  ['an empty segment', 'spiffe-id-path-empty-segment', named(`spiffe://${TRUST_DOMAIN}/ns//default/sa/web`)],
  ['an empty first segment', 'spiffe-id-path-empty-segment', named(`spiffe://${TRUST_DOMAIN}/${WEB}`)],
  ['a dot segment', 'spiffe-id-path-dot-segment', named(`spiffe://${TRUST_DOMAIN}/ns/./default/sa/web`)],
  ['a way up', 'spiffe-id-path-dot-segment', named(`spiffe://${TRUST_DOMAIN}/ns/other/../default/sa/web`)],
  ['a way up at the end', 'spiffe-id-path-dot-segment', named(`${WEB_ID}/..`)],
  ['a query', 'spiffe-id-path-character', named(`${WEB_ID}?admin`)],
  ['a fragment', 'spiffe-id-path-character', named(`${WEB_ID}#admin`)],
  ['a query in place of the path', 'spiffe-id-trust-domain-character', named(`spiffe://${TRUST_DOMAIN}?${WEB}`)],
  ['a user before the trust domain', 'spiffe-id-trust-domain-character', named(`spiffe://evil@${TRUST_DOMAIN}${WEB}`)],
  ['a user and a password', 'spiffe-id-trust-domain-character', named(`spiffe://a:b@${TRUST_DOMAIN}${WEB}`)],
  ['a port', 'spiffe-id-trust-domain-character', named(`spiffe://${TRUST_DOMAIN}:443${WEB}`)],
  ['a colon without a port', 'spiffe-id-trust-domain-character', named(`spiffe://${TRUST_DOMAIN}:${WEB}`)],
  ['a path parameter', 'spiffe-id-path-character', named(`${WEB_ID};v=1`)],
  ['a NUL that ends the path early', 'spiffe-id-path-character', named(`${WEB_ID}\0.evil`)],
  [
    'a NUL that ends the trust domain early',
    'spiffe-id-trust-domain-character',
    named(`spiffe://${TRUST_DOMAIN}\0.evil.example${WEB}`),
  ],
  ['a line feed at the end', 'spiffe-id-path-character', named(`${WEB_ID}\n`)],
  ['a line of a log', 'spiffe-id-path-character', named(`${WEB_ID}\r\nlevel=info accepted`)],
  ['a space before', 'spiffe-id-scheme', named(` ${WEB_ID}`)],
  ['a space after', 'spiffe-id-path-character', named(`${WEB_ID} `)],
  ['a tab in the trust domain', 'spiffe-id-trust-domain-character', named(`spiffe://test\t.local${WEB}`)],
  ['backslashes', 'spiffe-id-scheme', named(`spiffe:\\\\${TRUST_DOMAIN}\\ns\\default\\sa\\web`)],
  ['a backslash in the path', 'spiffe-id-path-character', named(`spiffe://${TRUST_DOMAIN}/ns/default\\sa/web`)],
  ['one slash after the scheme', 'spiffe-id-scheme', named(`spiffe:/${TRUST_DOMAIN}${WEB}`)],
  ['no slash after the scheme', 'spiffe-id-scheme', named(`spiffe:${TRUST_DOMAIN}${WEB}`)],
  ['no trust domain', 'spiffe-id-trust-domain-empty', named(`spiffe://${WEB}`)],
  ['a scheme and nothing', 'spiffe-id-trust-domain-empty', named('spiffe://')],
  ['an empty URI', 'spiffe-id-empty', named('')],
  ['a web page', 'spiffe-id-scheme', named(`https://${TRUST_DOMAIN}${WEB}`)],
  ['another scheme that ends alike', 'spiffe-id-scheme', named(`x-${WEB_ID}`)],
  ['a path alone', 'spiffe-id-scheme', named(WEB)],
  ['a wildcard for the trust domain', 'spiffe-id-trust-domain-character', named(`spiffe://*${WEB}`)],
  ['a wildcard in the path', 'spiffe-id-path-character', named(`spiffe://${TRUST_DOMAIN}/ns/default/sa/*`)],
  ['two IDs in one name', 'spiffe-id-path-character', named(`${WEB_ID},${WEB_ID}`)],
  ['a Cyrillic letter in the trust domain', 'certificate-malformed', named(utf8(`spiffe://t\u0435st.local${WEB}`))],
  [
    'a Cyrillic letter in the path',
    'certificate-malformed',
    named(utf8(`spiffe://${TRUST_DOMAIN}/ns/default/sa/w\u0435b`)),
  ],
  ['a full-width slash', 'certificate-malformed', named(utf8(`spiffe://${TRUST_DOMAIN}\uff0fns/default/sa/web`))],
  ['a letter that folds to ASCII', 'certificate-malformed', named(utf8(`spiffe://te\u017ft.local${WEB}`))],
  ['a character of no width', 'certificate-malformed', named(utf8(`${WEB_ID}\u200b`))],
  ['an ID of 2049 bytes', 'spiffe-id-too-long', named(`${WEB_ID}${'/a'.repeat(1100)}`.slice(0, 2049))],
  ['a trust domain of 256 bytes', 'spiffe-id-trust-domain-too-long', named(`spiffe://${'a'.repeat(256)}${WEB}`)],
  ['the trust domain itself', 'leaf-id-without-path', named(`spiffe://${TRUST_DOMAIN}`)],
  ['two SPIFFE IDs', 'leaf-many-uris', leaf({ uris: [WEB_ID, `spiffe://${TRUST_DOMAIN}/admin`] })],
  ['a SPIFFE ID and a web page', 'leaf-many-uris', leaf({ uris: [WEB_ID, 'https://web.example/'] })],
  ['the same SPIFFE ID twice', 'leaf-many-uris', leaf({ uris: [WEB_ID, WEB_ID] })],
  [
    'a second extension with another ID',
    'certificate-malformed',
    leaf({ extra: [extension(oids.subjectAltName, true, sequence(uriName(`spiffe://${TRUST_DOMAIN}/admin`)))] }),
  ],
  ['a DNS name only', 'leaf-no-uri', leaf({ uris: [], dnsNames: ['web.default.svc'] })],
  ['the ID as a DNS name', 'leaf-no-uri', leaf({ uris: [], dnsNames: [`web.sa.default.ns.${TRUST_DOMAIN}`] })],
  [
    'the ID as an e-mail address',
    'leaf-no-uri',
    leaf({ uris: [], otherNames: [encode(context(1), Buffer.from(WEB_ID))] }),
  ],
  ['an IP address only', 'leaf-no-uri', leaf({ uris: [], otherNames: [encode(context(7), Buffer.of(127, 0, 0, 1))] })],
  ['the ID as the common name', 'leaf-no-uri', leaf({ uris: [], subject: encodeName(TRUST_DOMAIN, WEB_ID) })],
  ['no name at all', 'leaf-no-uri', leaf({ uris: [] })],
  [
    'an alternative name that is not critical, and no subject',
    'leaf-alt-name-not-critical',
    leaf({ altNamesCritical: false }),
  ],
]

const { keyCertSign, crlSign, digitalSignature } = keyUsageBits
const leaves: readonly Row[] = [
  ['a CA', 'leaf-is-ca', leaf({ ca: true })],
  ['a CA that may sign nothing', 'leaf-is-ca', leaf({ ca: true, pathLength: 0, keyUsage: digitalSignature })],
  ['keyCertSign', 'leaf-key-cert-sign', leaf({ keyUsage: digitalSignature | keyCertSign })],
  ['cRLSign', 'leaf-crl-sign', leaf({ keyUsage: digitalSignature | crlSign })],
  ['no key usage', 'leaf-key-usage-missing', leaf({ keyUsage: 'none' })],
  ['a key usage that is not critical', 'leaf-key-usage-not-critical', leaf({ keyUsageCritical: false })],
  ['keyAgreement alone', 'leaf-no-digital-signature', leaf({ keyUsage: 0x08 })],
  ['keyEncipherment alone', 'leaf-no-digital-signature', leaf({ keyUsage: 0x20 })],
  ['for servers only', 'leaf-extended-key-usage', leaf({ eku: [oids.serverAuth] })],
  ['for clients only', 'leaf-extended-key-usage', leaf({ eku: [oids.clientAuth] })],
  ['for code', 'leaf-extended-key-usage', leaf({ eku: ['2b06010505070303'] })],
  ['for any purpose, and none by name', 'leaf-extended-key-usage', leaf({ eku: [oids.anyExtendedKeyUsage] })],
  ['an unknown critical extension', 'extension-unknown', leaf({ extra: [critical] })],
  [
    'an extension twice',
    'certificate-malformed',
    leaf({ extra: [extension(oids.basicConstraints, true, sequence())] }),
  ],
  ['name constraints', 'certificate-malformed', leaf(constrained(permitted(uriName(TRUST_DOMAIN))))],
  ['a path length', 'certificate-malformed', leaf({ pathLength: 0 })],
  ['an empty list of purposes', 'certificate-malformed', leaf({ eku: [] })],
  ['a serial number of zero', 'certificate-malformed', leaf({ serial: Buffer.from('020100', 'hex') })],
  ['a negative serial number', 'certificate-malformed', leaf({ serial: Buffer.from('0201ff', 'hex') })],
  ['a serial number of 21 bytes', 'certificate-malformed', leaf({ serial: encode(2, Buffer.alloc(21, 1)) })],
  ['expired a second ago', 'expired', leaf({ ttlMs: -1000 })],
  ['expired years ago', 'expired', leaf({ notBeforeMs: Date.UTC(2019, 0, 1), notAfterMs: Date.UTC(2020, 0, 1) })],
  ['not yet valid, beyond the skew of clocks', 'not-yet-valid', () => leaf({ notBeforeMs: Date.now() + 60_000 })()],
  ['of next year', 'not-yet-valid', () => leaf({ notBeforeMs: Date.now() + 365 * DAY_MS, ttlMs: 366 * DAY_MS })()],
]

const keys: readonly Row[] = [
  ['an RSA key of 2048 bits', 'leaf-key-unsupported', leaf({ key: 'rsa2048' })],
  ['an RSA key of 1024 bits', 'leaf-key-unsupported', leaf({ key: 'rsa1024' }), { control: NOT_SHOWN }],
  ['a P-521 key', 'key-unsupported', leaf({ key: 'p521' })],
  ['an Ed25519 key', 'key-unsupported', leaf({ key: 'ed25519' })],
  ['signed with SHA-1', 'signature-algorithm-unsupported', leaf({ algorithm: 'ecdsa-sha1' }), { control: NOT_SHOWN }],
  [
    'signed with RSA and SHA-1',
    'signature-algorithm-unsupported',
    leaf({ algorithm: 'rsa-sha1', signWith: makeKey('rsa2048') }),
    { control: NOT_SHOWN },
  ],
  [
    'signed with RSA, where the root has an EC key',
    'signature-algorithm-mismatch',
    leaf({ signWith: makeKey('rsa2048') }),
  ],
  ['two signature algorithms', 'certificate-malformed', leaf({ innerAlgorithm: 'ecdsa-sha384' })],
  ['signed with its own key', 'signature-invalid', selfSigned],
  [
    'issuer of itself',
    'root-unknown',
    () => {
      const privateKey = makeKey('p256')
      return ca.issue(WEB, { privateKey, signWith: privateKey, issuer: emptyName, authorityKeyId: 'none' })
    },
  ],
]

const chains: readonly Row[] = [
  // What OpenSSL takes for no issuer, Node does not tell of.
  ['signed by a leaf', 'root-unknown', leafOfLeaf],
  ['an intermediate that is no CA', 'ca-flag-missing', below({ ca: false }), leafAlone],
  ['an intermediate without basic constraints', 'ca-flag-missing', below({ basicConstraints: 'none' }), leafAlone],
  [
    'basic constraints that are not critical',
    'ca-flag-not-critical',
    below({ basicConstraints: 'not-critical' }),
    leafAlone,
  ],
  ['an intermediate without keyCertSign', 'root-unknown', below({ keyUsage: digitalSignature })],
  ['an intermediate without a key usage', 'ca-key-usage', below({ keyUsage: 'none' }), leafAlone],
  ['an intermediate for servers only', 'ca-extended-key-usage', below({ eku: [oids.serverAuth] }), leafAlone],
  ['an intermediate for code', 'ca-extended-key-usage', below({ eku: ['2b06010505070303'] }), leafAlone],
  ['an intermediate with the ID of a workload', 'ca-foreign-id', below({ uris: [WEB_ID] }), leafAlone],
  ['an expired intermediate', 'expired', below({ notAfterMs: Date.now() - HOUR_MS }), leafAlone],
  ['an intermediate of tomorrow', 'not-yet-valid', below({ notBeforeMs: Date.now() + DAY_MS }), leafAlone],
  ['an intermediate with an unknown critical extension', 'extension-unknown', below({ extra: [critical] }), leafAlone],
  [
    'an intermediate with an extension twice',
    'root-unknown',
    below({ extra: [extension(oids.keyUsage, true, Buffer.from('03020106', 'hex'))] }),
    leafAlone,
  ],
  ['an RSA-1024 intermediate', 'ca-key-too-small', below({ key: 'rsa1024' }), { control: NOT_SHOWN }],
  ['a P-521 intermediate', 'key-unsupported', below({ key: 'p521' }), leafAlone],
  [
    'an intermediate that is signed with SHA-1',
    'signature-algorithm-unsupported',
    below({ algorithm: 'ecdsa-sha1' }),
    { control: NOT_SHOWN },
  ],
  ['an intermediate that a stranger signed', 'signature-invalid', below({ signWith: stranger.privateKey }), leafAlone],
  [
    'a path that is too long',
    'ca-path-length',
    () => ca.intermediate({ pathLength: 0 }).intermediate().issue(WEB),
    leafAlone,
  ],
  ['more certificates than are read', 'chain-too-long', oneTooMany, leafAlone],
  [
    'a missing intermediate',
    'root-unknown',
    () => {
      const { chainDer, ...rest } = ca.intermediate().issue(WEB)
      return { ...rest, chainDer: chainDer.slice(0, 1), chainPem: toPem(chainDer.slice(0, 1)) }
    },
  ],
  [
    'a name that is not permitted',
    'name-not-permitted',
    below(constrained(permitted(uriName('other.example')))),
    leafAlone,
  ],
  [
    'a name that is permitted below ours',
    'name-not-permitted',
    below(constrained(permitted(uriName(`.${TRUST_DOMAIN}`)))),
    leafAlone,
  ],
  ['a name that is excluded', 'name-excluded', below(constrained(excluded(uriName(TRUST_DOMAIN)))), leafAlone],
  [
    'a DNS name that is excluded, beside a good ID',
    'name-excluded',
    () =>
      ca
        .intermediate(constrained(excluded(encode(context(2), Buffer.from('evil.example')))))
        .issue(WEB, { dnsNames: ['www.evil.example'] }),
    leafAlone,
  ],
  [
    'a name constraint that is not known',
    'name-constraint-unsupported',
    below(constrained(permitted(encode(context(7), Buffer.alloc(8))))),
    leafAlone,
  ],
]

export const forgedCertificates: readonly ForgedCertificate[] = [
  ...trustDomains,
  ...names,
  ...leaves,
  ...keys,
  ...chains,
].map(([what, code, forge, at]) => ({ what, code, forge, ...(at && { at }) }))
