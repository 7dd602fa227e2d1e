import { request as httpRequest } from 'node:http'
import { connect } from 'node:net'
import { ServerCredentials } from '@grpc/grpc-js'
import t, { type Test } from 'tap'
import { formatAddress } from '../../../src/lib/address.ts'
import type { ExternalAuthorization } from '../../../src/policy/model.ts'
import { validateResource } from '../../../src/policy/validate.ts'
import {
  type Answering,
  startAuthorizationServer,
  type AuthorizationServer,
} from '../../fixtures/authorization-server.ts'
import { makeTestCa } from '../../fixtures/ca.ts'
import { begin, grpcClient, startGrpcApp } from '../../fixtures/grpc.ts'
import { rawApp } from '../../fixtures/http.ts'
import { checkLeaks } from '../../fixtures/leaks.ts'
import {
  allow,
  credentialsOf,
  eventually,
  type Hop,
  idOf,
  policyOf,
  rateLimit,
  revocation,
  send,
  startHop,
  startPair,
  TRUST_DOMAIN,
  type TestSidecarOptions,
} from '../../fixtures/sidecar.ts'

checkLeaks(t)

function external(address: string, spec: object = {}, name = 'asked'): ExternalAuthorization {
  const result = validateResource({
    apiVersion: 'outrider.mesh/v1',
    kind: 'ExternalAuthorization',
    metadata: { name },
    // Long: what is slow here is the machine.
    spec: { address, timeout: '10s', ...spec },
  })
  if (result.ok && result.resource.kind === 'ExternalAuthorization') return result.resource
  throw new Error(JSON.stringify(result))
}

interface Setting extends Hop {
  readonly server: AuthorizationServer
}

async function setUp(
  t: Test,
  answering?: Answering,
  spec: object = {},
  api: Partial<TestSidecarOptions> = {},
): Promise<Setting> {
  const server = await startAuthorizationServer(t, answering)
  const policy = { policies: [allow('all')], external: [external(formatAddress(server.address), spec)] }
  const hop = await startHop(t, { policy, api })
  return { ...hop, server }
}

const permitted = { status: { code: 0 } }

t.test('a request that the rules allow is asked about, with what is known of it', async (t) => {
  const { web, app, server, api } = await setUp(t)
  const reply = await send(web.outbound, {
    path: '/a//b/../c?x=1',
    headers: { host: 'api', 'x-forwarded-client-cert': 'forged', 'x-one': ['1', '2'], cookie: 'a=b' },
  })
  t.equal(reply.status, 200)
  t.equal(app.seen.length, 1)
  const [question] = server.asked
  const { source, destination, request, contextExtensions } = question!.attributes!
  t.equal(source!.principal, idOf('web'))
  t.match(decodeURIComponent(source!.certificate), /^-----BEGIN CERTIFICATE-----/)
  t.match(source!.address!.socketAddress, { address: /^(::ffff:)?127\.0\.0\.1$/, portValue: Number })
  t.match(destination, { principal: idOf('api'), address: { socketAddress: { portValue: api.inbound.port } } })
  const http = request!.http!
  t.match(http, { method: 'GET', path: '/a/c?x=1', host: 'api', scheme: 'https', protocol: 'HTTP/1.1', size: -1 })
  t.equal(http.id, reply.headers['x-request-id'] ?? app.seen[0]!.headers['x-request-id'])
  t.equal(http.headers[':path'], '/a/c?x=1')
  t.equal(http.headers['x-one'], '1,2')
  t.match(
    http.headers['x-forwarded-client-cert'],
    /^By=spiffe:/,
    'what the application would get, not what the client sent',
  )
  t.equal(contextExtensions['outrider.rule'], 'default/all/rules[0]')
})

t.test('a request that the rules deny is not asked about, nor is one that `to` leaves out', async (t) => {
  const { web, server } = await setUp(t, undefined, { to: [{ paths: ['/asked/{**}'] }] })
  t.equal((await send(web.outbound, { path: '/other' })).status, 200)
  t.equal(server.asked.length, 0)
  await send(web.outbound, { path: '/asked/x' })
  t.equal(server.asked.length, 1)

  const denied = await startAuthorizationServer(t)
  const policy = { policies: [], external: [external(formatAddress(denied.address))] }
  const hop = await startHop(t, { policy })
  t.equal((await send(hop.web.outbound)).status, 403)
  t.equal(denied.asked.length, 0)
})

