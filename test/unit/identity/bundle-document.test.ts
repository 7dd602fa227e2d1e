import { createPublicKey } from 'node:crypto'
import * as fc from 'fast-check'
import t from 'tap'
import { bundleParts, parseBundle } from '../../../src/identity/bundle.ts'
import {
  bundleDocumentErrorCodes,
  formatBundleDocument,
  formatJwtBundleDocument,
  parseBundleDocument,
  parseJwtBundleDocument,
} from '../../../src/identity/bundle-document.ts'
import { type KeyKind, makeKey, makeTestCa } from '../../fixtures/ca.ts'
import { makeJwtAuthority } from '../../fixtures/jwt.ts'

const ca = makeTestCa('td.example')
const rsa = makeTestCa('td.example', { key: 'rsa2048' })
const p384 = makeTestCa('td.example', { key: 'p384' })
const signer = makeJwtAuthority('td.example', 'key-1')
const { jwtAuthorities } = bundleParts(signer.bundle)

type Members = Record<string, unknown>

function jwkOf(kind: KeyKind | 'signer'): Members {
  return { ...(kind === 'signer' ? signer.publicKey : createPublicKey(makeKey(kind))).export({ format: 'jwk' }) }
}

function x509Key({ der, privateKey }: typeof ca, change: Members = {}): Members {
  const key = createPublicKey(privateKey).export({ format: 'jwk' })
  return { ...key, use: 'x509-svid', x5c: [der.toString('base64')], ...change }
}

const jwtKey = (change: Members = {}): Members => ({ ...jwkOf('signer'), use: 'jwt-svid', kid: 'key-1', ...change })

const parse = (document: unknown): ReturnType<typeof parseBundleDocument> =>
  parseBundleDocument(Buffer.from(typeof document === 'string' ? document : JSON.stringify(document)), 'td.example')

t.test('a document', async (t) => {
  const { bundle, sequenced, refreshHintMs, ignored } = parse({
    spiffe_sequence: 12,
    spiffe_refresh_hint: 2_419_200,
    keys: [x509Key(ca), x509Key(rsa), x509Key(p384), jwtKey()],
    more: { of: 'something' },
  })
  t.equal(bundle.trustDomain, 'td.example')
  t.equal(bundle.sequence, 12)
  t.ok(sequenced)
  t.equal(refreshHintMs, 2_419_200_000)
  t.same(
    bundle.authorities.map(({ der }) => der),
    [ca.der, rsa.der, p384.der],
  )
  t.ok(bundle.jwtAuthorities.get('key-1')?.equals(signer.publicKey))
  t.same(ignored, [])
})

t.test('what is optional, and what others add', async (t) => {
  const bare = parse({ keys: [] })
  t.notOk(bare.sequenced)
  t.equal(bare.bundle.sequence, 0)
  t.equal(bare.refreshHintMs, undefined)
  t.same(bare.bundle.authorities, [], 'a trust domain that took back its keys')
  t.equal(parse({ keys: [], spiffe_refresh_hint: 0 }).refreshHintMs, undefined)

  const { bundle, ignored } = parse({
    keys: [
      x509Key(ca, { kid: 'x', alg: 'ES256', x5c: [ca.der.toString('base64'), 'not read'] }),
      x509Key(ca),
      jwtKey({ alg: 'ES256', key_ops: ['verify'], note: 'x' }),
    ],
  })
  t.equal(bundle.authorities.length, 1, 'the same certificate counts once')
  t.equal(bundle.jwtAuthorities.size, 1)
  t.same(ignored, [])
})

