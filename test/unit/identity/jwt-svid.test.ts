import { createHmac, createPublicKey, type KeyObject, sign } from 'node:crypto'
import * as fc from 'fast-check'
import t from 'tap'
import type { TrustBundleSet } from '../../../src/identity/bundle.ts'
import {
  type JwtSvidOrder,
  jwtSvidRefusalCodes,
  signJwtSvid,
  type VerifiedJwtSvid,
  verifyJwtSvid,
} from '../../../src/identity/jwt-svid.ts'
import { parseSpiffeId, spiffeIdErrorCodes, spiffeIdOf } from '../../../src/identity/spiffe-id.ts'
import { makeKey } from '../../fixtures/ca.ts'
import { encodePart, makeJwtAuthority, signCompact, signInput } from '../../fixtures/jwt.ts'

const now = Date.UTC(2026, 0, 1)
const seconds = now / 1000
const id = parseSpiffeId('spiffe://td.example/ns/shop/sa/web')
const audience = 'spiffe://td.example/ns/shop/sa/api'
const authority = makeJwtAuthority('td.example', 'key-1')
const other = makeJwtAuthority('other.example', 'key-1')
const third = makeJwtAuthority('third.example', 'key-3')
const bundles: TrustBundleSet = new Map(
  [authority, other, third].map(({ bundle }) => [bundle.trustDomain, bundle] as const),
)

const order: JwtSvidOrder = {
  id,
  audience: [audience],
  keyId: authority.keyId,
  privateKey: authority.privateKey,
  ttlMs: 300_000,
  nowMs: now,
}
const header = { alg: 'ES256', kid: authority.keyId, typ: 'JWT' }
const claims = { sub: id, aud: [audience], exp: seconds + 300, iat: seconds }
const { token } = signJwtSvid(order)

function verified(token: string, nowMs = now): VerifiedJwtSvid {
  const svid = verifyJwtSvid(token, audience, bundles, nowMs)
  if (svid.kind === 'refused') throw new Error(`${svid.code}: ${svid.message}`)
  return svid
}

/** Signed by the authority, with changes; a member that is undefined is left out. */
function forged(changedClaims: object, changedHeader: object = {}, key: KeyObject = authority.privateKey): string {
  return signCompact({ ...header, ...changedHeader }, { ...claims, ...changedClaims }, key)
}

const rawHeader = (text: string): string => signCompact(text, claims, authority.privateKey)
const rawClaims = (text: string): string => signCompact(header, text, authority.privateKey)

t.test('a token that is signed here is verified', async (t) => {
  const svid = verified(token)
  t.equal(svid.id, id)
  t.strictSame(svid.audience, [audience])
  t.equal(svid.keyId, 'key-1')
  t.equal(svid.expiresAtMs, now + 300_000)
  t.equal(svid.issuedAtMs, now)
  t.strictSame(svid.claims, claims)
  t.strictSame(JSON.parse(Buffer.from(token.split('.')[0] ?? '', 'base64url').toString()), header)
})

t.test('times of a token are whole seconds within what was asked for', async (t) => {
  const made = signJwtSvid({ ...order, nowMs: now + 999, ttlMs: 1500 })
  t.equal(made.issuedAtMs, now)
  t.equal(made.expiresAtMs, now + 2000)
  const svid = verified(made.token, now + 1999)
  t.equal(svid.expiresAtMs, made.expiresAtMs)
  t.equal(svid.issuedAtMs, made.issuedAtMs)
  t.equal(verifyJwtSvid(made.token, audience, bundles, made.expiresAtMs).kind, 'refused')
})