t.test('it is shown no other headers than those that it may see', async (t) => {
  const { web, server } = await setUp(t, undefined, { headers: ['x-seen'] })
  await send(web.outbound, { headers: { host: 'api', 'x-seen': 'yes', 'x-secret': 'no' } })
  const { headers } = server.asked[0]!.attributes!.request!.http!
  t.same(Object.keys(headers).toSorted(), [':authority', ':method', ':path', 'x-seen'])
})

t.test('a denial is answered as it says, and never reaches the application', async (t) => {
  const { web, app, server, api } = await setUp(t, () => ({
    status: { code: 7 },
    deniedResponse: {
      status: { code: 302 },
      headers: [
        { header: { key: 'Location', value: 'https://login.test/' } },
        { header: { key: 'content-length', value: '1' } },
        { header: { key: 'x-outrider-refusal', value: 'forged' } },
        { header: { key: 'transfer-encoding', value: 'chunked' } },
      ],
      body: 'log in first',
    },
  }))
  const reply = await send(web.outbound)
  t.equal(reply.status, 302)
  t.equal(reply.text, 'log in first')
  t.match(reply.headers, {
    location: 'https://login.test/',
    'content-length': '12',
    'content-type': 'text/plain; charset=utf-8',
    'x-outrider-refusal': 'external-denied',
  })
  t.notOk(reply.headers['transfer-encoding'])
  const record = await api.records.take(({ code }) => code === 'external-denied')
  t.match(record, { status: 302, rule: 'default/all/rules[0]' })

  server.answer(() => ({ status: { code: 16 } }))
  t.equal((await send(web.outbound)).status, 403, 'without a response it is 403')
  server.answer(() => ({ deniedResponse: { status: { code: 401 } } }))
  t.equal((await send(web.outbound)).status, 401, 'a denial without a status is one')
  t.equal(app.seen.length, 0)
  t.equal(await api.metric('outrider_external_checks_total', { result: 'denied' }), 3)
})

t.test('a permission may change headers and query, but nothing that is ours', async (t) => {
  const set = (key: string, value: string, more: object = {}): object => ({ header: { key, value }, ...more })
  const { web, app } = await setUp(t, () => ({
    ...permitted,
    okResponse: {
      headers: [
        set('x-user', 'alice'),
        set('x-list', 'two', { append: { value: true } }),
        set('x-absent', 'added', { appendAction: 1 as const }),
        set('x-present', 'not this', { appendAction: 1 as const }),
        set('x-nowhere', 'not this either', { appendAction: 3 as const }),
        set('x-raw', '', {}),
        set('X-Forwarded-Client-Cert', 'By=spiffe://evil'),
        set('x-request-id', 'evil'),
        set('host', 'evil'),
        set(':path', '/evil'),
        set('content-length', '3'),
        set('x-outrider-anything', 'evil'),
        set('connection', 'x-user'),
      ],
      headersToRemove: ['Authorization', 'x-forwarded-client-cert', 'host', 'x-request-id'],
      responseHeadersToAdd: [set('x-answer', 'yes'), set('x-app', 'overwritten'), set('x-outrider-refusal', 'evil')],
      queryParametersToSet: [{ key: 'user', value: 'a&b=c' }],
      queryParametersToRemove: ['secret'],
    },
  }))
  app.answer((_request, response) => {
    response.setHeader('x-app', 'mine')
    response.end('ok')
  })
  const reply = await send(web.outbound, {
    path: '/p?se%63ret=1&keep=%20&user=mallory&secret&secrets=2',
    headers: {
      host: 'api',
      authorization: 'Bearer x',
      'x-user': 'mallory',
      'x-list': 'one',
      'x-present': 'mine',
    },
  })
  t.equal(reply.status, 200)
  t.match(reply.headers, { 'x-answer': 'yes', 'x-app': 'overwritten' })
  t.notOk(reply.headers['x-outrider-refusal'])
  const [seen] = app.seen
  t.equal(seen!.target, '/p?keep=%20&secrets=2&user=a%26b%3Dc')
  t.match(seen!.headers, {
    host: 'api',
    'x-user': 'alice',
    'x-list': 'one, two',
    'x-absent': 'added',
    'x-present': 'mine',
    'x-raw': '',
    'x-forwarded-client-cert': /^By=spiffe:\/\/test\.local\/ns\/default\/sa\/api;/,
  })
  for (const name of ['authorization', 'x-nowhere', 'x-outrider-anything']) t.notOk(seen!.headers[name], name)
  t.not(seen!.headers['x-request-id'], 'evil')
})