t.test('what the standard wants passed over, and what is of no use here', async (t) => {
  const { bundle, ignored } = parse({
    keys: [
      x509Key(ca, { use: undefined }),
      x509Key(ca, { use: 'X509-SVID' }),
      jwtKey({ use: 'sig' }),
      jwtKey({ use: 'wit-svid' }),
      jwtKey({ use: { toString: 1 } }),
      { kty: 'oct', use: 'jwt-svid', kid: 'key-1', k: 'AAAA' },
      { kty: 'OKP', crv: 'Ed25519', x: 'AAAA', use: 'x509-svid', x5c: ['AAAA'] },
      { kty: 'ec', use: 'jwt-svid', kid: 'key-1' },
      x509Key(makeTestCa('td.example', { key: 'p521' })),
      x509Key(ca, { x5c: undefined }),
      x509Key(ca, { x5c: [] }),
      x509Key(ca, { x5c: ca.der.toString('base64') }),
      jwtKey({ ...jwkOf('p384') }),
      jwtKey({ ...jwkOf('rsa2048') }),
      jwtKey({ alg: 'ES384' }),
      jwtKey({ alg: null }),
      jwtKey({ key_ops: ['sign'] }),
      jwtKey({ key_ops: 'verify' }),
      x509Key(ca),
    ],
  })
  t.equal(bundle.authorities.length, 1)
  t.equal(bundle.jwtAuthorities.size, 0)
  t.equal(ignored.length, 18)
  t.same(
    ignored.map(({ place }) => place),
    Array.from({ length: 18 }, (_, index) => `keys[${index}]`),
  )
  t.equal(ignored[3]?.why, 'has the use "wit-svid"')
  t.equal(ignored[13]?.why, 'signs JWT-SVIDs with something else than ES256')
  for (const { why } of ignored) t.match(why, /^(?:has|is|signs) [ -~]{1,80}$/)
})

/** The same number in one byte more. */
function withZero(coordinate: unknown): string {
  return Buffer.concat([Buffer.of(0), Buffer.from(String(coordinate), 'base64url')]).toString('base64url')
}

