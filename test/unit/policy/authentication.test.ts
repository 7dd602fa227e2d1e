import t from 'tap'
import { compileAuthentication } from '../../../src/policy/authentication.ts'
import { compilePolicy } from '../../../src/policy/compile.ts'
import type { RequestAuthentication } from '../../../src/policy/model.ts'
import { allow, workloadOf } from '../../fixtures/sidecar.ts'
import { accepting, introspectionOf, jwtOf, makeIssuer } from '../../fixtures/user-tokens.ts'

const issuer = makeIssuer()
const other = makeIssuer('https://other.test')

function compiled(...resources: readonly RequestAuthentication[]) {
  return compileAuthentication(resources, [])
}

t.test('places, and what is accepted at each', async (t) => {
  const { authentication, violations } = compiled(
    accepting({
      jwt: [
        jwtOf(issuer, { from: [{ header: 'authorization', prefix: 'Bearer ' }, { cookie: 'a' }, { query: 'b' }] }),
        jwtOf(other, { from: [{ header: 'authorization', prefix: 'bearer' }, { header: 'x' }] }),
      ],
      introspection: [introspectionOf('https://as.test/i')],
      apiKeys: { from: [{ header: 'x', prefix: 'Key ' }], forward: false },
    }),
  )
  t.same(violations, [])
  t.equal(authentication.empty, false)
  const [bearer, ...more] = authentication.headers.get('authorization') ?? []
  t.same(more, [], 'one scheme is one place, however it is written')
  t.same([...(bearer?.issuers.keys() ?? [])], [issuer.issuer, other.issuer])
  t.equal(bearer?.introspection?.endpoint, 'https://as.test/i')
  t.same(
    authentication.headers.get('x')?.map(({ location }) => location),
    [{ header: 'x', prefix: 'key ' }, { header: 'x' }],
    'the longest prefix first',
  )
  t.same([...authentication.cookies.keys()], ['a'])
  t.same([...authentication.queries.keys()], ['b'])
  t.same([...authentication.issuers], [issuer.issuer, other.issuer])
  t.equal(compiled().authentication.empty, true)
})

t.test('one address of keys for several issuers: the shorter times', async (t) => {
  const at = (name: string, refreshMs: number, staleMs: number) =>
    accepting({ jwt: [jwtOf(issuer, { keys: { jwksUri: 'https://id.test/keys', refreshMs, staleMs } })] }, name)
  const { authentication } = compiled(at('a', 10, 2000), at('b', 20, 1000))
  t.same([...authentication.keySources], [['https://id.test/keys', { refreshMs: 10, staleMs: 1000 }]])
})

t.test('what cannot be compiled', async (t) => {
  const many = Array.from({ length: 5 }, (_, index) => accepting({ jwt: [jwtOf(issuer)] }, `r${index}`))
  const cases: readonly (readonly [code: string, field: string, resources: readonly RequestAuthentication[]])[] = [
    ['jwk-set-no-keys', 'spec.jwt[0].jwks', [accepting({ jwt: [jwtOf({ issuer: 'i', jwks: { keys: [] } })] })]],
    ['jwk-set-malformed', 'spec.jwt[0].jwks', [accepting({ jwt: [jwtOf({ issuer: 'i', jwks: {} })] })]],
    [
      'header-reserved',
      'spec.jwt[0].from[0].header',
      [accepting({ jwt: [jwtOf(issuer, { from: [{ header: 'cookie' }] })] })],
    ],
    [
      'header-reserved',
      'spec.apiKeys.from[0].header',
      [accepting({ apiKeys: { from: [{ header: 'x-forwarded-client-cert' }], forward: false } })],
    ],
    [
      'header-reserved',
      'spec.jwt[0].claimsToHeaders[0].header',
      [accepting({ jwt: [jwtOf(issuer, { claimsToHeaders: [{ claim: 'sub', header: 'authorization' }] })] })],
    ],
    [
      'claim-path-malformed',
      'spec.jwt[0].claimsToHeaders[0].claim',
      [accepting({ jwt: [jwtOf(issuer, { claimsToHeaders: [{ claim: 'a..b', header: 'x' }] })] })],
    ],
    ['issuer-repeated', 'spec.jwt[0].issuer', many],
    [
      'introspection-repeated',
      'spec.introspection[1].from',
      [accepting({ introspection: [introspectionOf('https://a.test/'), introspectionOf('https://b.test/')] })],
    ],
    [
      'token-location',
      'spec.jwt[0].from[32]',
      [
        accepting({
          jwt: [jwtOf(issuer, { from: Array.from({ length: 33 }, (_, index) => ({ header: `x-${index}` })) })],
        }),
      ],
    ],
    [
      'key-sources-too-many',
      'spec.jwt[64].jwksUri',
      [
        accepting({
          jwt: Array.from({ length: 65 }, (_, index) =>
            jwtOf(
              { issuer: `i${index}`, jwks: {} },
              { keys: { jwksUri: `https://id.test/${index}`, refreshMs: 1, staleMs: 1 } },
            ),
          ),
        }),
      ],
    ],
  ]
  for (const [code, field, resources] of cases) {
    const { violations } = compiled(...resources)
    t.match(violations, [{ code, field, resource: { kind: 'RequestAuthentication' } }], `${code} at ${field}`)
    t.equal(violations.length, 1)
    const { policy } = compilePolicy({
      workload: workloadOf('api'),
      policies: [allow('all')],
      limits: [],
      services: [],
      authentications: resources,
    })
    t.match(policy.closed, { code: 'policy-broken', detail: /RequestAuthentication/ }, 'the workload is closed')
  }
})
