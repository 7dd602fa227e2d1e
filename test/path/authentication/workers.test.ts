import t from 'tap'
import { startApp } from '../../fixtures/app.ts'
import { startProvider } from '../../fixtures/identity-provider.ts'
import { checkLeaks } from '../../fixtures/leaks.ts'
import { allow, eventually, workloadOf } from '../../fixtures/sidecar.ts'
import { accepting, dpopProof, jwtOf, makeIssuer, makeSigningKey, thumbprint } from '../../fixtures/user-tokens.ts'
import { callers, startTestGroup } from '../../fixtures/workers.ts'

checkLeaks(t)

t.test('threads share the keys of issuers, and the proofs that were used', async (t) => {
  const app = await startApp(t)
  const provider = await startProvider(t)
  const one = makeIssuer('https://id.test', { keyId: 'k1' })
  const two = makeIssuer('https://id.test', { keyId: 'k2' })
  provider.serve(one.jwks)
  const jwksUri = `https://localhost:${provider.port}/jwks`
  const group = await startTestGroup(t, {
    app: app.address,
    config: { tokenProviderCaFile: provider.caFile, tokenProviderAllow: 'localhost' },
    resources: [
      workloadOf('api'),
      allow('all'),
      accepting({
        jwt: [jwtOf({ issuer: one.issuer, jwks: {} }, { keys: { jwksUri, refreshMs: 300_000, staleMs: 0 } })],
      }),
    ],
  })
  const both = await callers(t, group)
  const bearer = (token: string) => ({ authorization: `Bearer ${token}` })
  for (const caller of both) t.equal((await caller.send('/', bearer(one.token()))).status, 200)
  t.equal(provider.asked.length, 1, 'fetched once, for both')

  // A worker cannot ask by itself. It has the machine's clock, the main thread that of the test.
  provider.serve(two.jwks)
  group.clock.advance(270_000)
  await eventually(async () => {
    const replies = await Promise.all(both.map((caller) => caller.send('/', bearer(two.token()))))
    return replies.every(({ status }) => status === 200)
  }, 'both have the new keys')
  for (const caller of both)
    t.equal((await caller.send('/', bearer(one.token()))).status, 401, 'a key that was taken back counts in no thread')

  const key = makeSigningKey('ES256')
  const token = two.token({ cnf: { jkt: thumbprint(key) } })
  for (let round = 0; round < 3; round += 1) {
    const dpop = dpopProof(key, token)
    const headers = { authorization: `DPoP ${token}`, dpop }
    const [first, second] = await Promise.all(both.map((caller) => caller.send('/', headers)))
    t.same(
      new Set([first?.status, second?.status]),
      new Set([200, 401]),
      'one proof, in two threads at once: used once',
    )
    t.equal((await both[round % 2 === 0 ? 0 : 1].send('/', headers)).headers['x-outrider-refusal'], 'token-replayed')
  }

  await group.apply([accepting({ jwt: [jwtOf(one)] })])
  t.equal((await both[1].send('/', bearer(one.token()))).status, 200, 'keys in the policy itself')
})