/** Code, document. */
const refused: readonly (readonly [code: string, document: unknown])[] = [
  ['bundle-document-too-large', `${' '.repeat(1024 * 1024)}{"keys":[]}`],
  ['json-malformed', ''],
  ['json-malformed', '[]'],
  ['json-malformed', '<html>'],
  ['json-malformed', `${JSON.stringify({ keys: [] })},`],
  ['json-duplicate-member', '{"keys":[],"keys":[]}'],
  ['json-duplicate-member', '{"spiffe_sequence":1,"keys":[],"spiffe_sequence":2}'],
  ['json-duplicate-member', `{"keys":[${JSON.stringify(jwtKey()).slice(0, -1)},"kid":"key-2"}]}`],
  ['json-too-deep', `{"keys":[],"x":${'['.repeat(400_000)}${']'.repeat(400_000)}}`],
  ['bundle-document-no-keys', {}],
  ['bundle-document-no-keys', { keys: null }],
  ['bundle-document-no-keys', { keys: { 0: jwtKey(), length: 1 } }],
  ['bundle-document-too-many-keys', { keys: Array.from({ length: 257 }, () => ({ kty: 'x' })) }],
  ['bundle-too-many-authorities', { keys: Array.from({ length: 65 }, () => x509Key(ca)) }],
  ['bundle-sequence', { keys: [], spiffe_sequence: -1 }],
  ['bundle-sequence', { keys: [], spiffe_sequence: 1.5 }],
  ['bundle-sequence', { keys: [], spiffe_sequence: '1' }],
  ['bundle-sequence', { keys: [], spiffe_sequence: null }],
  ['bundle-sequence', '{"keys":[],"spiffe_sequence":9007199254740993}'],
  ['bundle-document-refresh-hint', { keys: [], spiffe_refresh_hint: -1 }],
  ['bundle-document-refresh-hint', { keys: [], spiffe_refresh_hint: 0.001 }],
  ['bundle-document-refresh-hint', { keys: [], spiffe_refresh_hint: '60' }],
  ['bundle-document-refresh-hint', { keys: [], spiffe_refresh_hint: null }],
  ['bundle-document-refresh-hint', '{"keys":[],"spiffe_refresh_hint":1e999}'],
  ['bundle-document-refresh-hint', '{"keys":[],"spiffe_refresh_hint":1e15}'],
  ['bundle-document-key-malformed', { keys: ['key'] }],
  ['bundle-document-key-malformed', { keys: [null] }],
  ['bundle-document-key-malformed', { keys: [[]] }],
  ['bundle-document-key-malformed', { keys: [jwtKey({ kty: undefined })] }],
  ['bundle-document-key-malformed', { keys: [jwtKey({ kty: 1 })] }],
  ['bundle-document-key-malformed', { keys: [jwtKey({ x: undefined })] }],
  ['bundle-document-key-malformed', { keys: [jwtKey({ y: 'AAAA' })] }],
  ['bundle-document-key-malformed', { keys: [jwtKey({ x: `${String(jwkOf('signer')['x'])}=` })] }],
  ['bundle-document-key-malformed', { keys: [jwtKey({ x: 1 })] }],
  ['bundle-document-key-malformed', { keys: [jwtKey({ x: withZero(jwkOf('signer')['x']) })] }],
  ['bundle-document-key-malformed', { keys: [jwtKey({ y: withZero(jwkOf('signer')['y']) })] }],
  ['bundle-document-key-malformed', { keys: [jwtKey({ x: jwkOf('p256')['x'] })] }],
  ['bundle-document-key-malformed', { keys: [jwtKey({ x: 'A'.repeat(43), y: 'A'.repeat(43) })] }],
  ['bundle-key-id', { keys: [jwtKey({ kid: undefined })] }],
  ['bundle-key-id', { keys: [jwtKey({ kid: '' })] }],
  ['bundle-key-id', { keys: [jwtKey({ kid: 1 })] }],
  ['bundle-key-id', { keys: [jwtKey({ kid: 'x'.repeat(257) })] }],
  ['bundle-key-id', { keys: [jwtKey(), jwtKey(jwkOf('p256'))] }],
  ['bundle-document-private-key', { keys: [jwtKey({ ...signer.privateKey.export({ format: 'jwk' }) })] }],
  ['bundle-document-private-key', { keys: [x509Key(ca, { d: 'AAAA' })] }],
  ['bundle-document-private-key', { keys: [x509Key(rsa, { p: 'AAAA' })] }],
  ['bundle-document-certificate', { keys: [x509Key(ca, { x5c: [1] })] }],
  ['bundle-document-certificate', { keys: [x509Key(ca, { x5c: [''.padEnd(7, 'A')] })] }],
  ['bundle-document-certificate', { keys: [x509Key(ca, { x5c: [ca.pem] })] }],
  ['bundle-document-certificate', { keys: [x509Key(ca, { x5c: [`${ca.der.toString('base64')}\n`] })] }],
  ['bundle-document-certificate', { keys: [x509Key(rsa, { x5c: [rsa.der.toString('base64url')] })] }],
  ['certificate-malformed', { keys: [x509Key(ca, { x5c: [''] })] }],
  ['certificate-malformed', { keys: [x509Key(ca, { x5c: [ca.der.subarray(0, -1).toString('base64')] })] }],
  ['bundle-document-key-mismatch', { keys: [x509Key(ca, { x5c: [makeTestCa('td.example').der.toString('base64')] })] }],
  ['bundle-document-key-mismatch', { keys: [x509Key(ca, { y: undefined })] }],
  ['bundle-document-key-mismatch', { keys: [x509Key(rsa, { e: 'AQAC' })] }],
  ['bundle-document-key-mismatch', { keys: [x509Key(ca, { kty: 'RSA' })] }],
  ['bundle-document-key-mismatch', { keys: [x509Key(p384, { crv: 'P-256' })] }],
  ['bundle-not-authority', { keys: [x509Key(makeTestCa('other.example'))] }],
  ['bundle-not-authority', { keys: [x509Key(makeTestCa('td.example', { ca: false }))] }],
]

t.test('what is broken refuses the document as a whole', async (t) => {
  const seen = new Set<string>()
  for (const [code, document] of refused) {
    seen.add(code)
    const text = typeof document === 'string' ? document : JSON.stringify(document)
    t.throws(() => parse(text), { code, message: /^[ -~]{1,300}$/ }, `${code} ${text.slice(0, 80)}`)
  }
  t.same(
    bundleDocumentErrorCodes.filter((code) => !seen.has(code)),
    [],
    'there is a document for every code',
  )
  t.throws(() => parse({ keys: [x509Key(ca), jwtKey({ kid: '' })] }), {
    place: 'keys[1]',
    message: 'keys[1] of the bundle document has no key ID',
  })
  t.throws(() => parse({ keys: [x509Key(ca, { x5c: [''] })] }), { code: 'certificate-malformed', place: 'keys[0]' })
  t.throws(() => parseBundleDocument(Buffer.from('{"keys":[]}'), 'TD'), { code: 'spiffe-id-trust-domain-character' })
})

