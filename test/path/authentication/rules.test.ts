import t from 'tap'
import { startApp } from '../../fixtures/app.ts'
import { makeTestCa } from '../../fixtures/ca.ts'
import { checkLeaks } from '../../fixtures/leaks.ts'
import { allow, deny, idOf, policyOf, sendTls, startTestSidecar, TRUST_DOMAIN } from '../../fixtures/sidecar.ts'
import { accepting, jwtOf, makeIssuer } from '../../fixtures/user-tokens.ts'

checkLeaks(t)

const ann = makeIssuer('https://a.test')
const bob = makeIssuer('https://b.test')

t.test('rules see the user that a token proves, and the form that goes on', async (t) => {
  const app = await startApp(t)
  const ca = makeTestCa(TRUST_DOMAIN)
  const sidecar = await startTestSidecar(t, {
    ca,
    id: '/ns/default/sa/api',
    app: app.address,
    policy: policyOf({
      policies: [
        allow(
          'users',
          {
            name: 'staff-by-web',
            from: [
              {
                spiffeIds: [idOf('web')],
                requestPrincipals: ['https://a.test/*'],
                claims: [{ claim: 'groups', values: ['staff'] }],
              },
            ],
          },
          { name: 'by-field', to: [{ paths: ['/field'] }], when: [{ header: 'x-user', values: ['bob'] }] },
        ),
        deny('leavers', { from: [{ claims: [{ claim: 'left', values: ['true'] }] }] }),
      ],
      authentications: [
        accepting({
          jwt: [
            jwtOf(ann),
            jwtOf(bob, { from: [{ header: 'x-plain' }], claimsToHeaders: [{ claim: 'sub', header: 'x-user' }] }),
          ],
        }),
      ],
    }),
  })
  const web = ca.issue('/ns/default/sa/web')
  const other = ca.issue('/ns/default/sa/other')
  const staff = `Bearer ${ann.token({ groups: ['dev', 'staff'] })}`
  const byBob = bob.token({ sub: 'bob', groups: ['staff'] })
  const cases: readonly (readonly [
    name: string,
    status: number,
    code: string | undefined,
    headers: Record<string, string>,
    path?: string,
    leaf?: typeof web,
  ])[] = [
    ['the workload and the user', 200, undefined, { authorization: staff }],
    ['the workload alone', 403, 'no-allow-rule', {}],
    ['the user alone', 403, 'no-allow-rule', { authorization: staff }, '/', other],
    ['a user of another group', 403, 'no-allow-rule', { authorization: `Bearer ${ann.token({ groups: ['dev'] })}` }],
    ['the right claim, in the token of another issuer', 403, 'no-allow-rule', { 'x-plain': byBob }],
    [
      'issuer and claim in two tokens',
      403,
      'no-allow-rule',
      { authorization: `Bearer ${ann.token()}`, 'x-plain': byBob },
    ],
    ['one token of two is enough', 200, undefined, { authorization: staff, 'x-plain': byBob }],
    ['a DENY rule on a claim', 403, 'denied-by-rule', { authorization: staff, 'x-plain': bob.token({ left: true }) }],
    ['a field of claims is a field', 200, undefined, { 'x-plain': byBob }, '/field'],
    ['what the client says in it is not', 403, 'no-allow-rule', { 'x-user': 'bob' }, '/field'],
  ]
  for (const [name, status, code, headers, path = '/', leaf = web] of cases) {
    const reply = await sendTls(sidecar.inbound, ca, leaf, { headers, path })
    t.same([reply.status, reply.headers['x-outrider-refusal']], [status, code], name)
  }
})
