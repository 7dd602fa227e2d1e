import { createHmac, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import t from 'tap'
import { startApp } from '../../fixtures/app.ts'
import { makeTestCa } from '../../fixtures/ca.ts'
import { encodePart } from '../../fixtures/jwt.ts'
import { checkLeaks } from '../../fixtures/leaks.ts'
import { allow, idOf, policyOf, sendTls, startTestSidecar, TRUST_DOMAIN, type Reply } from '../../fixtures/sidecar.ts'
import {
  accepting,
  goodClaims,
  jwtOf,
  makeIssuer,
  makeSigningKey,
  publicJwk,
  signToken,
} from '../../fixtures/user-tokens.ts'

checkLeaks(t)

const issuer = makeIssuer('https://id.test')
const rsa = makeIssuer('https://rsa.test', { algorithm: 'RS256', keyId: 'r1' })
const weak = generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey
const other = makeSigningKey('ES256')
const p384 = makeSigningKey('ES384')
const now = Math.floor(Date.now() / 1000)
const good = goodClaims(issuer.issuer, Date.now())
const header = { alg: 'ES256', typ: 'JWT', kid: 'k1' }
const [goodHeader = '', goodPayload = '', goodSignature = ''] = issuer.token().split('.')
const signatureBytes = Buffer.from(goodSignature, 'base64url')
/** The order of P-256: with (r, s) also (r, n - s) is a signature. */
const ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n

function hmac(algorithm: string, hash: string, secret: string | Buffer): string {
  const input = `${encodePart({ ...header, alg: algorithm })}.${encodePart(goodClaims(rsa.issuer, Date.now()))}`
  return `${input}.${createHmac(hash, secret).update(input).digest('base64url')}`
}

function spkiOf(key: KeyObject, format: 'pem' | 'der'): string | Buffer {
  const spki = createPublicKey(key)
  return format === 'pem' ? spki.export({ type: 'spki', format }) : spki.export({ type: 'spki', format })
}

function withSignature(bytes: Buffer): string {
  return `${goodHeader}.${goodPayload}.${bytes.toString('base64url')}`
}

function deep(levels: number): string {
  return `{"iss":"${issuer.issuer}","a":${'['.repeat(levels)}${']'.repeat(levels)}}`
}

interface Forgery {
  readonly name: string
  readonly token: string
  readonly code: string
}

const forgeries: readonly Forgery[] = [
  ...['none', 'None', 'NONE', 'nOnE', '', 'HS256', 'HS384', 'HS512', 'ES256K', 'RS1', 'RSA-OAEP', 'dir'].map((alg) => ({
    name: `algorithm "${alg}", without a signature`,
    token: `${encodePart({ ...header, alg })}.${encodePart(good)}.`,
    code: 'token-algorithm',
  })),
  ...[null, 5, ['ES256'], { a: 'ES256' }].map((alg) => ({
    name: `algorithm ${JSON.stringify(alg)}`,
    token: signToken({ ...header, alg }, good, issuer.key),
    code: 'token-algorithm',
  })),
  { name: 'no algorithm', token: signToken({ kid: 'k1' }, good, issuer.key), code: 'token-algorithm' },
  {
    name: 'HS256 with the public key as PEM',
    token: hmac('HS256', 'sha256', spkiOf(rsa.key, 'pem')),
    code: 'token-algorithm',
  },
  {
    name: 'HS256 with the public key as DER',
    token: hmac('HS256', 'sha256', spkiOf(rsa.key, 'der')),
    code: 'token-algorithm',
  },
  {
    name: 'HS256 with the modulus',
    token: hmac('HS256', 'sha256', JSON.stringify(publicJwk(rsa.key)['n']).slice(1, -1)),
    code: 'token-algorithm',
  },
  { name: 'HS256 with nothing', token: hmac('HS256', 'sha256', ''), code: 'token-algorithm' },
  {
    name: 'RS256 over a MAC with the public key',
    token: hmac('RS256', 'sha256', spkiOf(rsa.key, 'pem')).replace(/^[^.]*/, encodePart({ alg: 'RS256', kid: 'r1' })),
    code: 'token-signature',
  },
  {
    name: 'an algorithm that this issuer may not use',
    token: signToken({ ...header, alg: 'ES384' }, good, p384, 'ES384'),
    code: 'token-algorithm',
  },
  ...[
    '../../../../dev/null',
    '/etc/passwd',
    "k1' OR '1'='1",
    "x' UNION SELECT 'key",
    'k1\u0000',
    '__proto__',
    'constructor',
    'K1',
    '0',
  ].map((kid) => ({
    name: `key ID ${JSON.stringify(kid)}`,
    token: signToken({ ...header, kid }, good, other),
    code: 'token-key-unknown',
  })),
  ...[['k1'], { a: 1 }, 1, ''].map((kid) => ({
    name: `key ID ${JSON.stringify(kid)}, which is no text`,
    token: signToken({ ...header, kid }, good, issuer.key),
    code: 'token-claims',
  })),
  {
    name: 'a key of its own in the header (jwk)',
    token: signToken({ ...header, jwk: publicJwk(other) }, good, other),
    code: 'token-signature',
  },
  {
    name: 'a key set of its own by address (jku)',
    token: signToken({ ...header, jku: 'https://evil.test/jwks' }, good, other),
    code: 'token-signature',
  },
  {
    name: 'a certificate of its own by address (x5u)',
    token: signToken({ ...header, x5u: 'https://evil.test/cert' }, good, other),
    code: 'token-signature',
  },
  {
    name: 'a certificate of its own (x5c)',
    token: signToken({ ...header, x5c: [Buffer.from('cert').toString('base64')] }, good, other),
    code: 'token-signature',
  },
  ...[['exp'], ['b64'], [], null, 'exp'].map((crit) => ({
    name: `critical ${JSON.stringify(crit)}`,
    token: signToken({ ...header, crit }, good, issuer.key),
    code: 'token-malformed',
  })),
  {
    name: 'a payload that is not encoded (b64)',
    token: signToken({ ...header, b64: false }, good, issuer.key),
    code: 'token-malformed',
  },
  {
    name: 'nested (cty)',
    token: signToken({ ...header, cty: 'JWT' }, issuer.token(), issuer.key),
    code: 'token-malformed',
  },
  { name: 'nested without saying so', token: signToken(header, issuer.token(), issuer.key), code: 'token-malformed' },
  { name: 'encrypted', token: `${issuer.token()}.a.b`, code: 'token-malformed' },
  ...['dpop+jwt', 'logout+jwt', 'secevent+jwt', 'application/secevent+jwt', 5].map((typ) => ({
    name: `type ${JSON.stringify(typ)}`,
    token: signToken({ ...header, typ }, good, issuer.key),
    code: 'token-type',
  })),
  { name: 'an empty signature', token: `${goodHeader}.${goodPayload}.`, code: 'token-signature' },
  { name: 'no signature', token: `${goodHeader}.${goodPayload}`, code: 'token-malformed' },
  { name: 'a signature cut short', token: withSignature(signatureBytes.subarray(0, 63)), code: 'token-signature' },
  { name: 'half a signature', token: withSignature(signatureBytes.subarray(0, 32)), code: 'token-signature' },
  {
    name: 'a signature too long',
    token: withSignature(Buffer.concat([signatureBytes, Buffer.of(0)])),
    code: 'token-signature',
  },
  { name: 'r and s zero', token: withSignature(Buffer.alloc(64)), code: 'token-signature' },
  {
    name: 'r zero',
    token: withSignature(Buffer.concat([Buffer.alloc(32), signatureBytes.subarray(32)])),
    code: 'token-signature',
  },
  {
    name: 'r and s the order',
    token: withSignature(Buffer.from(ORDER.toString(16).repeat(2), 'hex')),
    code: 'token-signature',
  },
  { name: 'the signature of another key', token: signToken(header, good, other), code: 'token-signature' },
  {
    name: 'the signature of another token',
    token: `${goodHeader}.${encodePart({ ...good, sub: 'root' })}.${goodSignature}`,
    code: 'token-signature',
  },
  {
    name: 'a signature in DER',
    token: withSignature(Buffer.concat([Buffer.from('30440220', 'hex'), signatureBytes])),
    code: 'token-signature',
  },
  {
    name: 'the key of another curve',
    token: signToken(header, good, p384, 'ES384'),
    code: 'token-signature',
  },
  {
    name: 'RSA of 1024 bits',
    token: signToken({ alg: 'RS256', kid: 'weak' }, goodClaims(rsa.issuer, Date.now()), weak, 'RS256'),
    code: 'token-key-unknown',
  },
  { name: 'padding', token: `${goodHeader}.${goodPayload}.${goodSignature}==`, code: 'token-malformed' },
  {
    name: 'other alphabet',
    token: `${goodHeader}.${goodPayload}.${signatureBytes.toString('base64').replace(/=+$/, '')}/+`,
    code: 'token-malformed',
  },
  {
    name: 'unused bits',
    token: `${goodHeader}.${goodPayload}.${goodSignature.slice(0, -1)}${other64(goodSignature)}`,
    code: 'token-malformed',
  },
  { name: 'huge', token: signToken(header, { ...good, pad: 'x'.repeat(20_000) }, issuer.key), code: 'token-malformed' },
  { name: 'deep claims', token: signToken(header, deep(200), issuer.key), code: 'token-malformed' },
  { name: 'no JSON', token: signToken(header, 'hello', issuer.key), code: 'token-malformed' },
  { name: 'a list of claims', token: signToken(header, '[]', issuer.key), code: 'token-malformed' },
  {
    name: 'claims that are no UTF-8',
    token: signToken(header, Buffer.from([0x7b, 0xff, 0x7d]), issuer.key),
    code: 'token-malformed',
  },
  {
    name: 'a claim twice',
    token: signToken(
      header,
      `{"iss":"${issuer.issuer}","sub":"ann","sub":"root","aud":"api","exp":${now + 60}}`,
      issuer.key,
    ),
    code: 'token-malformed',
  },
  {
    name: 'a claim twice, once with escapes',
    token: signToken(
      header,
      `{"iss":"${issuer.issuer}","sub":"ann","s\\u0075b":"root","aud":"api","exp":${now + 60}}`,
      issuer.key,
    ),
    code: 'token-malformed',
  },
  {
    name: 'a header member twice',
    token: signToken('{"alg":"none","alg":"ES256","kid":"k1"}', good, issuer.key),
    code: 'token-malformed',
  },
  { name: 'expired', token: issuer.token({ exp: now - 31 }), code: 'token-expired' },
  { name: 'expired long ago', token: issuer.token({ exp: 1 }), code: 'token-expired' },
  { name: 'not valid yet', token: issuer.token({ nbf: now + 60 }), code: 'token-not-yet-valid' },
  { name: 'of the future', token: issuer.token({ iat: now + 60 }), code: 'token-not-yet-valid' },
  ...[undefined, null, 'soon', `${now + 60}`, -1, 1e300, [now + 60]].map((exp) => ({
    name: `an end of ${JSON.stringify(exp)}`,
    token: issuer.token({ exp }),
    code: 'token-claims',
  })),
  { name: 'a beginning that is no number', token: issuer.token({ nbf: '0' }), code: 'token-claims' },
  { name: 'another audience', token: issuer.token({ aud: 'billing' }), code: 'token-audience' },
  { name: 'other audiences', token: issuer.token({ aud: ['billing', 'API', 'api '] }), code: 'token-audience' },
  { name: 'no audience', token: issuer.token({ aud: undefined }), code: 'token-audience' },
  { name: 'an empty list of audiences', token: issuer.token({ aud: [] }), code: 'token-audience' },
  { name: 'an audience that is no text', token: issuer.token({ aud: { api: true } }), code: 'token-claims' },
  { name: 'audiences that are no texts', token: issuer.token({ aud: ['api', 5] }), code: 'token-claims' },
  { name: 'a subject that is no text', token: issuer.token({ sub: ['ann'] }), code: 'token-claims' },
  { name: 'another issuer', token: issuer.token({ iss: 'https://evil.test' }), code: 'token-issuer-unknown' },
  {
    name: 'an issuer with a slash more',
    token: issuer.token({ iss: `${issuer.issuer}/` }),
    code: 'token-issuer-unknown',
  },
  { name: 'no issuer', token: issuer.token({ iss: undefined }), code: 'token-issuer-unknown' },
  { name: 'an issuer that is no text', token: issuer.token({ iss: [issuer.issuer] }), code: 'token-claims' },
  { name: 'the name of another issuer', token: issuer.token({ iss: rsa.issuer }), code: 'token-key-unknown' },
  { name: 'a bearer text', token: 'abc', code: 'token-malformed' },
  { name: 'dots', token: '..', code: 'token-malformed' },
  { name: 'bound in an unknown way', token: issuer.token({ cnf: { kid: 'x' } }), code: 'token-binding-unknown' },
  { name: 'bound to nothing', token: issuer.token({ cnf: {} }), code: 'token-binding-unknown' },
  { name: 'bound by a text', token: issuer.token({ cnf: 'x5t' }), code: 'token-binding-unknown' },
  {
    name: 'bound by a digest too short',
    token: issuer.token({ cnf: { 'x5t#S256': 'AAAA' } }),
    code: 'token-binding-unknown',
  },
  {
    name: 'bound in a known and an unknown way',
    token: issuer.token({ cnf: { jkt: 'A'.repeat(43), jwe: 'x' } }),
    code: 'token-binding-unknown',
  },
]

/** The last character with its unused bits set. */
function other64(text: string): string {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
  return alphabet[alphabet.indexOf(text.at(-1)!) | 1]!
}

t.test('forged tokens, through the inbound path', async (t) => {
  const app = await startApp(t)
  const ca = makeTestCa(TRUST_DOMAIN)
  const weakKey = publicJwk(weak, { kid: 'weak', use: 'sig' })
  const keys = rsa.jwks['keys']
  const sidecar = await startTestSidecar(t, {
    ca,
    id: '/ns/default/sa/api',
    app: app.address,
    policy: policyOf({
      policies: [allow('all')],
      authentications: [
        accepting({
          jwt: [
            jwtOf(issuer, { algorithms: ['ES256'] }),
            jwtOf({ issuer: rsa.issuer, jwks: { keys: Array.isArray(keys) ? [...keys, weakKey] : [] } }),
          ],
        }),
      ],
    }),
  })
  const leaf = ca.issue('/ns/default/sa/web')
  const ask = (token: string): Promise<Reply> =>
    sendTls(sidecar.inbound, ca, leaf, { headers: { authorization: `Bearer ${token}` } })

  t.equal((await ask(issuer.token())).status, 200, 'a good token')
  t.equal((await ask(rsa.token())).status, 200, 'a good token with RSA')
  t.equal((await ask(issuer.token({ aud: ['billing', 'api'] }))).status, 200, 'one of several audiences')
  t.equal((await ask(issuer.token({ exp: now - 25 }))).status, 200, 'within the skew')
  t.equal((await ask(issuer.token({}, { typ: 'application/at+JWT' }))).status, 200, 'an access token by its type')
  const forwarded = app.seen.length
  for (const { name, token, code } of forgeries) {
    const { status, headers } = await ask(token)
    t.strictSame([status, headers['x-outrider-refusal']], [401, code], name)
    t.match(headers['www-authenticate'], /^Bearer error="invalid_token"$/, `${name}: the challenge`)
  }
  t.equal(app.seen.length, forwarded, 'none reached the application')

  const s = ORDER - BigInt(`0x${signatureBytes.toString('hex', 32)}`)
  const mirrored = Buffer.concat([signatureBytes.subarray(0, 32), Buffer.from(s.toString(16).padStart(64, '0'), 'hex')])
  t.equal(
    (await ask(withSignature(mirrored))).status,
    200,
    'with (r, s) also (r, n - s) is a signature: it says the same',
  )

  const record = await sidecar.records.take(({ code }) => code === 'token-expired')
  t.match(record, { status: 401, source: idOf('web') }, 'in the access log')
  console.log(`${forgeries.length} forged tokens refused`)
})
