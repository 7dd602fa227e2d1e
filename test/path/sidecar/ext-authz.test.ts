import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { credentials } from '@grpc/grpc-js'
import t, { type Test } from 'tap'
import { loadSidecarConfig } from '../../../src/config/sidecar.ts'
import { newApiKey } from '../../../src/identity/api-key.ts'
import { parseCertificate, toPem } from '../../../src/identity/x509.ts'
import type { OutriderError } from '../../../src/lib/errors.ts'
import { clientContext } from '../../../src/mtls/credentials.ts'
import { closedPolicy } from '../../../src/policy/closed.ts'
import type { ApiKey } from '../../../src/policy/model.ts'
import { validateResource } from '../../../src/policy/validate.ts'
import { protocols } from '../../../src/rpc/load.ts'
import { type AuthorizationClient, connectAuthorization } from '../../../src/rpc/authorization.ts'
import { type ExtAuthz, openExtAuthz } from '../../../src/sidecar/ext-authz/open.ts'
import type { _envoy_service_auth_v3_AttributeContext_HttpRequest as Http } from '../../../src/wire/envoy/service/auth/v3/AttributeContext.ts'
import type { CheckRequest } from '../../../src/wire/envoy/service/auth/v3/CheckRequest.ts'
import type { CheckResponse__Output } from '../../../src/wire/envoy/service/auth/v3/CheckResponse.ts'
import { makeTestCa, type TestCa } from '../../fixtures/ca.ts'
import { temporaryFolder } from '../../fixtures/control.ts'
import { checkLeaks } from '../../fixtures/leaks.ts'
import {
  allow,
  credentialsOf,
  deny,
  type Fields,
  idOf,
  Inbox,
  type PolicyParts,
  policyOf,
  revocation,
  startTestSidecar,
  TRUST_DOMAIN,
  type TestSidecar,
} from '../../fixtures/sidecar.ts'

checkLeaks(t)

const ca = makeTestCa(TRUST_DOMAIN)
const web = ca.issue('/ns/default/sa/web')

interface Setting {
  readonly server: ExtAuthz
  readonly sidecar: TestSidecar
  readonly records: Inbox<Fields>
  readonly ask: (question: CheckRequest) => Promise<CheckResponse__Output>
}

async function setUp(t: Test, policy: PolicyParts, options: Readonly<Record<string, string>> = {}): Promise<Setting> {
  const sidecar = await startTestSidecar(t, { ca, id: '/ns/default/sa/api', policy: policyOf(policy) })
  const config = loadSidecarConfig({
    env: {},
    flags: {},
    defaults: { sidecarId: 'test', extAuthz: '127.0.0.1:0', accessLog: 'all', ...options },
  })
  const records = new Inbox<Fields>()
  const { runtime, policy: cell, credentials, provers } = sidecar
  const server = await openExtAuthz({
    config,
    provers: () => provers,
    policy: cell,
    credentials,
    accessLog: {
      write: (text, done) => {
        for (const line of text.trimEnd().split('\n')) records.push(JSON.parse(line))
        done()
      },
      close: () => {},
    },
    clock: runtime.clock,
    log: runtime.log,
    metrics: runtime.metrics,
  })
  if (server === undefined) throw new Error('it is not served')
  t.teardown(() => server.destroy())
  const target = server.address.startsWith('/') ? `unix:${server.address}` : server.address
  const client = connectAuthorization(target, undefined)
  t.teardown(() => client.close())
  return { server, sidecar, records, ask: (question) => asked(client, question) }
}

function asked(client: AuthorizationClient, question: CheckRequest): Promise<CheckResponse__Output> {
  return new Promise((resolve, reject) => {
    client.check(question, 10_000, (error, response) => (response === undefined ? reject(error!) : resolve(response)))
  })
}

interface Told {
  readonly principal?: string
  readonly certificate?: string
  readonly port?: number
  readonly extensions?: Record<string, string>
}