t.test('servers are asked one after the other, and hear what those before them changed', async (t) => {
  const first = await startAuthorizationServer(t, () => ({
    ...permitted,
    okResponse: { headers: [{ header: { key: 'x-user', value: 'alice' } }] },
  }))
  const second = await startAuthorizationServer(t)
  const servers = [first, second].map(({ address }, index) => external(formatAddress(address), {}, `s${index}`))
  const { web, app } = await startHop(t, { policy: { policies: [allow('all')], external: servers } })
  await send(web.outbound)
  t.equal(second.asked[0]!.attributes!.request!.http!.headers['x-user'], 'alice')
  t.equal(app.seen.length, 1)
  first.answer(() => ({ status: { code: 7 } }))
  t.equal((await send(web.outbound)).status, 403)
  t.equal(second.asked.length, 1, 'after a denial nobody else is asked')
})

t.test('answers that cannot be followed refuse', async (t) => {
  const header = (key: string, value: string): object => ({
    ...permitted,
    okResponse: { headers: [{ header: { key, value } }] },
  })
  const answers: Readonly<Record<string, ReturnType<Answering>>> = {
    'it says nothing': {},
    'it says OK, and a denial': { ...permitted, deniedResponse: { status: { code: 403 } } },
    'a line break in a value': header('x-user', 'alice\r\nx-admin: yes'),
    'a space in a name': header('x user', 'alice'),
    'white space around a value': header('x-user', ' alice'),
    'an unknown action': {
      ...permitted,
      okResponse: {
        headers: [
          {
            header: { key: 'x', value: 'y' }, // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- of a later version
            appendAction: 9 as 3,
          },
        ],
      },
    },
    'a status that is none': { status: { code: 7 }, deniedResponse: { status: { code: 100 } } },
    'a body that is too large': { status: { code: 7 }, deniedResponse: { body: 'x'.repeat(65_537) } },
    'too many changes': {
      ...permitted,
      okResponse: { headersToRemove: Array.from({ length: 65 }, (_, index) => `x-${index}`) },
    },
    'changes that are too long': header('x-long', 'x'.repeat(16_384)),
    rubbish: 'rubbish',
    'an error': 'failure',
    'an answer that is too large for any purpose': { status: { code: 7, message: 'x'.repeat(300_000) } },
  }
  const { web, app, server, api } = await setUp(t)
  for (const [name, answer] of Object.entries(answers)) {
    server.answer(() => answer)
    const reply = await send(web.outbound)
    t.equal(reply.status, 503, name)
    t.match(reply.headers['x-outrider-refusal'], /^external-(?:malformed|unavailable)$/, name)
  }
  t.equal(app.seen.length, 0)
  server.answer(() => permitted)
  t.equal((await send(web.outbound)).status, 200, 'and then all is well again')
  t.equal(await api.metric('outrider_external_checks_total', { result: 'malformed' }), 10)
})

t.test('no answer in time refuses, and the question is taken back', async (t) => {
  const { web, app, server } = await setUp(t, () => 'nothing', { timeout: '50ms' })
  const reply = await send(web.outbound)
  t.equal(reply.status, 503)
  t.equal(reply.headers['x-outrider-refusal'], 'external-timeout')
  t.equal(app.seen.length, 0)
  await eventually(() => server.cancelled === 1, 'the question is taken back')
})

t.test('a server that is not there refuses; when it comes, requests go on', async (t) => {
  const gone = await startAuthorizationServer(t)
  gone.stop()
  const policy = { policies: [allow('all')], external: [external(formatAddress(gone.address), { timeout: '200ms' })] }
  const { web, app } = await startHop(t, { policy })
  const reply = await send(web.outbound)
  t.equal(reply.status, 503)
  t.match(reply.headers['x-outrider-refusal'], /^external-(?:unavailable|timeout)$/)
  t.equal(app.seen.length, 0)
  await startAuthorizationServer(t, undefined, undefined, gone.address.port)
  await eventually(async () => (await send(web.outbound)).status === 200, 'requests go on')
})

t.test('onFailure: allow lets through what nobody answers, counts it and says it', async (t) => {
  const { web, app, server, api } = await setUp(t, () => 'failure', { onFailure: 'allow' })
  t.equal((await send(web.outbound)).status, 200)
  t.equal(app.seen.length, 1)
  t.equal(await api.metric('outrider_external_checks_total', { result: 'allowed-without-answer' }), 1)
  await api.lines.take(({ level, message }) => level === 'error' && message === 'external authorization: no answer')
  server.answer(() => ({ status: { code: 7 } }))
  t.equal((await send(web.outbound)).status, 403, 'a denial is one all the same')
})

