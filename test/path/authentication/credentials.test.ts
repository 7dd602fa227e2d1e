import { connect } from 'node:tls'
import type { IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http'
import { connect as connectHttp2 } from 'node:http2'
import t, { type Test } from 'tap'
import type { RequestAuthentication } from '../../../src/policy/model.ts'
import { startApp, type TestApp } from '../../fixtures/app.ts'
import { makeTestCa } from '../../fixtures/ca.ts'
import { checkLeaks } from '../../fixtures/leaks.ts'
import {
  allow,
  clientTls,
  policyOf,
  type Reply,
  sendTls,
  startTestSidecar,
  TRUST_DOMAIN,
  type TestSidecar,
  wire,
} from '../../fixtures/sidecar.ts'
import { accepting, jwtOf, makeIssuer } from '../../fixtures/user-tokens.ts'

checkLeaks(t)

interface Shown {
  readonly headers?: OutgoingHttpHeaders
  readonly path?: string
}

const ann = makeIssuer('https://a.test')
const bob = makeIssuer('https://b.test')
const cat = makeIssuer('https://c.test')

interface Setting {
  readonly app: TestApp
  readonly sidecar: TestSidecar
  ask(options: Shown): Promise<Reply>
  outcome(options: Shown): Promise<readonly [number, unknown]>
  /** Bytes as they are, and what comes back. */
  raw(text: string): Promise<string>
}

async function start(t: Test, spec: Partial<RequestAuthentication['spec']>): Promise<Setting> {
  const app = await startApp(t)
  const ca = makeTestCa(TRUST_DOMAIN)
  const sidecar = await startTestSidecar(t, {
    ca,
    id: '/ns/default/sa/api',
    app: app.address,
    policy: policyOf({ policies: [allow('all')], authentications: [accepting(spec)] }),
  })
  const leaf = ca.issue('/ns/default/sa/web')
  const ask = (options: Shown): Promise<Reply> => sendTls(sidecar.inbound, ca, leaf, options)
  return {
    app,
    sidecar,
    ask,
    outcome: async (options) => {
      const { status, headers } = await ask(options)
      return [status, headers['x-outrider-refusal']]
    },
    raw: async (text) => {
      const { host, port } = sidecar.inbound
      const socket = wire(t, connect({ host, port, ...clientTls(ca, leaf) }))
      socket.socket.write(text)
      await socket.closed
      return socket.text
    },
  }
}

const everywhere = [
  { header: 'authorization', prefix: 'Bearer ' },
  { header: 'x-token', prefix: 'Token ' },
  { header: 'x-plain' },
  { cookie: 'session' },
  { query: 'access_token' },
] as const

t.test('a token is found in every place, and goes no further', async (t) => {
  const setting = await start(t, { jwt: [jwtOf(ann, { from: everywhere })] })
  const token = ann.token()
  const ways: readonly (readonly [name: string, sent: Shown, target: string, cookie: string | undefined])[] = [
    ['Bearer', { headers: { authorization: `Bearer ${token}` } }, '/', undefined],
    ['a scheme has no case', { headers: { authorization: `bEARER ${token}` } }, '/', undefined],
    ['a prefix', { headers: { 'x-token': `Token ${token}` } }, '/', undefined],
    ['no prefix', { headers: { 'x-plain': token } }, '/', undefined],
    ['the only cookie', { headers: { cookie: `session=${token}` } }, '/', undefined],
    ['the first cookie', { headers: { cookie: `session=${token}; a=1; b=2` } }, '/', 'a=1; b=2'],
    ['one of several cookies', { headers: { cookie: `a=1; session="${token}"; b=2` } }, '/', 'a=1; b=2'],
    ['the only parameter', { path: `/p?access_token=${token}` }, '/p', undefined],
    ['the first parameter', { path: `/p?access_token=${token}&a=1` }, '/p?a=1', undefined],
    ['one of several', { path: `/p?a=%41&access_token=${token}&b=2;c=3` }, '/p?a=%41&b=2;c=3', undefined],
    ['the last one', { path: `/p?a=1;access_token=${token}` }, '/p?a=1', undefined],
    ['with escapes', { path: `/p?access%5Ftoken=${token.replaceAll('.', '%2E')}` }, '/p', undefined],
  ]
  for (const [name, sent, target, cookie] of ways) {
    t.same(await setting.outcome(sent), [200, undefined], name)
    const seen = setting.app.seen.at(-1)
    t.equal(seen?.target, target, `${name}: the target`)
    t.equal(seen?.headers.cookie, cookie, `${name}: cookies`)
    t.notMatch(JSON.stringify([seen?.target, seen?.raw]), token.slice(-20), `${name}: the token is gone`)
  }
  const records = setting.sidecar.records.items
  t.notMatch(JSON.stringify(records), token.slice(-20), 'and is in no log')
})

t.test('what is no token stays as it is', async (t) => {
  const setting = await start(t, { jwt: [jwtOf(ann, { from: everywhere })] })
  const headers = { authorization: 'Basic YTpi', 'x-token': 'Other x', cookie: 'sessions=1; a=session' }
  t.same(await setting.outcome({ path: '/?xaccess_token=1&a=access_token', headers }), [200, undefined])
  const seen = setting.app.seen.at(-1)
  t.match(seen?.headers, headers)
  t.equal(seen?.target, '/?xaccess_token=1&a=access_token')
})

t.test('with `forward` the application gets the token', async (t) => {
  const setting = await start(t, { jwt: [jwtOf(ann, { from: everywhere, forward: true })] })
  const token = ann.token()
  t.same(await setting.outcome({ headers: { authorization: `Bearer ${token}` } }), [200, undefined])
  t.equal(setting.app.seen[0]?.headers.authorization, `Bearer ${token}`)
  t.same(await setting.outcome({ path: `/?access_token=${token}` }), [200, undefined])
  t.equal(setting.app.seen[1]?.target, `/?access_token=${token}`)
})

t.test('what two readers could read differently', async (t) => {
  const setting = await start(t, { jwt: [jwtOf(ann, { from: everywhere }), jwtOf(bob, { from: everywhere })] })
  const token = ann.token()
  const other = bob.token()
  const bad: readonly (readonly [name: string, status: number, code: string, sent: Shown])[] = [
    ['a cookie twice', 400, 'token-repeated', { headers: { cookie: `session=${token}; session=${other}` } }],
    ['a parameter twice', 400, 'token-repeated', { path: `/?access_token=${token}&access_token=${other}` }],
    [
      'a parameter twice, once with escapes',
      400,
      'token-repeated',
      { path: `/?access_token=${token}&%61ccess_token=${other}` },
    ],
    [
      'a parameter twice, once after a semicolon',
      400,
      'token-repeated',
      { path: `/?access_token=${token};access_token=${other}` },
    ],
    [
      'one token in two places',
      400,
      'token-repeated',
      { path: `/?access_token=${token}`, headers: { 'x-plain': token } },
    ],
    [
      'two tokens of one issuer',
      400,
      'token-repeated',
      { path: `/?access_token=${token}`, headers: { 'x-plain': ann.token({ sub: 'x' }) } },
    ],
    ['nothing after Bearer', 401, 'token-malformed', { headers: { authorization: 'Bearer' } }],
    ['two texts after Bearer', 401, 'token-malformed', { headers: { authorization: `Bearer ${token} ${other}` } }],
    ['a comma', 401, 'token-malformed', { headers: { authorization: `Bearer ${token},${other}` } }],
    ['two spaces', 401, 'token-malformed', { headers: { authorization: `Bearer  ${token}` } }],
    ['an empty cookie', 401, 'token-malformed', { headers: { cookie: 'session=' } }],
    ['an empty parameter', 401, 'token-malformed', { path: '/?access_token' }],
    [
      'a good and a bad one',
      401,
      'token-expired',
      { headers: { authorization: `Bearer ${token}`, 'x-plain': bob.token({ exp: 1 }) } },
    ],
  ]
  for (const [name, status, code, sent] of bad) t.same(await setting.outcome(sent), [status, code], name)
  const reply = await setting.ask({ headers: { cookie: `session=${token}; session=${other}` } })
  t.equal(reply.headers['www-authenticate'], 'Bearer error="invalid_request"')
  t.equal(setting.app.seen.length, 0)

  // node:http sends no field twice.
  const twice = `GET / HTTP/1.1\r\nHost: api\r\nConnection: close\r\nAuthorization: Bearer ${token}\r\nAuthorization: Bearer ${other}\r\n\r\n`
  t.match(await setting.raw(twice), /^HTTP\/1\.1 400 [\s\S]*token-repeated/)
  const basic = `GET / HTTP/1.1\r\nHost: api\r\nConnection: close\r\nAuthorization: Basic YTpi\r\nAuthorization: Bearer ${token}\r\n\r\n`
  t.match(await setting.raw(basic), /^HTTP\/1\.1 400 [\s\S]*token-repeated/, 'also beside another scheme')
  const cookies = `GET / HTTP/1.1\r\nHost: api\r\nConnection: close\r\nCookie: session=${token}\r\nCookie: session=${other}\r\n\r\n`
  t.match(await setting.raw(cookies), /^HTTP\/1\.1 400 [\s\S]*token-repeated/, 'cookies in two fields')
})

t.test('several tokens of several issuers', async (t) => {
  const from = everywhere
  const dan = makeIssuer('https://d.test')
  const eve = makeIssuer('https://e.test')
  const all = [ann, bob, cat, dan, eve]
  const setting = await start(t, {
    jwt: all.map((issuer, index) =>
      jwtOf(issuer, { from, claimsToHeaders: [{ claim: 'sub', header: `x-user-${index}` }] }),
    ),
  })
  const headers = {
    authorization: `Bearer ${ann.token()}`,
    'x-token': `token ${bob.token({ sub: 'bob' })}`,
    'x-plain': cat.token({ sub: 'cat' }),
    cookie: `session=${dan.token({ sub: 'dan' })}`,
  }
  t.same(await setting.outcome({ headers }), [200, undefined], 'four')
  t.match(setting.app.seen[0]?.headers, { 'x-user-0': 'ann', 'x-user-1': 'bob', 'x-user-2': 'cat', 'x-user-3': 'dan' })
  t.same(await setting.outcome({ headers, path: `/?access_token=${eve.token()}` }), [400, 'token-too-many'], 'five')
})

t.test('claims become header fields', async (t) => {
  const setting = await start(t, {
    jwt: [
      jwtOf(ann, {
        claimsToHeaders: [
          { claim: 'sub', header: 'x-user' },
          { claim: 'realm.roles', header: 'x-roles' },
          { claim: 'level', header: 'x-level' },
          { claim: 'admin', header: 'x-admin' },
          { claim: 'address', header: 'x-address' },
          { claim: '["https://example.org/name"]', header: 'x-name' },
        ],
      }),
    ],
  })
  const forged = { 'x-user': 'root', 'X-Roles': 'admin', 'x-name': 'root', 'x-admin': 'true', 'x-other': 'mine' }
  t.same(await setting.outcome({ headers: forged }), [200, undefined], 'without a token')
  t.match(setting.app.seen[0]?.headers, { 'x-other': 'mine' })
  for (const name of ['x-user', 'x-roles', 'x-name', 'x-admin'])
    t.equal(setting.app.seen[0]?.headers[name], undefined, `${name} of a client is never forwarded`)

  const token = ann.token({
    realm: { roles: ['dev', 'a,b', 5, true, null, { x: 1 }] },
    level: 3,
    admin: false,
    address: { street: 'x' },
    'https://example.org/name': 'Zoë "\r\nX-Evil: 1\u0000% 😀',
  })
  t.same(await setting.outcome({ headers: { ...forged, authorization: `Bearer ${token}` } }), [200, undefined])
  const seen = setting.app.seen[1]?.headers
  t.match(seen, { 'x-user': 'ann', 'x-roles': 'dev,a%2Cb,5,true', 'x-level': '3', 'x-admin': 'false' })
  t.equal(seen?.['x-name'], 'Zo%C3%AB "%0D%0AX-Evil: 1%00%25 %F0%9F%98%80')
  t.equal(decodeURIComponent(String(seen?.['x-name'])), 'Zoë "\r\nX-Evil: 1\u0000% 😀', 'as it was, to who decodes it')
  t.equal(seen?.['x-address'], undefined, 'an object has no form')
  t.equal(seen?.['x-evil'], undefined)
  const rawNames = setting.app.seen[1]?.raw.filter((_, index) => index % 2 === 0) ?? []
  t.equal(rawNames.filter((name) => name.toLowerCase() === 'x-user').length, 1, 'once')

  const huge = ann.token({ realm: { roles: Array.from({ length: 900 }, (_, index) => `role-${index}`) } })
  t.same(await setting.outcome({ headers: { authorization: `Bearer ${huge}` } }), [431, 'claims-too-large'])
})

t.test('two tokens for one header field', async (t) => {
  const claimsToHeaders = [{ claim: 'sub', header: 'x-user' }]
  const setting = await start(t, {
    jwt: [jwtOf(ann, { claimsToHeaders }), jwtOf(bob, { claimsToHeaders, from: [{ header: 'x-plain' }] })],
  })
  const sent = (sub: string): Shown => ({
    headers: { authorization: `Bearer ${ann.token()}`, 'x-plain': bob.token({ sub }) },
  })
  t.same(await setting.outcome(sent('bob')), [400, 'claims-conflict'])
  t.same(await setting.outcome(sent('ann')), [200, undefined], 'where they say the same, it is no conflict')
  t.equal(setting.app.seen[0]?.headers['x-user'], 'ann')
})

t.test('one issuer in two resources, for other audiences', async (t) => {
  const app = await startApp(t)
  const ca = makeTestCa(TRUST_DOMAIN)
  const sidecar = await startTestSidecar(t, {
    ca,
    id: '/ns/default/sa/api',
    app: app.address,
    policy: policyOf({
      policies: [allow('all')],
      authentications: [
        accepting({ jwt: [jwtOf(ann, { audiences: ['first'] })] }, 'a'),
        accepting({ jwt: [jwtOf(ann, { audiences: ['second'] })] }, 'b'),
      ],
    }),
  })
  const leaf = ca.issue('/ns/default/sa/web')
  for (const [aud, status] of [
    ['first', 200],
    ['second', 200],
    ['third', 401],
  ] as const) {
    const headers = { authorization: `Bearer ${ann.token({ aud })}` }
    t.equal((await sendTls(sidecar.inbound, ca, leaf, { headers })).status, status, aud)
  }
})

t.test('a new policy forgets what was verified', async (t) => {
  const setting = await start(t, { jwt: [jwtOf(ann)] })
  const sent = { headers: { authorization: `Bearer ${ann.token()}` } }
  t.same(await setting.outcome(sent), [200, undefined])
  t.same(await setting.outcome(sent), [200, undefined])
  t.equal(await setting.sidecar.metric('outrider_tokens_total', { result: 'remembered' }), 1)
  setting.sidecar.policy.set(
    policyOf({
      policies: [allow('all')],
      authentications: [accepting({ jwt: [jwtOf(ann, { audiences: ['other'] })] })],
    }),
  )
  t.same(await setting.outcome(sent), [401, 'token-audience'])
})

t.test('over HTTP/2: cookies in pieces, and a gRPC client gets a gRPC status', async (t) => {
  const app = await startApp(t)
  const ca = makeTestCa(TRUST_DOMAIN)
  const sidecar = await startTestSidecar(t, {
    ca,
    id: '/ns/default/sa/api',
    app: app.address,
    inbound: { protocol: 'http1' },
    policy: policyOf({
      policies: [allow('all')],
      authentications: [accepting({ jwt: [jwtOf(ann, { from: [...everywhere] })] })],
    }),
  })
  const { host, port } = sidecar.inbound
  const session = connectHttp2(`https://${host}:${port}`, {
    ...clientTls(ca, ca.issue('/ns/default/sa/web')),
    ALPNProtocols: ['h2'],
  })
  t.teardown(() => session.destroy())
  const ask = (fields: OutgoingHttpHeaders): Promise<IncomingHttpHeaders> =>
    new Promise((resolve, reject) => {
      const stream = session.request({ ':authority': 'api', ':path': '/', ...fields }, { endStream: true })
      stream.once('error', reject)
      stream.once('response', (headers) => {
        stream.resume()
        stream.once('close', () => resolve(headers))
      })
    })
  const token = ann.token()
  t.match(await ask({ cookie: ['a=1', `session=${token}`, 'b=2'] }), { ':status': 200 })
  t.equal(app.seen[0]?.headers.cookie, 'a=1; b=2')
  t.match(await ask({ cookie: [`session=${token}`, `session=${bob.token()}`] }), { ':status': 400 })
  const grpc = { ':method': 'POST', 'content-type': 'application/grpc', te: 'trailers' }
  t.match(await ask({ ...grpc, authorization: `Bearer ${ann.token({ exp: 1 })}` }), {
    ':status': 200,
    'grpc-status': '16',
    'x-outrider-refusal': 'token-expired',
    'www-authenticate': 'Bearer error="invalid_token"',
  })
})

t.test('trailers bring no claims and no tokens along', async (t) => {
  const setting = await start(t, {
    jwt: [jwtOf(ann, { from: [{ header: 'x-plain' }], claimsToHeaders: [{ claim: 'sub', header: 'x-user' }] })],
  })
  const answer = await setting.raw(
    `POST / HTTP/1.1\r\nHost: api\r\nConnection: close\r\nX-Plain: ${ann.token()}\r\nTransfer-Encoding: chunked\r\n\r\n` +
      `1\r\na\r\n0\r\nX-User: root\r\nX-Plain: x\r\nDPoP: x\r\nX-Sum: 5\r\n\r\n`,
  )
  t.match(answer, /^HTTP\/1\.1 200/)
  t.strictSame({ ...setting.app.seen[0]?.trailers }, { 'x-sum': '5' })
  t.equal(setting.app.seen[0]?.headers['x-user'], 'ann')
})

t.test('names with an underscore, where an option lets them through', async (t) => {
  const app = await startApp(t)
  const ca = makeTestCa(TRUST_DOMAIN)
  const sidecar = await startTestSidecar(t, {
    ca,
    id: '/ns/default/sa/api',
    app: app.address,
    config: { underscoresInHeaders: 'allow' },
    policy: policyOf({
      policies: [allow('all')],
      authentications: [accepting({ jwt: [jwtOf(ann, { claimsToHeaders: [{ claim: 'sub', header: 'x-user' }] })] })],
    }),
  })
  const leaf = ca.issue('/ns/default/sa/web')
  t.equal((await sendTls(sidecar.inbound, ca, leaf, { headers: { x_user: 'root', x_other: '1' } })).status, 200)
  t.equal(app.seen[0]?.headers['x_user'], undefined)
  t.equal(app.seen[0]?.headers['x_other'], '1')
})