t.test('what the standard leaves open is accepted', async (t) => {
  for (const [name, token] of [
    ['no type', forged({}, { typ: undefined })],
    ['the type JOSE', forged({}, { typ: 'JOSE' })],
    ['an audience that is one text', forged({ aud: audience })],
    ['more than one audience', forged({ aud: ['x', audience] })],
    ['no time of issue', forged({ iat: undefined })],
    ['seconds with a fraction', forged({ exp: seconds + 0.5, nbf: seconds - 0.5 })],
    ['more claims', forged({ jti: 'x', iss: 'https://td.example', roles: [{ a: null }], constructor: 1 })],
    ['a clock that is 20 s behind', forged({ nbf: seconds + 20, iat: seconds + 20 })],
    [
      'white space in the JSON',
      signCompact(JSON.stringify(header, null, 2), JSON.stringify(claims, null, '\t'), authority.privateKey),
    ],
    ['another trust domain with its key', forged({ sub: 'spiffe://other.example/a' }, {}, other.privateKey)],
  ] as const)
    t.equal(verified(token).kind, 'verified', name)
  t.equal(verified(forged({ iat: undefined })).issuedAtMs, undefined)
  t.strictSame(verified(forged({ aud: audience })).audience, [audience])
})

const [headerPart = '', claimsPart = '', signaturePart = ''] = token.split('.')
const signature = Buffer.from(signaturePart, 'base64url')
const N = BigInt('0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551')
const scalar = (value: bigint): Buffer => Buffer.from(value.toString(16).padStart(64, '0'), 'hex')
const withSignature = (...parts: readonly Buffer[]): string =>
  `${headerPart}.${claimsPart}.${Buffer.concat(parts).toString('base64url')}`
const r = signature.subarray(0, 32)
const s = signature.subarray(32)

/** The last character of a part has bits that stand for nothing: the next one decodes to the same. */
function neighbour(part: string): string {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
  return part.slice(0, -1) + alphabet[alphabet.indexOf(part.at(-1) ?? '') ^ 1]
}

function withHmac(secret: string | Buffer, alg: 'HS256' | 'HS384' | 'HS512'): string {
  const input = `${encodePart({ ...header, alg })}.${claimsPart}`
  return `${input}.${createHmac(alg.replace('HS', 'sha'), secret).update(input).digest('base64url')}`
}

function withKey(kind: 'p384' | 'p521' | 'ed25519' | 'rsa2048', alg: string, hash: string | null): string {
  const input = `${encodePart({ ...header, alg })}.${claimsPart}`
  const key = makeKey(kind)
  return `${input}.${sign(hash, Buffer.from(input), { key, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`
}

const attacker = makeKey('p256')
const attackerJwk = createPublicKey(attacker).export({ format: 'jwk' })
const spki = authority.publicKey.export({ type: 'spki', format: 'der' })
const jwk = authority.publicKey.export({ format: 'jwk' })
const point = spki.subarray(-65)
const unsigned = (alg: unknown, signature = ''): string =>
  `${encodePart({ ...header, alg })}.${claimsPart}.${signature}`
const padding = 'x'.repeat(9000)