/** As an Envoy tells it. */
function question(http: Http | null, told: Told = {}): CheckRequest {
  const { principal = idOf('web'), certificate = '', port = 8080, extensions = {} } = told
  return {
    attributes: {
      source: { address: { socketAddress: { address: '192.0.2.7', portValue: 1234 } }, principal, certificate },
      destination: { address: { socketAddress: { address: '192.0.2.1', portValue: port } } },
      request: {
        http: http && {
          method: 'GET',
          host: 'api',
          path: '/',
          protocol: 'HTTP/1.1',
          scheme: 'http',
          headers: {},
          ...http,
        },
      },
      contextExtensions: extensions,
    },
  }
}

const header = ({ okResponse, deniedResponse }: CheckResponse__Output, name: string): string | undefined =>
  (okResponse ?? deniedResponse)?.headers.find(({ header }) => header?.key === name)?.header?.value

t.test('it decides by the policy of the workload, in the same words', async (t) => {
  const { ask, records, sidecar } = await setUp(t, {
    policies: [
      allow('web', {
        from: [{ spiffeIds: [idOf('web')] }],
        to: [{ methods: ['GET'], paths: ['/orders/{*}'], ports: [8080] }],
      }),
      deny('secret', { to: [{ paths: ['/orders/secret'] }] }),
    ],
  })
  const ok = await ask(question({ path: '/orders/1?x=y', headers: { 'x-request-id': 'mine', ':path': '/evil' } }))
  t.match(ok, { status: { code: 0 }, httpResponse: 'okResponse' })
  t.equal(header(ok, 'x-request-id'), 'mine')
  t.match(await records.take(), {
    reporter: 'ext-authz',
    source: idOf('web'),
    method: 'GET',
    path: '/orders/1',
    status: 200,
    rule: 'default/web/rules[0]',
    request_id: 'mine',
  })

  const denied = await ask(question({ path: '/orders/secret' }))
  t.match(denied, { status: { code: 7 }, deniedResponse: { status: { code: 403 }, body: /^denied-by-rule: / } })
  t.equal(header(denied, 'x-outrider-refusal'), 'denied-by-rule')
  t.match(await records.take(), { code: 'denied-by-rule', rule: 'default/secret/rules[0]', status: 403 })

  for (const [name, refused] of Object.entries({
    method: question({ path: '/orders/1', method: 'POST' }),
    path: question({ path: '/' }),
    caller: question({ path: '/orders/1' }, { principal: idOf('mallory') }),
    port: question({ path: '/orders/1' }, { port: 9090 }),
    nobody: question({ path: '/orders/1' }, { principal: '' }),
    'a name that is no SPIFFE ID': question({ path: '/orders/1' }, { principal: 'CN=web' }),
    'a TCP connection': question(null),
  })) {
    t.match(await ask(refused), { status: { code: 7 }, deniedResponse: { status: { code: 403 } } }, name)
  }
  t.match(await ask(question({ path: '/orders/1' }, { port: 15006, extensions: { 'outrider.port': '8080' } })), {
    status: { code: 0 },
  })
  const anonymous = await ask(question({ path: '/orders/1' }, { principal: '' }))
  t.equal(header(anonymous, 'x-outrider-refusal'), undefined, 'a stranger is not told why')
  t.equal(anonymous.deniedResponse!.body, '')
  t.equal(await sidecar.metric('outrider_ext_authz_checks_total', { decision: 'allow' }), 2)
  t.equal(await sidecar.metric('outrider_ext_authz_checks_total', { refusal: 'no-allow-rule' }), 7)
})

t.test('a path has to be in the form that is forwarded', async (t) => {
  const { ask } = await setUp(t, { policies: [allow('all')] })
  const vectors: Readonly<Record<string, string>> = {
    '/a//b': 'path-not-normal',
    '/a/../b': 'path-not-normal',
    '/%61': 'path-not-normal',
    '/a%2fb': 'path-encoded-slash',
    '/a\\b': 'path-backslash',
    '/../a': 'path-above-root',
    a: 'path-form',
    '/a#b': 'path-character',
  }
  for (const [path, code] of Object.entries(vectors)) {
    const answer = await ask(question({ path }))
    t.equal(answer.deniedResponse?.status?.code, 400, path)
    t.equal(header(answer, 'x-outrider-refusal'), undefined, 'before anybody is believed nobody is told')
    t.equal(answer.status?.code, 3, code)
  }
  t.match(await ask(question({ path: '/a/b?x=//' })), { status: { code: 0 } })
})

