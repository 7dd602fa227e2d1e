import t from 'tap'
import { noKeys, readJwkSet } from '../../../src/identity/jwk-set.ts'
import { parseUserToken, verifyUserToken } from '../../../src/identity/user-token.ts'
import { makeIssuer } from '../../fixtures/user-tokens.ts'

const now = Date.UTC(2026, 0, 1)
const issuer = makeIssuer('https://id.test', { now: () => now })
const keys = readJwkSet(issuer.jwks)
const rules = { audiences: ['api', 'shop'], algorithms: ['ES256'], clockSkewMs: 10_000 } as const
const nowS = now / 1000

function facts(claims: Readonly<Record<string, unknown>>, atMs: number = now) {
  return verifyUserToken(parseUserToken(issuer.token(claims)), keys, rules, atMs)
}

t.test('what a token says, and until when it is believed', async (t) => {
  const digest = 'A'.repeat(43)
  const read = facts({ sub: 'ann', aud: ['x', 'shop'], exp: nowS + 60.5, cnf: { jkt: digest } })
  t.match(read, {
    subject: 'ann',
    expiresAtMs: now + 60_500 + 10_000,
    confirmation: { certificate: undefined, dpopKey: digest },
  })
  t.equal(facts({ sub: undefined }).subject, undefined, 'it may name nobody')
  t.equal(facts({}).confirmation, undefined)
})

t.test('the skew, to the millisecond', async (t) => {
  t.ok(facts({ exp: nowS }, now + 9_999))
  t.throws(() => facts({ exp: nowS }, now + 10_000), { code: 'token-expired' })
  for (const name of ['nbf', 'iat']) {
    t.ok(facts({ [name]: nowS + 10 }), name)
    t.throws(() => facts({ [name]: nowS + 10.001 }), { code: 'token-not-yet-valid' }, name)
    t.ok(facts({ [name]: undefined }), `${name} may be missing`)
  }
})

t.test('the signature comes before what was signed', async (t) => {
  const token = parseUserToken(issuer.token({ exp: 1, aud: 'nobody' }))
  t.throws(() => verifyUserToken(token, noKeys, rules, now), { code: 'token-key-unknown' })
  const other = readJwkSet(makeIssuer('https://id.test').jwks)
  t.throws(() => verifyUserToken(token, other, rules, now), { code: 'token-signature' })
  t.throws(() => verifyUserToken(token, keys, rules, now), { code: 'token-expired' })
  const narrow = { ...rules, algorithms: ['RS256'] } as const
  t.throws(() => verifyUserToken(token, keys, narrow, now), { code: 'token-algorithm' }, 'even with a key for it')
})