/** A name for what is tried, the code that it is refused with, the token. */
const attacks: readonly (readonly [name: string, code: string, token: string])[] = [
  // Not a compact JWS.
  ['nothing', 'jws-malformed', ''],
  ['two parts', 'jws-malformed', `${headerPart}.${claimsPart}`],
  ['a trailing dot', 'jws-malformed', `${token}.`],
  ['a leading dot', 'jws-malformed', `.${token}`],
  ['the five parts of a JWE', 'jws-malformed', `${token}.a.b`],
  ['two tokens', 'jws-malformed', `${token},${token}`],
  ['with its scheme', 'jws-not-canonical', `Bearer ${token}`],
  [
    'the flattened JSON serialization',
    'jws-malformed',
    JSON.stringify({ protected: headerPart, payload: claimsPart, signature: signaturePart }),
  ],
  [
    'the general JSON serialization',
    'jws-malformed',
    JSON.stringify({ payload: claimsPart, signatures: [{ protected: headerPart, signature: signaturePart }] }),
  ],
  ['huge', 'jws-too-large', forged({ padding })],
  ['millions of dots', 'jws-too-large', '.'.repeat(5_000_000)],
  ['one more character than there may be', 'jws-too-large', 'x'.repeat(8193)],

  // Not canonical base64url.
  ['a space before', 'jws-not-canonical', ` ${token}`],
  ['a space after', 'jws-not-canonical', `${token} `],
  ['a line feed after', 'jws-not-canonical', `${token}\n`],
  [
    'a line feed within',
    'jws-not-canonical',
    `${headerPart}.${claimsPart.slice(0, 9)}\n${claimsPart.slice(9)}.${signaturePart}`,
  ],
  ['a null byte', 'jws-not-canonical', `${token}\0`],
  [
    'padding of the header',
    'jws-not-canonical',
    signInput(`${encodePart({ ...header, kid: 'key-1' })}=.${claimsPart}`, attacker),
  ],
  ['padding of the signature', 'jws-not-canonical', `${token}==`],
  [
    'bits that stand for nothing in the signature',
    'jws-not-canonical',
    `${headerPart}.${claimsPart}.${neighbour(signaturePart)}`,
  ],
  [
    'bits that stand for nothing in the header',
    'jws-not-canonical',
    `${neighbour(encodePart('{"alg":"ES256" }'))}.${claimsPart}.${signaturePart}`,
  ],
  [
    'the alphabet of base64',
    'jws-not-canonical',
    `${headerPart}.${encodePart('{"a":"~~~???"}').replaceAll('-', '+').replaceAll('_', '/')}.${signaturePart}`,
  ],
  [
    'high bits',
    'jws-not-canonical',
    `${headerPart}.${claimsPart}.${String.fromCharCode(signaturePart.charCodeAt(0) + 0x100)}${signaturePart.slice(1)}`,
  ],
  [
    'letters that are as wide as two',
    'jws-not-canonical',
    `${headerPart}.${claimsPart}.\uff21${signaturePart.slice(1)}`,
  ],

  // A header that is not one.
  ['no header', 'json-malformed', `.${claimsPart}.${signaturePart}`],
  ['a header that is a list', 'json-malformed', rawHeader('[]')],
  ['a header that is a text', 'json-malformed', rawHeader('"ES256"')],
  ['a header that is null', 'json-malformed', rawHeader('null')],
  ['a header with a byte order mark', 'json-malformed', rawHeader(`\ufeff${JSON.stringify(header)}`)],
  [
    'a header in UTF-16',
    'json-malformed',
    signCompact(Buffer.from(JSON.stringify(header), 'utf16le'), claims, authority.privateKey),
  ],
  [
    'a header that is broken UTF-8',
    'json-malformed',
    signCompact(Buffer.from('7b22616c67223a22ff227d', 'hex'), claims, authority.privateKey),
  ],
  ['two algorithms', 'json-duplicate-member', rawHeader('{"alg":"none","alg":"ES256","kid":"key-1"}')],
  [
    'two algorithms, one escaped',
    'json-duplicate-member',
    rawHeader('{"alg":"ES256","\\u0061lg":"none","kid":"key-1"}'),
  ],
  ['two key IDs', 'json-duplicate-member', rawHeader('{"alg":"ES256","kid":"key-3","kid":"key-1"}')],
  ['a deep header', 'json-too-deep', rawHeader(`{"alg":${'['.repeat(99)}${']'.repeat(99)}}`)],

  // Other algorithms.
  ...[
    'none',
    'None',
    'NONE',
    'nOnE',
    '',
    ' none',
    'none\0',
    'es256',
    'ES256 ',
    'ES256\0',
    'ЕS256',
    'HS256',
    'RS256',
    'ES256K',
  ].map((alg) => [`the algorithm ${JSON.stringify(alg)} and no signature`, 'jws-algorithm', unsigned(alg)] as const),
  ['the algorithm none and the signature', 'jws-algorithm', unsigned('none', signaturePart)],
  ['no algorithm', 'jws-algorithm', unsigned(undefined, signaturePart)],
  ['an algorithm that is null', 'jws-algorithm', unsigned(null, signaturePart)],
  ['an algorithm that is a number', 'jws-algorithm', unsigned(0, signaturePart)],
  ['a list of algorithms', 'jws-algorithm', unsigned(['ES256'], signaturePart)],
  [
    'an algorithm that is no text in the end',
    'jws-algorithm',
    unsigned({ toString: 1, valueOf: 1, toJSON: 1 }, signaturePart),
  ],
  [
    'HS256 with the public key in PEM',
    'jws-algorithm',
    withHmac(authority.publicKey.export({ type: 'spki', format: 'pem' }), 'HS256'),
  ],
  [
    'HS256 with the public key in PEM without the last line feed',
    'jws-algorithm',
    withHmac(String(authority.publicKey.export({ type: 'spki', format: 'pem' })).trim(), 'HS256'),
  ],
  ['HS384 with the public key in DER', 'jws-algorithm', withHmac(spki, 'HS384')],
  ['HS512 with the public key as a JWK', 'jws-algorithm', withHmac(JSON.stringify(jwk), 'HS512')],
  ['HS256 with the point of the public key', 'jws-algorithm', withHmac(point, 'HS256')],
  ['HS256 with x', 'jws-algorithm', withHmac(point.subarray(1, 33), 'HS256')],
  ['HS256 without a secret', 'jws-algorithm', withHmac('', 'HS256')],
  ['ES384 with its own key', 'jws-algorithm', withKey('p384', 'ES384', 'sha384')],
  ['ES512 with its own key', 'jws-algorithm', withKey('p521', 'ES512', 'sha512')],
  ['EdDSA with its own key', 'jws-algorithm', withKey('ed25519', 'EdDSA', null)],
  ['RS256 with its own key', 'jws-algorithm', withKey('rsa2048', 'RS256', 'sha256')],
  ['ES256 by an RSA key', 'jws-signature-length', withKey('rsa2048', 'ES256', 'sha256')],
  ['ES256 by a P-384 key', 'jws-signature-length', withKey('p384', 'ES256', 'sha256')],
  ['ES256 by an Ed25519 key', 'jws-signature-invalid', withKey('ed25519', 'ES256', null)],

  // Header parameters that must not be there.
  ['a critical extension', 'jws-critical', forged({}, { crit: ['exp'], exp: seconds })],
  ['a critical b64', 'jws-critical', forged({}, { crit: ['b64'], b64: false })],
  ['an empty list of critical ones', 'jws-critical', forged({}, { crit: [] })],
  ['critical, but null', 'jws-critical', forged({}, { crit: null })],
  ['b64 alone', 'jwt-svid-header-unknown', forged({}, { b64: false })],
  ['jku, signed by the authority', 'jwt-svid-header-unknown', forged({}, { jku: 'https://td.example/jwks' })],
  ['jku of the attacker', 'jwt-svid-header-unknown', forged({}, { jku: 'https://evil.example/jwks' }, attacker)],
  ['x5u of the attacker', 'jwt-svid-header-unknown', forged({}, { x5u: 'https://evil.example/chain' }, attacker)],
  ['jwk of the attacker', 'jwt-svid-header-unknown', forged({}, { jwk: attackerJwk }, attacker)],
  [
    'jwk of the attacker with the key ID',
    'jwt-svid-header-unknown',
    forged({}, { jwk: { ...attackerJwk, kid: 'key-1' } }, attacker),
  ],
  [
    'x5c of the attacker',
    'jwt-svid-header-unknown',
    forged(
      {},
      { x5c: [createPublicKey(attacker).export({ type: 'spki', format: 'der' }).toString('base64')] },
      attacker,
    ),
  ],
  ['x5t', 'jwt-svid-header-unknown', forged({}, { x5t: 'AAAA' })],
  ['__proto__', 'jwt-svid-header-unknown', rawHeader('{"alg":"ES256","kid":"key-1","__proto__":{"typ":"JWT"}}')],
  [
    'a nested JWT by cty',
    'jwt-svid-header-unknown',
    signCompact({ ...header, cty: 'JWT' }, token, authority.privateKey),
  ],
  ['a nested JWT', 'json-malformed', rawClaims(token)],
  ['a nested JWT as JSON', 'json-malformed', rawClaims(JSON.stringify(token))],
  ['a type of something else', 'jwt-svid-type', forged({}, { typ: 'at+jwt' })],
  ['a type in lower case', 'jwt-svid-type', forged({}, { typ: 'jwt' })],
  ['a type that is null', 'jwt-svid-type', forged({}, { typ: null })],
  ['a type that is no text in the end', 'jwt-svid-type', forged({}, { typ: [{ toString: 1 }] })],

  // The key.
  ['no key ID', 'jwt-svid-key-id-missing', forged({}, { kid: undefined })],
  ['an empty key ID', 'jwt-svid-key-id-missing', forged({}, { kid: '' })],
  ['a key ID that is a number', 'jwt-svid-key-id-missing', forged({}, { kid: 1 })],
  ['a list of key IDs', 'jwt-svid-key-id-missing', forged({}, { kid: ['key-1'] })],
  ...[
    'key-2',
    'KEY-1',
    ' key-1',
    'key-1\0',
    '../../dev/null',
    '/dev/null',
    "x' UNION SELECT 'k",
    '__proto__',
    'size',
    '0',
    '|cat /etc/passwd',
    padding.slice(0, 3000),
  ].map(
    (kid) => [`the key ID ${JSON.stringify(kid.slice(0, 30))}`, 'jwt-svid-key-unknown', forged({}, { kid })] as const,
  ),
  ['the key ID of another trust domain', 'jwt-svid-key-unknown', forged({}, { kid: 'key-3' }, third.privateKey)],
  [
    'another trust domain with the same path',
    'jws-signature-invalid',
    forged({ sub: 'spiffe://other.example/ns/shop/sa/web' }),
  ],
  [
    'our trust domain by the key of another with the same ID',
    'jws-signature-invalid',
    forged({}, {}, other.privateKey),
  ],
  [
    'a trust domain that is not known',
    'jwt-svid-trust-domain-unknown',
    forged({ sub: 'spiffe://unknown.example/ns/shop/sa/web' }),
  ],
  ['by the attacker', 'jws-signature-invalid', forged({}, {}, attacker)],

  // The signature.
  ['no signature', 'jws-signature-length', withSignature()],
  ['a signature that is too short', 'jws-signature-length', withSignature(signature.subarray(1))],
  ['a signature that is too long', 'jws-signature-length', withSignature(signature, Buffer.of(0))],
  ['zeros before r and s', 'jws-signature-length', withSignature(Buffer.of(0), r, Buffer.of(0), s)],
  ['zeros before the signature', 'jws-signature-length', withSignature(Buffer.alloc(64), signature)],
  [
    'a signature in DER',
    'jws-signature-length',
    withSignature(sign('sha256', Buffer.from(`${headerPart}.${claimsPart}`), authority.privateKey)),
  ],
  ...[
    [0n, 0n],
    [0n, 1n],
    [1n, 0n],
    [1n, 1n],
    [N, 1n],
    [1n, N],
    [N, N],
    [0n, N],
    [N, 0n],
    [N - 1n, N - 1n],
    [N + 1n, 1n],
    [2n ** 256n - 1n, 2n ** 256n - 1n],
  ].map(
    ([r = 0n, s = 0n]) =>
      [
        `r ${r.toString(16)} and s ${s.toString(16)}`,
        'jws-signature-invalid',
        withSignature(scalar(r), scalar(s)),
      ] as const,
  ),
  ['s = 0', 'jws-signature-invalid', withSignature(r, scalar(0n))],
  ['r = 0', 'jws-signature-invalid', withSignature(scalar(0n), s)],
  ['s = n', 'jws-signature-invalid', withSignature(r, scalar(N))],
  ['r and s the other way round', 'jws-signature-invalid', withSignature(s, r)],
  [
    'a changed header',
    'jws-signature-invalid',
    `${encodePart({ ...header, typ: 'JOSE' })}.${claimsPart}.${signaturePart}`,
  ],
  [
    'a changed subject',
    'jws-signature-invalid',
    `${headerPart}.${encodePart({ ...claims, sub: `${id}2` })}.${signaturePart}`,
  ],
  [
    'the signature of another token',
    'jws-signature-invalid',
    `${headerPart}.${claimsPart}.${forged({ exp: seconds + 301 }).split('.')[2]}`,
  ],

  // The claims.
  ['no claims', 'json-malformed', signInput(`${headerPart}.`, authority.privateKey)],
  ['claims that are a list', 'json-malformed', rawClaims('[]')],
  ['claims that are null', 'json-malformed', rawClaims('null')],
  ['more after the claims', 'json-malformed', rawClaims(`${JSON.stringify(claims)}{}`)],
  [
    'two subjects',
    'json-duplicate-member',
    rawClaims(`{"sub":"spiffe://td.example/admin",${JSON.stringify(claims).slice(1)}`),
  ],
  [
    'two ends of validity',
    'json-duplicate-member',
    rawClaims(`${JSON.stringify(claims).slice(0, -1)},"e\\u0078p":9999999999}`),
  ],
  [
    'two members deep inside',
    'json-duplicate-member',
    rawClaims(`${JSON.stringify(claims).slice(0, -1)},"x":[{"a":1,"a":2}]}`),
  ],
  [
    'deep claims',
    'json-too-deep',
    rawClaims(`${JSON.stringify(claims).slice(0, -1)},"x":${'['.repeat(2000)}${']'.repeat(2000)}}`),
  ],
  ['no subject', 'jwt-svid-subject-missing', forged({ sub: undefined })],
  ['a subject that is null', 'jwt-svid-subject-missing', forged({ sub: null })],
  ['a list of subjects', 'jwt-svid-subject-missing', forged({ sub: [id] })],
  ['a subject that is no SPIFFE ID', 'spiffe-id-scheme', forged({ sub: 'web' })],
  ['an empty subject', 'spiffe-id-empty', forged({ sub: '' })],
  ['a subject in upper case', 'spiffe-id-scheme', forged({ sub: 'SPIFFE://td.example/a' })],
  ['a trust domain in upper case', 'spiffe-id-trust-domain-character', forged({ sub: 'spiffe://TD.example/a' })],
  ['a trust domain with a port', 'spiffe-id-trust-domain-character', forged({ sub: 'spiffe://td.example:443/a' })],
  ['a subject with a user', 'spiffe-id-trust-domain-character', forged({ sub: 'spiffe://td.example@other.example/a' })],
  ['a subject with a query', 'spiffe-id-path-character', forged({ sub: `${id}?x` })],
  ['a subject with percent-encoding', 'spiffe-id-path-character', forged({ sub: 'spiffe://td.example/%61' })],
  ['a subject with a null byte', 'spiffe-id-path-character', forged({ sub: `${id}\0` })],
  ['a subject with a trailing slash', 'spiffe-id-path-trailing-slash', forged({ sub: `${id}/` })],
  ['a subject with dots', 'spiffe-id-path-dot-segment', forged({ sub: 'spiffe://td.example/a/../b' })],
  ['a subject with an empty segment', 'spiffe-id-path-empty-segment', forged({ sub: 'spiffe://td.example//a' })],
  ['an oversized subject', 'spiffe-id-too-long', forged({ sub: `${id}/${'a'.repeat(2048)}` })],
  ['the trust domain itself', 'jwt-svid-subject-without-path', forged({ sub: 'spiffe://td.example' })],
  ['no audience', 'jwt-svid-audience-missing', forged({ aud: undefined })],
  ['an empty list of audiences', 'jwt-svid-audience-missing', forged({ aud: [] })],
  ['an empty audience', 'jwt-svid-audience-malformed', forged({ aud: '' })],
  ['an empty audience beside ours', 'jwt-svid-audience-malformed', forged({ aud: [audience, ''] })],
  ['an audience that is null', 'jwt-svid-audience-malformed', forged({ aud: null })],
  ['an audience that is an object', 'jwt-svid-audience-malformed', forged({ aud: { 0: audience, length: 1 } })],
  ['a list within the list', 'jwt-svid-audience-malformed', forged({ aud: [[audience]] })],
  ['a number beside ours', 'jwt-svid-audience-malformed', forged({ aud: [audience, 1] })],
  ...[
    'spiffe://td.example/ns/shop/sa/other',
    `${audience}/`,
    `${audience}x`,
    audience.slice(0, -1),
    audience.toUpperCase(),
    ` ${audience}`,
    '*',
    `${audience},x`,
  ].map((aud) => [`the audience ${aud}`, 'jwt-svid-audience-mismatch', forged({ aud: [aud] })] as const),
  ['no end', 'jwt-svid-expiry-missing', forged({ exp: undefined })],
  ['an end that is a text', 'jwt-svid-time-malformed', forged({ exp: String(seconds + 300) })],
  ['an end that is null', 'jwt-svid-time-malformed', forged({ exp: null })],
  ['an end before 1970', 'jwt-svid-time-malformed', forged({ exp: -1 })],
  ['an end after all dates', 'jwt-svid-time-malformed', forged({ exp: 1e300 })],
  [
    'an end that is infinite',
    'jwt-svid-time-malformed',
    rawClaims(JSON.stringify(claims).replace(/"exp":\d+/, '"exp":1e999')),
  ],
  ['an end in milliseconds', 'jwt-svid-time-malformed', forged({ exp: now })],
  ['expired now', 'jwt-svid-expired', forged({ exp: seconds })],
  ['expired a second ago', 'jwt-svid-expired', forged({ exp: seconds - 1 })],
  ['expired in 1970', 'jwt-svid-expired', forged({ exp: 0 })],
  ['of the future', 'jwt-svid-not-yet-valid', forged({ nbf: seconds + 21 })],
  ['a start that is a text', 'jwt-svid-time-malformed', forged({ nbf: '0' })],
  ['issued in the future', 'jwt-svid-issued-in-future', forged({ iat: seconds + 21 })],
  ['issued at true', 'jwt-svid-time-malformed', forged({ iat: true })],
]