t.test('a client that leaves takes its question back', async (t) => {
  const { web, server, app, api } = await setUp(t, () => 'nothing')
  const sent = httpRequest({ ...web.outbound, agent: false, headers: { host: 'api' } })
  sent.on('error', () => {})
  sent.end()
  await eventually(() => server.asked.length === 1, 'it is asked')
  sent.destroy()
  await eventually(() => server.cancelled === 1, 'the question is taken back')
  await api.records.take(({ code }) => code === 'client-gone')
  t.equal(app.seen.length, 0)
})

t.test('there is no queue: more questions than may be under way are refused at once', async (t) => {
  const { web, server, app } = await setUp(t, () => 'nothing', { timeout: '10s' }, { maxExternalQuestions: 3 })
  const waiting = Array.from({ length: 3 }, () => {
    const sent = httpRequest({ ...web.outbound, agent: false, headers: { host: 'api' } })
    sent.on('error', () => {})
    sent.end()
    return sent
  })
  await eventually(() => server.asked.length === 3, 'three questions')
  const reply = await send(web.outbound)
  t.equal(reply.status, 503)
  t.equal(reply.headers['x-outrider-refusal'], 'external-overloaded')
  for (const sent of waiting) sent.destroy()
  await eventually(() => server.cancelled === 3, 'all are taken back')
  server.answer(() => permitted)
  t.equal((await send(web.outbound)).status, 200, 'the room is given back')
  t.equal(app.seen.length, 1)
})

t.test('a permission that is withdrawn while a server thinks refuses', async (t) => {
  const { web, server, api, app } = await setUp(t, () => 'nothing')
  const reply = send(web.outbound)
  await eventually(() => server.asked.length === 1, 'it is asked')
  api.policy.set(policyOf({ policies: [] }))
  t.equal((await reply).status, 403)
  t.equal(app.seen.length, 0)
})

t.test('a change of credentials or policy leaves questions under way alone', async (t) => {
  const ca = makeTestCa(TRUST_DOMAIN)
  const leaf = ca.issue('/ns/default/sa/authz')
  const secure = ServerCredentials.createSsl(
    Buffer.from(ca.pem),
    [{ cert_chain: Buffer.from(leaf.chainPem), private_key: Buffer.from(leaf.keyPem) }],
    true,
  )
  const { promise, resolve } = Promise.withResolvers<typeof permitted>()
  const server = await startAuthorizationServer(t, () => promise, secure)
  const spec = { spiffeId: idOf('authz') }
  const parts = { policies: [allow('all')], external: [external(formatAddress(server.address), spec)] }
  const { web, api } = await startHop(t, { ca, policy: parts })
  const reply = send(web.outbound)
  await eventually(() => server.asked.length === 1, 'it is asked')
  api.credentials.set(credentialsOf(ca.issue('/ns/default/sa/api'), ca.bundles()))
  api.policy.set(policyOf({ policies: [allow('all')] }))
  resolve(permitted)
  t.equal((await reply).status, 200)
  api.policy.set(policyOf(parts))
  t.equal((await send(web.outbound)).status, 200, 'and the next question finds its way')
  t.equal(server.asked.length, 2)
  const revoked = revocation('authz', { spiffeIds: [idOf('authz')] })
  api.policy.set(policyOf({ ...parts, revocations: [revoked] }))
  t.equal((await send(web.outbound)).status, 503, 'whom nobody believes any more is not asked again')
  t.equal(server.asked.length, 2)
})

t.test('of a TCP connection it is told who and where, and its denial ends it', async (t) => {
  const server = await startAuthorizationServer(t, () => ({ status: { code: 7 } }))
  const spec = { to: [{ paths: ['/asked/{**}'] }] }
  const policy = { policies: [allow('all')], external: [external(formatAddress(server.address), spec)] }
  const echo = await rawApp(t, ({ socket }) => socket.pipe(socket))
  const { web } = await startPair(t, echo.address, {
    policy,
    port: { protocol: 'tcp' },
    api: { inbound: { protocol: 'tcp' } },
  })
  const talk = (): Promise<string> => {
    const socket = connect(web.services[0]!)
    t.teardown(() => socket.destroy())
    socket.on('error', () => {})
    socket.write('hello')
    return new Promise<string>((resolve) => {
      socket.once('data', (said: Buffer) => resolve(said.toString()))
      socket.once('close', () => resolve('closed'))
    })
  }
  t.equal(await talk(), 'closed')
  const { request, source } = server.asked[0]!.attributes!
  t.equal(request!.http, null)
  t.equal(source!.principal, idOf('web'))
  server.answer(() => permitted)
  t.equal(await talk(), 'hello', 'what is not known of a request counts as meant, so that it is asked')
  t.equal(server.asked.length, 2)
})

