import { constants, createPublicKey, sign } from 'node:crypto'
import t from 'tap'
import type { JsonObject } from '../../../src/identity/json.ts'
import { readPublicJwk, thumbprintOf } from '../../../src/identity/jwk.ts'
import { keysFor, readJwkSet } from '../../../src/identity/jwk-set.ts'
import { parseJws, signJws, verifyJws } from '../../../src/identity/jws.ts'
import { jwsAlgorithms } from '../../../src/identity/jws-algorithm.ts'
import { makeKey } from '../../fixtures/ca.ts'
import { makeSigningKey, publicJwk, signToken } from '../../fixtures/user-tokens.ts'

const p256 = publicJwk(makeKey('p256'))
const rsa = publicJwk(makeKey('rsa2048'))

t.test('every algorithm, signed by node:crypto alone and the other way round', async (t) => {
  for (const algorithm of jwsAlgorithms) {
    const key = makeSigningKey(algorithm)
    const jws = parseJws(signToken({ alg: algorithm }, { a: 1 }, key, algorithm), jwsAlgorithms, 4000)
    const [found] = keysFor(readJwkSet({ keys: [publicJwk(key)] }), undefined, algorithm)
    t.ok(found, algorithm)
    t.doesNotThrow(() => verifyJws(jws, found!.key), algorithm)
    t.throws(() => verifyJws(jws, createPublicKey(makeSigningKey(algorithm))), { code: 'jws-signature-invalid' })
    t.equal(parseJws(signJws({}, {}, algorithm, key), [algorithm], 4000).algorithm, algorithm)
    for (const other of jwsAlgorithms) {
      if (other === algorithm) continue
      const renamed = { ...jws, algorithm: other }
      t.throws(() => verifyJws(renamed, found!.key), { code: /^jws-/ }, `${algorithm} as ${other}`)
    }
  }
})

t.test('PSS with a salt of another length', async (t) => {
  const key = makeSigningKey('PS256')
  const jws = parseJws(signToken({ alg: 'PS256' }, {}, key, 'PS256'), ['PS256'], 4000)
  t.doesNotThrow(() => verifyJws(jws, createPublicKey(key)))
  const signature = sign('sha256', jws.signingInput, {
    key,
    padding: constants.RSA_PKCS1_PSS_PADDING,
    saltLength: 20,
  })
  t.throws(() => verifyJws({ ...jws, signature }, createPublicKey(key)), { code: 'jws-signature-invalid' })
})

t.test('a thumbprint is that of RFC 7638, 3.1', async (t) => {
  const jwk = {
    kty: 'RSA',
    n: '0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw',
    e: 'AQAB',
    alg: 'RS256',
    kid: '2011-04-29',
  }
  t.equal(thumbprintOf(readPublicJwk(jwk)), 'NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs')
  const okp = { kty: 'OKP', crv: 'Ed25519', x: '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo' }
  t.equal(thumbprintOf(readPublicJwk(okp)), 'kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k', 'RFC 8037, A.3')
})

t.test('keys that are passed over, and why', async (t) => {
  const weak = publicJwk(makeKey('rsa1024'))
  const odd: readonly (readonly [why: RegExp, jwk: unknown])[] = [
    [/no object/, 5],
    [/type or curve/, {}],
    [/type or curve/, { kty: 'EC', crv: 'secp256k1', x: p256['x'], y: p256['y'] }],
    [/type or curve/, { kty: 'OKP', crv: 'X25519', x: p256['x'] }],
    [/type or curve/, { ...p256, kty: 'OKP' }],
    [/type or curve/, { ...p256, crv: '__proto__' }],
    [/use "enc"/, { ...p256, use: 'enc' }],
    [/not for verifying/, { ...p256, key_ops: ['encrypt'] }],
    [/algorithm "ES384"/, { ...p256, alg: 'ES384' }],
    [/algorithm "RSA-OAEP"/, { ...rsa, alg: 'RSA-OAEP' }],
    [/ID/, { ...p256, kid: 5 }],
    [/"x"/, { ...p256, x: undefined }],
    [/"x"/, { ...p256, x: `${'A'.repeat(43)}=` }],
    [/"x"/, { ...p256, x: 'AAAA' }],
    [/OpenSSL/, { ...p256, x: Buffer.alloc(32, 1).toString('base64url') }],
    [/"n"/, { ...rsa, n: '' }],
    [/"n"/, { ...rsa, n: Buffer.concat([Buffer.of(0), Buffer.alloc(256, 255)]).toString('base64url') }],
    [/"n"/, { ...rsa, n: Buffer.alloc(1025, 255).toString('base64url') }],
    [/"e"/, { ...rsa, e: Buffer.alloc(5, 255).toString('base64url') }],
    [/exponent/, { ...rsa, e: 'AQ' }],
    [/exponent/, { ...rsa, e: 'Ag' }],
    [/too weak/, weak],
  ]
  for (const [why, jwk] of odd) {
    const set: JsonObject = JSON.parse(JSON.stringify({ keys: [jwk, p256] }))
    const { keys, ignored } = readJwkSet(set)
    t.equal(keys.length, 1, String(why))
    t.match(ignored, [{ place: 'keys[0]', why }])
  }
})

t.test('sets that are refused', async (t) => {
  const refused: readonly (readonly [code: string, set: JsonObject])[] = [
    ['jwk-set-malformed', {}],
    ['jwk-set-malformed', { keys: {} }],
    ['jwk-set-no-keys', { keys: [] }],
    ['jwk-set-no-keys', { keys: [{ kty: 'EC' }] }],
    ['jwk-set-too-many-keys', { keys: Array.from({ length: 65 }, () => p256) }],
    ['jwk-set-private-key', { keys: [p256, { kty: 'oct', k: 'AAAA' }] }],
    ['jwk-set-private-key', { keys: [{ ...p256, d: 'AAAA' }] }],
  ]
  for (const [code, set] of refused) t.throws(() => readJwkSet(set), { code }, code)
})

t.test('which keys are tried', async (t) => {
  const keyOf = (kid: string | undefined, more: JsonObject = {}): JsonObject => ({
    ...publicJwk(makeKey('p256')),
    ...(kid === undefined ? {} : { kid }),
    ...more,
  })
  const two = readJwkSet({ keys: [keyOf('a'), keyOf('b'), { ...rsa, kid: 'a' }] })
  t.equal(keysFor(two, 'a', 'ES256').length, 1, 'of the ID and the algorithm')
  t.equal(keysFor(two, 'a', 'RS256').length, 1)
  t.equal(keysFor(two, 'c', 'ES256').length, 0)
  t.equal(keysFor(two, undefined, 'ES256').length, 0, 'two could be meant')
  t.equal(keysFor(two, undefined, 'RS256').length, 1, 'only one can be meant')
  const same = readJwkSet({ keys: Array.from({ length: 10 }, () => keyOf('a')) })
  t.equal(keysFor(same, 'a', 'ES256').length, 4, 'no more than four')
  const named = readJwkSet({ keys: [{ ...rsa, alg: 'RS256' }] })
  t.equal(keysFor(named, undefined, 'PS256').length, 0, 'for the algorithm that its issuer says')
})