t.test('attacks', async (t) => {
  const seen = new Set<string>()
  for (const [name, code, token] of attacks) {
    const svid = verifyJwtSvid(token, audience, bundles, now)
    seen.add(code)
    if (svid.kind === 'verified') {
      t.fail(`accepted: ${name}`)
      continue
    }
    t.equal(svid.code, code, name)
    t.match(svid.message, /^the token [ -~]{1,400}$/, svid.message)
    t.notOk(svid.message.includes(signaturePart), 'a message cannot be shown as a token')
  }
  // One is of signing only, one needs a bundle that no document makes.
  const elsewhere = ['jwt-svid-ttl', 'jws-key-mismatch', ...spiffeIdErrorCodes]
  const missing = jwtSvidRefusalCodes.filter((code) => !seen.has(code) && !elsewhere.some((other) => other === code))
  t.same(missing, [], 'there is an attack for every code')
  t.comment(`${attacks.length} tokens refused`)
})

t.test('audiences that a validator does not have', async (t) => {
  for (const [ours, aud] of [
    ['', ''],
    ['', ['']],
    ['', audience],
    ['length', ['x']],
    ['0', ['x']],
    ['spiffe://td.example/a,spiffe://td.example/b', ['spiffe://td.example/a', 'spiffe://td.example/b']],
  ] as const)
    t.equal(verifyJwtSvid(forged({ aud }), ours, bundles, now).kind, 'refused', JSON.stringify([ours, aud]))
})

