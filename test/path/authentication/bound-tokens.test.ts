import { createHash, createPrivateKey, randomUUID } from 'node:crypto'
import type { OutgoingHttpHeaders } from 'node:http'
import t, { type Test } from 'tap'
import type { RequestAuthentication } from '../../../src/policy/model.ts'
import { startApp } from '../../fixtures/app.ts'
import { makeTestCa, type TestCa, type TestLeaf } from '../../fixtures/ca.ts'
import { checkLeaks } from '../../fixtures/leaks.ts'
import {
  allow,
  policyOf,
  type Reply,
  send,
  sendTls,
  startTestSidecar,
  TRUST_DOMAIN,
  type TestSidecar,
} from '../../fixtures/sidecar.ts'
import {
  accepting,
  dpopProof,
  jwtOf,
  makeIssuer,
  makeSigningKey,
  publicJwk,
  thumbprint,
} from '../../fixtures/user-tokens.ts'

checkLeaks(t)

interface Shown {
  readonly headers?: OutgoingHttpHeaders
  readonly path?: string
}

const issuer = makeIssuer()
const key = makeSigningKey('ES256')
const jkt = thumbprint(key)
type Binding = RequestAuthentication['spec']['jwt'][number]['binding']

interface Setting {
  readonly ca: TestCa
  readonly leaf: TestLeaf
  readonly sidecar: TestSidecar
  ask(options: Shown, leaf?: TestLeaf): Promise<readonly [number, unknown]>
  challenge(options: Shown): Promise<unknown>
}

async function start(t: Test, binding?: Binding, config: object = {}): Promise<Setting> {
  const app = await startApp(t)
  const ca = makeTestCa(TRUST_DOMAIN)
  const sidecar = await startTestSidecar(t, {
    ca,
    id: '/ns/default/sa/api',
    app: app.address,
    inbound: { mode: 'permissive' },
    config,
    policy: policyOf({
      policies: [allow('all')],
      authentications: [
        accepting({
          jwt: [
            jwtOf(issuer, {
              from: [{ header: 'authorization', prefix: 'Bearer ' }, { header: 'x-token' }],
              ...(binding === undefined ? {} : { binding }),
            }),
          ],
        }),
      ],
    }),
  })
  const leaf = ca.issue('/ns/default/sa/web')
  const reply = (options: Shown, with_ = leaf): Promise<Reply> => sendTls(sidecar.inbound, ca, with_, options)
  return {
    ca,
    leaf,
    sidecar,
    ask: async (options, with_) => {
      const { status, headers } = await reply(options, with_)
      return [status, headers['x-outrider-refusal']]
    },
    challenge: async (options) => (await reply(options)).headers['www-authenticate'],
  }
}

function digestOf({ chainDer }: TestLeaf): string {
  return createHash('sha256').update(chainDer[0]!).digest('base64url')
}

function bearer(token: string): Shown {
  return { headers: { authorization: `Bearer ${token}` } }
}

function dpop(token: string, ...proofs: readonly string[]): Shown {
  return { headers: { authorization: `DPoP ${token}`, ...(proofs.length === 0 ? {} : { dpop: [...proofs] }) } }
}

t.test('a token that is bound to a certificate (RFC 8705)', async (t) => {
  const setting = await start(t)
  const { ca, leaf, sidecar } = setting
  const bound = issuer.token({ cnf: { 'x5t#S256': digestOf(leaf) } })
  t.same(await setting.ask(bearer(bound)), [200, undefined], 'on the connection with that certificate')
  t.same(await setting.ask(bearer(bound)), [200, undefined], 'also when it is remembered')
  const other = ca.issue('/ns/default/sa/web')
  t.same(
    await setting.ask(bearer(bound), other),
    [401, 'token-binding-mismatch'],
    'another certificate, of the same workload',
  )
  t.equal((await send(sidecar.inbound, bearer(bound))).status, 401, 'without TLS')
  t.same(await setting.ask(bearer(issuer.token())), [200, undefined], 'one that is not bound')
  const both = issuer.token({ cnf: { 'x5t#S256': digestOf(leaf), jkt } })
  t.same(await setting.ask(dpop(both)), [401, 'dpop-proof-missing'], 'bound twice: both have to be proven')
  t.same(await setting.ask(dpop(both, dpopProof(key, both))), [200, undefined])
  t.same(await setting.ask(dpop(both, dpopProof(key, both)), other), [401, 'token-binding-mismatch'])
})

