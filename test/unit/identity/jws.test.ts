import { createPublicKey, verify } from 'node:crypto'
import t from 'tap'
import { parseJws, signJws, verifyJws } from '../../../src/identity/jws.ts'
import { makeKey } from '../../fixtures/ca.ts'
import { encodePart, signCompact } from '../../fixtures/jwt.ts'

const key = makeKey('p256')
const publicKey = createPublicKey(key)
const token = signJws({ kid: 'k' }, { a: 'é' }, 'ES256', key)

t.test('a token that is signed here', async (t) => {
  const jws = parseJws(token, ['ES256'], 1000)
  verifyJws(jws, publicKey)
  t.strictSame(jws.header, { alg: 'ES256', kid: 'k' })
  t.equal(jws.algorithm, 'ES256')
  t.equal(jws.payload.toString(), '{"a":"é"}')
  const [header = '', payload = '', signature = ''] = token.split('.')
  const input = Buffer.from(`${header}.${payload}`)
  const made = Buffer.from(signature, 'base64url')
  t.equal(made.length, 64)
  t.ok(verify('sha256', input, { key: publicKey, dsaEncoding: 'ieee-p1363' }, made), 'OpenSSL says the same')
})

t.test('the algorithm of a header never wins over the one that signs', async (t) => {
  t.equal(parseJws(signJws({ alg: 'none' }, {}, 'ES256', key), ['ES256'], 1000).algorithm, 'ES256')
})

t.test('what is no JWS', async (t) => {
  const [header = '', payload = '', signature = ''] = token.split('.')
  for (const text of ['', '.', `${header}.${payload}`, `${token}.`, `.${token}`, `${token}.a.b`, header])
    t.throws(() => parseJws(text, ['ES256'], 1000), { code: 'jws-malformed' }, text)
  for (const text of [
    `${header}=.${payload}.${signature}`,
    `${header}.${payload}.${signature}==`,
    `${header}. ${payload}.${signature}`,
    `${header}.${payload}.${signature}\n`,
    `${header}.${payload}.A`,
    `${header}.\u0100${payload}.${signature}`,
  ])
    t.throws(() => parseJws(text, ['ES256'], 1000), { code: 'jws-not-canonical' }, text)
  t.throws(() => parseJws('..', ['ES256'], 1000), { code: 'json-malformed' })
  t.ok(parseJws(token, ['ES256'], token.length))
  t.throws(() => parseJws(token, ['ES256'], token.length - 1), { code: 'jws-too-large' })
})

t.test('the list of algorithms is the caller’s', async (t) => {
  t.throws(() => parseJws(token, [], 1000), { code: 'jws-algorithm' })
  for (const alg of ['none', 'es256', 'HS256', '', null, 256, ['ES256'], { a: 1 }, undefined])
    t.throws(
      () => parseJws(`${encodePart({ alg })}.${encodePart({})}.`, ['ES256'], 1000),
      { code: 'jws-algorithm' },
      JSON.stringify(alg),
    )
})

t.test('critical header parameters', async (t) => {
  for (const crit of [['b64'], ['exp'], [], null, 'b64'])
    t.throws(() => parseJws(signCompact({ alg: 'ES256', b64: true, crit }, {}, key), ['ES256'], 1000), {
      code: 'jws-critical',
    })
})

t.test('the key fits the algorithm', async (t) => {
  const jws = parseJws(token, ['ES256'], 1000)
  for (const kind of ['p384', 'ed25519', 'rsa2048'] as const)
    t.throws(() => verifyJws(jws, createPublicKey(makeKey(kind))), { code: 'jws-key-mismatch' }, kind)
  t.throws(() => verifyJws(jws, key), { code: 'jws-key-mismatch' }, 'a private key')
  t.throws(() => signJws({}, {}, 'ES256', publicKey), { code: 'jws-key-mismatch' }, 'a public key')
  t.throws(() => signJws({}, {}, 'ES256', makeKey('p384')), { code: 'jws-key-mismatch' })
  t.throws(() => verifyJws(jws, createPublicKey(makeKey('p256'))), { code: 'jws-signature-invalid' }, 'another key')
})