t.test('bundles', async (t) => {
  const codeOf = (bundles: TrustBundleSet): string => {
    const svid = verifyJwtSvid(token, audience, bundles, now)
    return svid.kind === 'refused' ? svid.code : svid.kind
  }
  const withKey = (key: KeyObject): TrustBundleSet =>
    new Map([[authority.bundle.trustDomain, { ...authority.bundle, jwtAuthorities: new Map([['key-1', key]]) }]])
  t.equal(codeOf(new Map()), 'jwt-svid-trust-domain-unknown')
  t.equal(codeOf(new Map([[authority.bundle.trustDomain, other.bundle]])), 'jwt-svid-trust-domain-unknown')
  t.equal(
    codeOf(new Map([[authority.bundle.trustDomain, { ...authority.bundle, jwtAuthorities: new Map() }]])),
    'jwt-svid-key-unknown',
  )
  t.equal(codeOf(withKey(createPublicKey(makeKey('p384')))), 'jws-key-mismatch')
  t.equal(codeOf(withKey(authority.privateKey)), 'jws-key-mismatch')
  t.equal(codeOf(withKey(authority.publicKey)), 'verified')
})

t.test('what is wrong is told', async (t) => {
  const told = (token: string): string => {
    const svid = verifyJwtSvid(token, audience, bundles, now)
    return svid.kind === 'refused' ? svid.message : ''
  }
  t.equal(told(forged({ exp: seconds - 3 * 3600 })), 'the token expired 3 h ago, at 2025-12-31T21:00:00.000Z')
  t.equal(
    told(forged({ nbf: seconds + 60 })),
    'the token is not valid before 2026-01-01T00:01:00.000Z, in 1 min: does a clock differ?',
  )
  t.equal(told(forged({ aud: ['a', 'b'] })), 'the token is for "a, b", not for "spiffe://td.example/ns/shop/sa/api"')
  t.equal(told(rawHeader('[]')), 'the token has a header that is JSON, but no object')
  t.equal(
    told(forged({ sub: 'web' })),
    'the token has a subject that is no SPIFFE ID: a SPIFFE ID starts with spiffe://: "web"',
  )
})