t.test('a workload that takes bound tokens only', async (t) => {
  const unbound = issuer.token()
  for (const binding of ['certificate', 'dpop', 'any'] as const) {
    const setting = await start(t, binding)
    const byCertificate = issuer.token({ cnf: { 'x5t#S256': digestOf(setting.leaf) } })
    const byKey = issuer.token({ cnf: { jkt } })
    t.same(await setting.ask(bearer(unbound)), [401, 'token-unbound'], binding)
    t.same(
      await setting.ask(bearer(byCertificate)),
      binding === 'dpop' ? [401, 'token-unbound'] : [200, undefined],
      `${binding}: bound to the certificate`,
    )
    t.same(
      await setting.ask(dpop(byKey, dpopProof(key, byKey))),
      binding === 'certificate' ? [401, 'token-unbound'] : [200, undefined],
      `${binding}: bound to a key`,
    )
  }
})

t.test('a token that is bound to a key (DPoP, RFC 9449)', async (t) => {
  const setting = await start(t)
  const token = issuer.token({ cnf: { jkt } })
  const proof = dpopProof(key, token)
  t.same(await setting.ask(dpop(token, proof)), [200, undefined])
  t.same(await setting.ask(dpop(token, proof)), [401, 'token-replayed'], 'the same proof again')
  const [head, claims, signature = ''] = proof.split('.')
  const order = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n
  const bytes = Buffer.from(signature, 'base64url')
  const s = (order - BigInt(`0x${bytes.toString('hex', 32)}`)).toString(16).padStart(64, '0')
  const mirrored = Buffer.concat([bytes.subarray(0, 32), Buffer.from(s, 'hex')]).toString('base64url')
  t.same(await setting.ask(dpop(token, `${head}.${claims}.${mirrored}`)), [401, 'token-replayed'], 'with (r, n - s)')

  t.same(await setting.ask(bearer(token)), [401, 'token-binding-mismatch'], 'never a bearer token')
  t.same(
    await setting.ask({ headers: { authorization: `Bearer ${token}`, dpop: dpopProof(key, token) } }),
    [401, 'token-binding-mismatch'],
    'also with a proof',
  )
  t.same(await setting.ask(dpop(token)), [401, 'dpop-proof-missing'])
  t.equal(
    await setting.challenge(dpop(token)),
    'DPoP error="invalid_dpop_proof", algs="ES256 ES384 ES512 PS256 PS384 PS512 RS256 RS384 RS512 EdDSA"',
  )
  t.same(await setting.ask({ headers: { 'x-token': token } }), [401, 'dpop-proof-missing'], 'elsewhere')
  t.same(await setting.ask({ headers: { 'x-token': token, dpop: dpopProof(key, token) } }), [200, undefined])
  t.same(await setting.ask(dpop(issuer.token(), dpopProof(key, token))), [401, 'token-unbound'], 'a bearer token')
})