t.test('what cannot be read is refused', async (t) => {
  const { ask, records } = await setUp(t, { policies: [allow('all')] })
  const cases: Readonly<Record<string, readonly [CheckRequest, string]>> = {
    nothing: [{}, 'check-malformed'],
    'a principal that is malformed': [question({}, { principal: 'spiffe://Test/x' }), 'principal-refused'],
    'a principal of a trust domain without bundle': [
      question({}, { principal: 'spiffe://other/x' }),
      'principal-refused',
    ],
    'a certificate that is none': [question({}, { certificate: '%zz' }), 'principal-refused'],
    'another certificate than the principal says': [
      question({}, { principal: idOf('api'), certificate: encodeURIComponent(toPem([web.chainDer[0]!])) }),
      'principal-refused',
    ],
    'a host that is none': [question({ host: 'a/b' }), 'check-malformed'],
    'a method that is none': [question({ method: 'GET /' }), 'check-malformed'],
    'a header that is none': [question({ headers: { 'a b': 'c' } }), 'check-malformed'],
    'a value that is none': [question({ headers: { a: 'b\r\nc: d' } }), 'check-malformed'],
    'a port that is none': [question({}, { extensions: { 'outrider.port': '70000' } }), 'check-malformed'],
  }
  for (const [name, [asking, code]] of Object.entries(cases)) {
    const answer = await ask(asking)
    const record = await records.take()
    t.not(answer.status?.code, 0, name)
    t.equal(record['code'], code, name)
  }
})

t.test('a revoked identity is refused, by its name and by its certificate', async (t) => {
  const certificate = encodeURIComponent(toPem([web.chainDer[0]!]))
  const { ask, sidecar } = await setUp(t, { policies: [allow('all')] })
  t.match(await ask(question({}, { certificate })), { status: { code: 0 } })
  t.match(
    await ask(question({}, { principal: '', certificate })),
    { status: { code: 0 } },
    'the certificate names it as well',
  )
  const { serial } = parseCertificate(web.chainDer[0]!)
  sidecar.policy.set(policyOf({ policies: [allow('all')], revocations: [revocation('one', { serials: [serial] })] }))
  t.match(await ask(question({}, { certificate })), { status: { code: 7 } })
  t.match(await ask(question({})), { status: { code: 0 } }, 'without the certificate its serial number is not known')
  sidecar.policy.set(
    policyOf({ policies: [allow('all')], revocations: [revocation('all', { spiffeIds: [idOf('web')] })] }),
  )
  t.match(await ask(question({})), { status: { code: 7 } })
})

t.test('without a policy everything is refused', async (t) => {
  const { ask, sidecar } = await setUp(t, {})
  sidecar.policy.set(closedPolicy('test'))
  t.match(await ask(question({})), { status: { code: 14 }, deniedResponse: { status: { code: 503 } } })
})

t.test('API keys are proved, and taken out of what goes on', async (t) => {
  const made = newApiKey(randomBytes)
  const apiKey: ApiKey = {
    kind: 'ApiKey',
    metadata: { namespace: 'default', name: 'shop' },
    spec: { workloads: [], owner: 'shop', scopes: [], secrets: [{ ...made, createdAtMs: Date.now() }] },
  }
  const accepting = validateResource({
    apiVersion: 'outrider.mesh/v1',
    kind: 'RequestAuthentication',
    metadata: { name: 'keys' },
    spec: { apiKeys: { from: [{ header: 'x-api-key' }, { query: 'key' }] } },
  })
  if (!accepting.ok || accepting.resource.kind !== 'RequestAuthentication') throw new Error('wrong')
  const { ask } = await setUp(t, {
    policies: [allow('all')],
    authentications: [accepting.resource],
    apiKeys: [apiKey],
  })
  const inHeader = await ask(question({ headers: { 'x-api-key': made.text, 'x-other': 'stays' } }))
  t.match(inHeader, { status: { code: 0 } })
  t.ok(inHeader.okResponse!.headersToRemove.includes('x-api-key'))
  t.notOk(inHeader.okResponse!.headersToRemove.includes('x-other'))
  const inQuery = await ask(question({ path: `/?a=1&k%65y=${made.text}` }))
  t.match(inQuery, { status: { code: 0 }, okResponse: { queryParametersToRemove: ['k%65y'] } })
  const wrong = await ask(question({ headers: { 'x-api-key': newApiKey(randomBytes).text } }))
  t.match(wrong, { status: { code: 16 }, deniedResponse: { status: { code: 401 } } })
  t.equal(header(wrong, 'x-outrider-refusal'), 'apikey-unknown')
  t.ok(header(wrong, 'www-authenticate'))
})