t.test('orders that are refused', async (t) => {
  const cases: readonly (readonly [Partial<JwtSvidOrder>, code: string])[] = [
    [{ id: parseSpiffeId('spiffe://td.example') }, 'jwt-svid-subject-without-path'],
    [{ audience: [] }, 'jwt-svid-audience-missing'],
    [{ audience: [''] }, 'jwt-svid-audience-malformed'],
    [{ audience: ['a'.repeat(513)] }, 'jwt-svid-audience-malformed'],
    [{ audience: Array.from({ length: 17 }, (_, index) => `a${index}`) }, 'jwt-svid-audience-malformed'],
    [{ audience: Array.from({ length: 16 }, () => 'a'.repeat(512)) }, 'jws-too-large'],
    [{ keyId: '' }, 'jwt-svid-key-id-missing'],
    [{ ttlMs: 999 }, 'jwt-svid-ttl'],
    [{ ttlMs: 86_400_001 }, 'jwt-svid-ttl'],
    [{ ttlMs: Number.NaN }, 'jwt-svid-ttl'],
    [{ privateKey: makeKey('p384') }, 'jws-key-mismatch'],
    [{ privateKey: makeKey('rsa2048') }, 'jws-key-mismatch'],
    [{ privateKey: authority.publicKey }, 'jws-key-mismatch'],
  ]
  for (const [change, code] of cases) t.throws(() => signJwtSvid({ ...order, ...change }), { code }, code)
})