t.test('proofs that prove nothing', async (t) => {
  const setting = await start(t)
  const token = issuer.token({ cnf: { jkt } })
  const other = makeSigningKey('ES256')
  const now = Math.floor(Date.now() / 1000)
  const secret = createPrivateKey({ key: other.export({ type: 'pkcs8', format: 'der' }), type: 'pkcs8', format: 'der' })
  const cases: readonly (readonly [name: string, code: string, proof: string])[] = [
    ['of another key', 'token-binding-mismatch', dpopProof(other, token)],
    ['signed by another key than it shows', 'dpop-proof-invalid', dpopProof(other, token, {}, { jwk: publicJwk(key) })],
    ['for another token', 'dpop-proof-invalid', dpopProof(key, issuer.token())],
    ['for no token', 'dpop-proof-invalid', dpopProof(key, token, { ath: undefined })],
    ['for another method', 'dpop-proof-mismatch', dpopProof(key, token, { htm: 'POST' })],
    ['for the method in small letters', 'dpop-proof-mismatch', dpopProof(key, token, { htm: 'get' })],
    ['for another host', 'dpop-proof-mismatch', dpopProof(key, token, { htu: 'https://billing/' })],
    ['for another port', 'dpop-proof-mismatch', dpopProof(key, token, { htu: 'https://api:8443/' })],
    ['for another path', 'dpop-proof-mismatch', dpopProof(key, token, { htu: 'https://api/a' })],
    ['for another scheme', 'dpop-proof-mismatch', dpopProof(key, token, { htu: 'ftp://api/' })],
    ['for a path alone', 'dpop-proof-mismatch', dpopProof(key, token, { htu: '/' })],
    ['with a user', 'dpop-proof-mismatch', dpopProof(key, token, { htu: 'https://api@evil.test/' })],
    ['too old', 'dpop-proof-expired', dpopProof(key, token, { iat: now - 61 })],
    ['of the future', 'dpop-proof-expired', dpopProof(key, token, { iat: now + 40 })],
    ['without a time', 'dpop-proof-invalid', dpopProof(key, token, { iat: undefined })],
    ['of a time that is a text', 'dpop-proof-invalid', dpopProof(key, token, { iat: String(now) })],
    ['without an ID', 'dpop-proof-invalid', dpopProof(key, token, { jti: undefined })],
    ['with an empty ID', 'dpop-proof-invalid', dpopProof(key, token, { jti: '' })],
    ['with a huge ID', 'dpop-proof-invalid', dpopProof(key, token, { jti: 'x'.repeat(300) })],
    ['of another type', 'dpop-proof-invalid', dpopProof(key, token, {}, { typ: 'JWT' })],
    ['without a key', 'dpop-proof-invalid', dpopProof(key, token, {}, { jwk: undefined })],
    [
      'with a private key',
      'dpop-proof-invalid',
      dpopProof(other, token, {}, { jwk: { ...secret.export({ format: 'jwk' }) } }),
    ],
    [
      'with a shared secret',
      'dpop-proof-invalid',
      dpopProof(key, token, {}, { alg: 'HS256', jwk: { kty: 'oct', k: 'AAAA' } }),
    ],
    ['without a signature', 'dpop-proof-invalid', dpopProof(key, token, {}, { alg: 'none' }).replace(/[^.]*$/, '')],
    ['with critical extensions', 'dpop-proof-invalid', dpopProof(key, token, {}, { crit: ['x'] })],
    ['that is the token', 'dpop-proof-invalid', token],
    ['that is a text', 'dpop-proof-invalid', 'proof'],
    ['that is huge', 'dpop-proof-invalid', dpopProof(key, token, { pad: 'x'.repeat(9000) })],
  ]
  for (const [name, code, proof] of cases) t.same(await setting.ask(dpop(token, proof)), [401, code], name)
  t.same(
    await setting.ask(dpop(token, dpopProof(key, token), dpopProof(key, token))),
    [401, 'dpop-proof-invalid'],
    'two of them',
  )
  console.log(`${cases.length + 1} proofs refused`)
})

t.test('what a proof is for, in other spellings', async (t) => {
  const setting = await start(t, undefined, { dpopOrigins: 'https://api.example.com:443' })
  const token = issuer.token({ cnf: { jkt } })
  const good: readonly (readonly [path: string, htu: string])[] = [
    ['/', 'https://api'],
    ['/', 'HTTPS://API/'],
    ['/', 'https://api:443/'],
    ['/', 'http://api/'],
    ['/a/b?c=d', 'https://api/a/b'],
    ['/a/b?c=d', 'https://api/a/b?other=1#x'],
    ['/a/%62', 'https://api/a/b'],
    ['/a/b', 'https://api/a/./x/../%62'],
    ['/a', 'https://api.example.com/a'],
  ]
  for (const [path, htu] of good)
    t.same(
      await setting.ask({ path, ...dpop(token, dpopProof(key, token, { htu })) }),
      [200, undefined],
      `${path} ${htu}`,
    )
  const bad: readonly (readonly [path: string, htu: string])[] = [
    ['/a', 'http://api.example.com/a'],
    ['/a', 'https://api.example.com.evil.test/a'],
    ['/a', 'https://api/A'],
    ['/a', 'https://api/a/'],
    ['/a', 'https://api/%2e%2e/%2Fa'],
  ]
  for (const [path, htu] of bad)
    t.same(
      await setting.ask({ path, ...dpop(token, dpopProof(key, token, { htu })) }),
      [401, 'dpop-proof-mismatch'],
      `${path} ${htu}`,
    )
})

t.test('an ID is of its key: others cannot use it up', async (t) => {
  const setting = await start(t)
  const other = makeSigningKey('ES256')
  const jti = randomUUID()
  const mine = issuer.token({ cnf: { jkt } })
  const theirs = issuer.token({ cnf: { jkt: thumbprint(other) }, sub: 'bob' })
  t.same(await setting.ask(dpop(theirs, dpopProof(other, theirs, { jti }))), [200, undefined])
  t.same(await setting.ask(dpop(mine, dpopProof(key, mine, { jti }))), [200, undefined])
  t.same(await setting.ask(dpop(mine, dpopProof(key, mine, { jti }))), [401, 'token-replayed'])
})