t.test('what is written is read', async (t) => {
  const key = fc.record({ keyId: fc.string({ minLength: 1, maxLength: 20, unit: 'binary' }), kind: fc.nat({ max: 2 }) })
  const authorities = fc.subarray([ca, rsa, p384])
  const spki = [0, 1, 2].map(() => createPublicKey(makeKey('p256')).export({ type: 'spki', format: 'der' }))
  fc.assert(
    fc.property(
      authorities,
      fc.uniqueArray(key, { maxLength: 4, selector: ({ keyId }) => keyId }),
      fc.maxSafeNat(),
      fc.nat({ max: 100_000_000 }),
      (authorities, keys, sequence, refreshHintMs) => {
        const bundle = parseBundle({
          trustDomain: 'td.example',
          authorities: authorities.map(({ der }) => der),
          jwtAuthorities: keys.map(({ keyId, kind }) => ({ keyId, publicKey: spki[kind]! })),
          sequence,
        })
        const read = parse(formatBundleDocument(bundle, refreshHintMs))
        t.same(bundleParts(read.bundle), bundleParts(bundle))
        t.equal(read.refreshHintMs, Math.max(1000, refreshHintMs - (refreshHintMs % 1000)))
        t.same(parseJwtBundleDocument(Buffer.from(formatJwtBundleDocument(bundle))), {
          jwtAuthorities: bundleParts(bundle).jwtAuthorities,
          ignored: [],
        })
      },
    ),
    { numRuns: 20 },
  )
})

t.test('a document as it is written', async (t) => {
  const bundle = parseBundle({ trustDomain: 'td.example', authorities: [ca.der], jwtAuthorities, sequence: 3 })
  const { x, y } = createPublicKey(ca.privateKey).export({ format: 'jwk' })
  t.strictSame(JSON.parse(formatBundleDocument(bundle, 300_000)), {
    keys: [
      // X.509-SVID standard, 6.1: no key ID.
      { kty: 'EC', crv: 'P-256', x, y, use: 'x509-svid', x5c: [ca.der.toString('base64')] },
      { ...jwkOf('signer'), kid: 'key-1', use: 'jwt-svid' },
    ],
    spiffe_sequence: 3,
    spiffe_refresh_hint: 300,
  })
  t.strictSame(JSON.parse(formatJwtBundleDocument(bundle)), {
    keys: [{ ...jwkOf('signer'), kid: 'key-1', use: 'sig', alg: 'ES256' }],
  })
})

t.test('a JWK Set with keys of JWT-SVIDs', async (t) => {
  const read = (keys: readonly Members[]): ReturnType<typeof parseJwtBundleDocument> =>
    parseJwtBundleDocument(Buffer.from(JSON.stringify({ keys })))
  for (const use of ['jwt-svid', 'sig', undefined]) t.same(read([jwtKey({ use })]), { jwtAuthorities, ignored: [] })
  const { jwtAuthorities: some, ignored } = read([
    x509Key(ca),
    jwtKey({ use: 'enc' }),
    jwtKey({ use: 'sig', alg: 'ES512' }),
    { kty: 'oct', k: 'AAAA' },
    jwtKey({ use: 'sig' }),
  ])
  t.same(some, jwtAuthorities)
  t.same(
    ignored.map(({ why }) => why),
    ['is for X.509-SVIDs', 'has the use "enc"', 'is for the algorithm "ES512"', 'has the key type "oct"'],
  )
  t.throws(() => read([jwtKey({ use: undefined, kid: undefined })]), { code: 'bundle-key-id', place: 'keys[0]' })
  t.throws(() => read([jwtKey({ d: 'AAAA' })]), { code: 'bundle-document-private-key' })
})