t.test('whatever is signed is verified, by the audiences it names and no other, until it ends', async () => {
  const segment = fc.stringMatching(/^[a-zA-Z0-9_-]{1,20}$/)
  const text = fc.string({ minLength: 1, maxLength: 40, unit: 'binary' })
  fc.assert(
    fc.property(
      fc.array(segment, { minLength: 1, maxLength: 5 }),
      fc.uniqueArray(text, { minLength: 1, maxLength: 5 }),
      text,
      fc.integer({ min: 1000, max: 86_400_000 }),
      fc.integer({ min: 0, max: 4_000_000_000_000 }),
      (path, audiences, stranger, ttlMs, nowMs) => {
        const id = spiffeIdOf(authority.bundle.trustDomain, `/${path.join('/')}`)
        const made = signJwtSvid({ ...order, id, audience: audiences, ttlMs, nowMs })
        const at = (ours: string, nowMs: number): string => {
          const svid = verifyJwtSvid(made.token, ours, bundles, nowMs)
          return svid.kind === 'verified' && svid.id === id ? 'verified' : svid.kind
        }
        return (
          audiences.every((ours) => at(ours, nowMs) === 'verified') &&
          at(audiences[0]!, made.expiresAtMs - 1) === 'verified' &&
          at(audiences[0]!, made.expiresAtMs) === 'refused' &&
          at(stranger, nowMs) === (audiences.includes(stranger) ? 'verified' : 'refused')
        )
      },
    ),
    { numRuns: 50 },
  )
})

t.test('no other text than the token is verified', async (t) => {
  const cut = fc.nat({ max: token.length })
  fc.assert(
    fc.property(cut, fc.nat({ max: 3 }), fc.string({ maxLength: 3, unit: 'binary' }), (at, removed, inserted) => {
      const mutant = token.slice(0, at) + inserted + token.slice(at + removed)
      const { kind } = verifyJwtSvid(mutant, audience, bundles, now)
      return (kind === 'verified') === (mutant === token)
    }),
    { numRuns: 500 },
  )
  t.pass()
})