t.test('on a Unix socket', async (t) => {
  const path = join(temporaryFolder(t), 'authz.sock')
  const { ask, server } = await setUp(t, { policies: [allow('all')] }, { extAuthz: `unix:${path}` })
  t.equal(server.address, path)
  t.match(await ask(question({})), { status: { code: 0 } })
})

t.test('over mutual TLS those who are named may ask, and nobody else', async (t) => {
  const { server, sidecar } = await setUp(t, { policies: [allow('all')] }, { extAuthzCallers: idOf('envoy') })
  const ask = (of: TestCa, path: string): Promise<CheckResponse__Output> => {
    const credentials = { ...credentialsOf(of.issue(path), of.bundles()), bundles: ca.bundles() }
    const client = connectAuthorization(server.address, {
      context: () => clientContext(credentials),
      refusal: () => undefined,
    })
    t.teardown(() => client.close())
    return asked(client, question({}))
  }
  t.match(await ask(ca, '/ns/default/sa/envoy'), { status: { code: 0 } })
  await t.rejects(ask(ca, '/ns/default/sa/web'), { code: 'caller-not-entitled' })
  await t.rejects(ask(makeTestCa(TRUST_DOMAIN), '/ns/default/sa/envoy'), { code: 'peer-unauthenticated' })
  const plain = connectAuthorization(server.address, undefined)
  t.teardown(() => plain.close())
  await t.rejects(
    new Promise((_resolve, reject) => {
      plain.check(question({}), 2000, (error: OutriderError | undefined) => reject(error!))
    }),
    { code: /^rpc-/ },
  )
  sidecar.policy.set(
    policyOf({ policies: [allow('all')], revocations: [revocation('x', { spiffeIds: [idOf('envoy')] })] }),
  )
  await t.rejects(ask(ca, '/ns/default/sa/envoy'), { code: 'peer-unauthenticated' })
})

t.test('who asks for its health is told that it serves', async (t) => {
  const { server } = await setUp(t, { policies: [] })
  const client = new (protocols().health.Health)(server.address, credentials.createInsecure())
  t.teardown(() => client.close())
  const answer = await new Promise((resolve, reject) => {
    client.check({ service: '' }, (error, response) => (error === null ? resolve(response) : reject(error)))
  })
  t.same(answer, { status: 'SERVING' })
})

t.test('options that would let anybody ask are refused', async (t) => {
  const load = (values: Readonly<Record<string, string>>): unknown =>
    loadSidecarConfig({ env: {}, flags: {}, defaults: { sidecarId: 'test', ...values } })
  t.throws(() => load({ extAuthz: '0.0.0.0:9000' }), { code: 'config-options-disagree', place: 'extAuthzCallers' })
  t.throws(() => load({ extAuthzCallers: idOf('envoy') }), { code: 'config-options-disagree' })
  t.throws(() => load({ extAuthz: 'unix:/x', extAuthzCallers: idOf('envoy') }), { code: 'config-options-disagree' })
  t.throws(() => load({ extAuthz: 'somewhere' }), { code: 'config-value-malformed', place: 'extAuthz' })
  t.throws(() => load({ extAuthz: '127.0.0.1:9000', extAuthzCallers: 'envoy' }), { code: 'config-value-malformed' })
  t.ok(load({ extAuthz: '0.0.0.0:9000', extAuthzCallers: `${idOf('envoy')},${idOf('web')}` }))
})