t.test('what the server denies takes nothing from a rate limit', async (t) => {
  const server = await startAuthorizationServer(t, () => ({ status: { code: 7 } }))
  const policy = {
    policies: [allow('all')],
    limits: [rateLimit('one', {})],
    external: [external(formatAddress(server.address))],
  }
  const { web } = await startHop(t, { policy })
  for (let times = 0; times < 3; times += 1) t.equal((await send(web.outbound)).status, 403)
  server.answer(() => permitted)
  t.equal((await send(web.outbound)).status, 200)
  t.equal((await send(web.outbound)).status, 429)
})

t.test('a body waits until the server has answered, and is whole', async (t) => {
  const { web, app } = await setUp(t)
  const body = Buffer.alloc(300_000, 'x')
  t.equal((await send(web.outbound, { method: 'POST', body })).status, 200)
  t.ok(app.seen[0]!.body.equals(body))
})

t.test('a gRPC call is refused by a gRPC status', async (t) => {
  const server = await startAuthorizationServer(t, () => ({
    status: { code: 16 },
    deniedResponse: { status: { code: 401 }, body: 'no' },
  }))
  const app = await startGrpcApp(t)
  const policy = { policies: [allow('all')], external: [external(formatAddress(server.address))] }
  const { web } = await startPair(t, app, { policy })
  const call = async (): Promise<number> => {
    const { stream, outcome } = begin(grpcClient(t, web.outbound), 'Unary')
    stream.write(Buffer.from('x'))
    stream.end()
    return (await outcome).status.code
  }
  t.equal(await call(), 16, 'UNAUTHENTICATED for 401')
  server.answer(() => 'failure')
  t.equal(await call(), 14, 'UNAVAILABLE when nobody answers')
  server.answer(() => permitted)
  t.equal(await call(), 0)
  t.match(server.asked[0]!.attributes!.request!.http, { method: 'POST', path: '/test.Echo/Unary', protocol: 'HTTP/2' })
})

t.test('over mutual TLS it has to be the server that is meant', async (t) => {
  const ca = makeTestCa(TRUST_DOMAIN)
  const secure = (leaf: ReturnType<typeof ca.issue>): ServerCredentials =>
    ServerCredentials.createSsl(
      Buffer.from(ca.pem),
      [{ cert_chain: Buffer.from(leaf.chainPem), private_key: Buffer.from(leaf.keyPem) }],
      true,
    )
  const right = await startAuthorizationServer(t, undefined, secure(ca.issue('/ns/default/sa/authz')))
  const wrong = await startAuthorizationServer(t, undefined, secure(ca.issue('/ns/default/sa/web')))
  const stranger = await startAuthorizationServer(
    t,
    undefined,
    secure(makeTestCa(TRUST_DOMAIN).issue('/ns/default/sa/authz')),
  )
  const plain = await startAuthorizationServer(t)
  const ask = async ({ address }: AuthorizationServer): Promise<number> => {
    const spec = { spiffeId: idOf('authz'), timeout: '1s' }
    const policy = { policies: [allow('all')], external: [external(formatAddress(address), spec)] }
    const { web } = await startHop(t, { ca, policy })
    return (await send(web.outbound)).status
  }
  t.equal(await ask(right), 200)
  t.equal(await ask(wrong), 503)
  t.equal(await ask(stranger), 503)
  t.equal(await ask(plain), 503)
  for (const { asked } of [wrong, stranger, plain]) t.equal(asked.length, 0, 'not one word was sent')
})

t.test('without an identity only what is on this machine is asked', async (t) => {
  const read = (spec: object): unknown =>
    validateResource({ apiVersion: 'outrider.mesh/v1', kind: 'ExternalAuthorization', metadata: { name: 'x' }, spec })
  const code = (address: string): object => ({ ok: false, violations: [{ field: 'spec.spiffeId', code: address }] })
  t.match(read({ address: 'authz.default:9000' }), code('external-insecure'))
  t.match(read({ address: '10.0.0.1:9000' }), code('external-insecure'))
  t.match(read({ address: 'authz.default:9000', spiffeId: idOf('authz') }), { ok: true })
  for (const address of ['127.0.0.1:9000', '[::1]:9000', 'localhost:9000', 'unix:/run/authz.sock']) {
    t.match(read({ address }), { ok: true }, address)
  }
  for (const address of ['authz', 'unix:run/authz.sock', 'http://authz:9000', '127.0.0.1:0', '']) {
    t.match(read({ address }), { ok: false, violations: [{ field: 'spec.address' }] })
  }
})
