// Mutated tokens of users, DPoP proofs, key sets, cookies and queries: refused with a code, or what was signed.
import { isDeepStrictEqual } from 'node:util'
import t from 'tap'
import { claimsOf, makeProof, mutate } from '../fixtures/token-mutants.ts'
import { verifyDpopProof } from '../../src/identity/dpop.ts'
import { readJwkSet } from '../../src/identity/jwk-set.ts'
import { parseUserToken, type UserTokenFacts, verifyUserToken } from '../../src/identity/user-token.ts'
import { parseJsonObject } from '../../src/identity/json.ts'
import { OutriderError } from '../../src/lib/errors.ts'
import { compileAuthentication } from '../../src/policy/authentication.ts'
import { findCredentials } from '../../src/sidecar/authentication/find.ts'
import { withoutCookies, withoutParameters } from '../../src/sidecar/authentication/pieces.ts'
import { beginCase, below, pick, repeat, seconds, seed, Tally } from '../fixtures/fuzz.ts'
import { signCompact } from '../fixtures/jwt.ts'
import { accepting, jwtOf, makeIssuer, makeSigningKey, thumbprint } from '../fixtures/user-tokens.ts'

console.log(`seed ${seed}`)
const now = Date.now()
const issuer = makeIssuer('https://id.test', { now: () => now })
const keys = readJwkSet(issuer.jwks)
const rules = { audiences: ['api'], algorithms: ['ES256'], clockSkewMs: 0 } as const

function verified(token: string): UserTokenFacts | OutriderError {
  try {
    return verifyUserToken(parseUserToken(token), keys, rules, now)
  } catch (thrown) {
    if (thrown instanceof OutriderError) return thrown
    throw thrown
  }
}

t.test('mutants of tokens', async (t) => {
  const token = issuer.token()
  const tally = new Tally()
  for (const end = performance.now() + seconds * 400; performance.now() < end; ) {
    beginCase()
    const mutant = mutate(token)
    if (!(verified(mutant) instanceof OutriderError) && mutant !== token) t.fail(`verified: ${mutant}`)

    // Signed by the issuer after all: what is verified says in plain JSON what we read in it.
    const header = pick('{"alg":"ES256","kid":"k1"}', mutate('{"alg":"ES256","kid":"k1","typ":"JWT"}'))
    const claims = mutate(claimsOf(issuer.issuer, now))
    const signed = verified(signCompact(header, claims, issuer.key))
    tally.add(signed instanceof OutriderError ? signed.code : 'verified')
    if (signed instanceof OutriderError) {
      if (!/^token-[a-z-]+$/.test(signed.code)) t.fail(`another code: ${signed.code}`)
      if (!/^[ -~]{1,1500}$/.test(signed.message)) t.fail(`a message for no log: ${signed.message}`)
      continue
    }
    const plain: unknown = JSON.parse(Buffer.from(claims).toString())
    if (!isDeepStrictEqual(signed.claims, plain)) t.fail(`read otherwise: ${claims}`)
    const read = parseJsonObject(Buffer.from(claims))
    const audience = read['aud']
    if (audience !== 'api' && !(Array.isArray(audience) && audience.includes('api'))) t.fail(`for nobody: ${claims}`)
    if (signed.expiresAtMs <= now) t.fail(`expired: ${claims}`)
  }
  console.log(`note: ${tally.text}`)
})

t.test('mutants of DPoP proofs', async (t) => {
  const key = makeSigningKey('ES256')
  const token = issuer.token()
  const proof = makeProof(key, token, now)
  t.equal(verifyDpopProof(proof, token, now).thumbprint, thumbprint(key))
  for (const end = performance.now() + seconds * 200; performance.now() < end; ) {
    beginCase()
    const mutant = mutate(proof)
    try {
      verifyDpopProof(mutant, token, now)
      if (mutant !== proof) t.fail(`verified: ${mutant}`)
    } catch (thrown) {
      if (!(thrown instanceof OutriderError) || !thrown.code.startsWith('dpop-proof-')) throw thrown
    }
  }
})

t.test('mutants of key sets', async (t) => {
  const text = JSON.stringify(issuer.jwks)
  for (const end = performance.now() + seconds * 200; performance.now() < end; ) {
    beginCase()
    try {
      const { keys } = readJwkSet(parseJsonObject(Buffer.from(mutate(text))))
      if (keys.length === 0) t.fail('a set without keys')
    } catch (thrown) {
      if (!(thrown instanceof OutriderError)) throw thrown
    }
  }
})

t.test('cookies and queries: what is found is what is cut out', async (t) => {
  const { authentication } = compileAuthentication(
    [accepting({ jwt: [jwtOf(issuer, { from: [{ cookie: 'tok' }, { query: 'tok' }] })] })],
    [],
  )
  const part = (): string =>
    pick('tok', 'tok', '=', '=', ';', '; ', '&', 'a', 'abc', '%74ok', '%', '%zz', '+', '"', ' ', ',', '?')
  const names = new Set(['tok'])
  for (const end = performance.now() + seconds * 200; performance.now() < end; ) {
    beginCase()
    const cookie = repeat(12, part)
    const query = `?${repeat(12, part)}`
    const found = findCredentials(['cookie', cookie], query, authentication)
    if (!('kind' in found) && found.length > 2) t.fail('more than there are places')
    for (const [field, left] of [
      ['cookie', withoutCookies(cookie, names)],
      ['query', withoutParameters(query, names)],
    ] as const) {
      const again = findCredentials(
        field === 'cookie' ? ['cookie', left] : [],
        field === 'query' ? left : '',
        authentication,
      )
      if ('kind' in again || again.length > 0) t.fail(`left in the ${field}: ${JSON.stringify([cookie, query, left])}`)
    }
    // Twice is as once, and what has none stays as it is.
    const once = withoutParameters(query, names)
    if (withoutParameters(once === '' ? '?' : once, names) !== once && once !== '') t.fail(`not the same: ${query}`)
    if (below(2) === 0) {
      const clean = query.replaceAll(/tok|%74ok/g, 'x')
      if (withoutParameters(clean, names) !== clean) t.fail(`changed: ${clean}`)
    }
  }
})
