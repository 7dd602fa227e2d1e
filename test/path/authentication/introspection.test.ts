import { chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { RequestAuthentication } from '../../../src/policy/model.ts'
import { startApp, type TestApp } from '../../fixtures/app.ts'
import { makeTestCa } from '../../fixtures/ca.ts'
import { TestClock } from '../../fixtures/clock.ts'
import { type ProviderHandler, startProvider, type TestProvider } from '../../fixtures/identity-provider.ts'
import { checkLeaks } from '../../fixtures/leaks.ts'
import { temporaryFolder } from '../../fixtures/process.ts'
import {
  allow,
  eventually,
  policyOf,
  type Reply,
  sendTls,
  startTestSidecar,
  TRUST_DOMAIN,
  type TestSidecar,
} from '../../fixtures/sidecar.ts'
import { accepting, introspectionOf, jwtOf, makeIssuer } from '../../fixtures/user-tokens.ts'

checkLeaks(t)

type Spec = RequestAuthentication['spec']['introspection'][number]

interface Setting {
  readonly app: TestApp
  readonly provider: TestProvider
  readonly sidecar: TestSidecar
  readonly clock: TestClock
  readonly secretsDir: string
  ask(token?: string, body?: Buffer): Promise<Reply>
  outcome(token?: string): Promise<readonly [number, unknown]>
}

interface SettingOptions {
  readonly handler?: ProviderHandler
  readonly spec?: Partial<Spec>
  readonly jwt?: RequestAuthentication['spec']['jwt']
  /** Of the file with the client secret. */
  readonly mode?: number
}

const SECRET = 'p%ss wörd'

async function start(t: Test, { handler, spec, jwt = [], mode = 0o600 }: SettingOptions = {}): Promise<Setting> {
  const app = await startApp(t)
  const provider = await startProvider(t)
  if (handler !== undefined) provider.answer(handler)
  const secretsDir = temporaryFolder(t)
  writeFileSync(join(secretsDir, 'as'), `${SECRET}\n`, { mode })
  const clock = new TestClock(Date.now())
  const ca = makeTestCa(TRUST_DOMAIN)
  const sidecar = await startTestSidecar(t, {
    ca,
    id: '/ns/default/sa/api',
    app: app.address,
    clock,
    lookup: (host) => provider.lookup(host),
    config: { tokenProviderCaFile: provider.caFile, tokenProviderAllow: 'id.test', secretsDir },
    policy: policyOf({
      policies: [allow('all')],
      authentications: [
        accepting({ jwt, introspection: [introspectionOf(`${provider.origin}/introspect?tenant=1`, spec)] }),
      ],
    }),
  })
  const leaf = ca.issue('/ns/default/sa/web')
  const ask = (token?: string, body?: Buffer): Promise<Reply> =>
    sendTls(sidecar.inbound, ca, leaf, {
      ...(body === undefined ? {} : { method: 'POST', body }),
      headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
    })
  return {
    app,
    provider,
    sidecar,
    clock,
    secretsDir,
    ask,
    outcome: async (token) => {
      const { status, headers } = await ask(token)
      return [status, headers['x-outrider-refusal']]
    },
  }
}

t.test('a token that is active', async (t) => {
  const setting = await start(t, {
    spec: { claimsToHeaders: [{ claim: 'username', header: 'x-user' }], audiences: ['api'] },
  })
  const { provider, clock } = setting
  const nowS = Math.floor(clock.now() / 1000)
  provider.serve({ active: true, sub: 'ann', username: 'ann', scope: 'read', aud: ['api'], exp: nowS + 20 })
  t.same(await setting.outcome('opaque'), [200, undefined])
  const [asked] = provider.asked
  t.match(asked, { method: 'POST', path: '/introspect?tenant=1' })
  t.equal(asked?.headers['content-type'], 'application/x-www-form-urlencoded')
  t.equal(new URLSearchParams(asked?.body).get('token'), 'opaque')
  const basic = Buffer.from(asked?.headers.authorization?.replace(/^Basic /, '') ?? '', 'base64').toString()
  t.equal(basic, 'api+gateway:p%25ss+w%C3%B6rd', 'both form-encoded (RFC 6749, 2.3.1)')
  t.equal(setting.app.seen[0]?.headers['x-user'], 'ann')
  t.equal(setting.app.seen[0]?.headers.authorization, undefined)

  for (let round = 0; round < 3; round += 1) t.same(await setting.outcome('opaque'), [200, undefined])
  t.equal(provider.asked.length, 1, 'the answer is remembered')
  provider.serve({ active: false })
  clock.advance(20_000)
  t.same(await setting.outcome('opaque'), [401, 'token-inactive'], 'not past its end, though cacheFor is longer')
  t.same(await setting.outcome('opaque'), [401, 'token-inactive'])
  t.equal(provider.asked.length, 2, 'that it is not active is remembered too')
  clock.advance(5000)
  provider.serve({ active: true, aud: 'api' })
  t.same(await setting.outcome('opaque'), [200, undefined], 'for a short time')
})

t.test('what is not good enough', async (t) => {
  const setting = await start(t, { spec: { cacheMs: 0, audiences: ['api'] } })
  const { provider } = setting
  const nowS = Math.floor(setting.clock.now() / 1000)
  const cases: readonly (readonly [document: object, status: number, code: string])[] = [
    [{ active: true, aud: 'api', exp: nowS }, 401, 'token-expired'],
    [{ active: true, aud: 'api', nbf: nowS + 60 }, 401, 'token-not-yet-valid'],
    [{ active: true, aud: 'billing' }, 401, 'token-audience'],
    [{ active: true }, 401, 'token-audience'],
    [{ active: true, aud: 'api', iss: 'https://other.test' }, 401, 'token-issuer-unknown'],
    [{ active: true, aud: 'api', cnf: { 'x5t#S256': 'A'.repeat(43) } }, 401, 'token-binding-mismatch'],
    [{ active: true, aud: 'api', cnf: { new: 1 } }, 401, 'token-binding-unknown'],
    [{ active: true, aud: 'api', exp: 'soon' }, 401, 'token-claims'],
    [{ active: true, aud: 'api', sub: 5 }, 401, 'token-claims'],
    [{ active: 'true', aud: 'api' }, 503, 'introspection-malformed'],
    [{ aud: 'api' }, 503, 'introspection-malformed'],
    [[{ active: true }], 503, 'introspection-malformed'],
  ]
  for (const [document, status, code] of cases) {
    provider.serve(document)
    t.same(await setting.outcome('opaque'), [status, code], JSON.stringify(document))
  }
  t.equal(setting.app.seen.length, 0)
})

const failures: Readonly<Record<string, readonly [code: string, handler: ProviderHandler]>> = {
  'that we are nobody it knows': ['introspection-unavailable', (_, response) => response.writeHead(401).end()],
  'an error': ['introspection-unavailable', (_, response) => response.writeHead(500).end()],
  'a redirect': [
    'introspection-unavailable',
    (_, response) => response.writeHead(302, { location: 'http://169.254.169.254/' }).end(),
  ],
  'a page': [
    'introspection-malformed',
    (_, response) => response.writeHead(200, { 'content-type': 'text/html' }).end('{"active":true}'),
  ],
  'no JSON': [
    'introspection-malformed',
    (_, response) => response.writeHead(200, { 'content-type': 'application/json' }).end('active'),
  ],
  'a member twice': [
    'introspection-malformed',
    (_, response) =>
      response.writeHead(200, { 'content-type': 'application/json' }).end('{"active":false,"active":true}'),
  ],
  'too much': [
    'introspection-unavailable',
    (_, response) =>
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ a: 'x'.repeat(70_000) })),
  ],
  'a broken connection': ['introspection-malformed', (_, response) => response.socket?.destroy()],
}

for (const [name, [code, handler]] of Object.entries(failures)) {
  t.test(`the server answers with ${name}`, async (t) => {
    const setting = await start(t, { handler })
    t.same(await setting.outcome('opaque'), [503, code])
    t.same(await setting.outcome(), [200, undefined], 'others go on')
    setting.provider.serve({ active: true })
    t.same(await setting.outcome('opaque'), [200, undefined], 'a failure is not remembered')
  })
}

t.test('a server that is down', async (t) => {
  const setting = await start(t)
  await setting.provider.stop()
  t.same(await setting.outcome('opaque'), [503, 'introspection-unavailable'])
  t.same(await setting.outcome(), [200, undefined], 'others go on')

  const about = () => setting.sidecar.lines.items.filter(({ endpoint }) => endpoint !== undefined)
  await Promise.all(Array.from({ length: 30 }, (_, index) => setting.outcome(`token-${index}`)))
  t.equal(about().length, 1, 'one line in ten seconds, not one for each token')
  setting.clock.advance(10_000)
  await setting.outcome('opaque')
  t.match(about()[1], { level: 'warn', failuresBefore: 30 })
})

t.test('a server that never answers', async (t) => {
  const setting = await start(t, { handler: () => {} })
  const waiting = setting.outcome('opaque')
  await eventually(() => setting.provider.asked.length === 1, 'asked')
  t.same(await setting.outcome(), [200, undefined], 'others go on')
  setting.clock.advance(2000)
  t.same(await waiting, [503, 'introspection-timeout'])
  await eventually(() => setting.provider.sockets.size === 0, 'its connection is closed')
})

t.test('one question for all requests with one token', async (t) => {
  const answers: (() => void)[] = []
  const setting = await start(t, {
    handler: (_request, response) => {
      answers.push(() => response.writeHead(200, { 'content-type': 'application/json' }).end('{"active":true}'))
    },
  })
  const asked = Array.from({ length: 20 }, () => setting.outcome('opaque'))
  await eventually(() => setting.sidecar.runtime.load.inFlight === 20 && answers.length === 1, 'all wait')
  answers[0]!()
  for (const outcome of await Promise.all(asked)) t.same(outcome, [200, undefined])
  t.equal(setting.provider.asked.length, 1)
})

t.test('a body that comes while a question is under way arrives whole, and reading waits for the answer', async (t) => {
  const answers: (() => void)[] = []
  const setting = await start(t, {
    handler: (_request, response) => {
      answers.push(() => response.writeHead(200, { 'content-type': 'application/json' }).end('{"active":true}'))
    },
  })
  const body = Buffer.alloc(5_000_000, 'abcdefg')
  const asked = setting.ask('opaque', body)
  await eventually(() => answers.length === 1, 'asked')
  t.equal(setting.app.seen.length, 0, 'nothing reaches the application before')
  answers[0]!()
  t.equal((await asked).status, 200)
  t.ok(setting.app.seen[0]?.body.equals(body))
})

t.test('questions at a time are bounded, and so is who waits for one', async (t) => {
  const answers: (() => void)[] = []
  const setting = await start(t, {
    handler: (_request, response) => {
      answers.push(() => response.writeHead(200, { 'content-type': 'application/json' }).end('{"active":true}'))
    },
  })
  const [running, queued] = [64, 512]
  const outcomes = Array.from({ length: running + queued + 10 }, (_, index) => setting.outcome(`token-${index}`))
  await eventually(() => answers.length === running, 'so many questions')
  const refused = await Promise.race(outcomes)
  t.same(refused, [503, 'introspection-busy'], 'who finds no room is refused at once')
  t.equal(setting.provider.asked.length, running)
  t.same(await setting.outcome(), [200, undefined], 'others go on')
  for (let round = 0; round < running + queued; round += 1) {
    await eventually(() => answers.length > 0, 'the next question')
    answers.shift()!()
  }
  const codes = new Map<unknown, number>()
  for (const [, code] of await Promise.all(outcomes)) codes.set(code, (codes.get(code) ?? 0) + 1)
  t.strictSame(
    [...codes].toSorted(([, a], [, b]) => a - b),
    [
      ['introspection-busy', 10],
      [undefined, running + queued],
    ],
  )
})

t.test('a client that leaves ends the question that nobody else waits for', async (t) => {
  const setting = await start(t, { handler: () => {} })
  const asked = setting.ask('opaque')
  await eventually(() => setting.provider.asked.length === 1, 'asked')
  setting.sidecar.runtime.connections.destroy()
  await t.rejects(asked)
  await eventually(() => setting.provider.sockets.size === 0, 'the question is given up')
})

t.test('the secret', async (t) => {
  const open = await start(t, { mode: 0o644 })
  t.same(await open.outcome('opaque'), [503, 'introspection-unavailable'], 'a file that others can read')
  t.equal(open.provider.asked.length, 0)
  const line = await open.sidecar.lines.take(({ level }) => level === 'warn')
  t.match(JSON.stringify(line), /client-secret/)

  const setting = await start(t, { spec: { cacheMs: 0 } })
  setting.provider.serve({ active: true })
  t.same(await setting.outcome('opaque'), [200, undefined])
  writeFileSync(join(setting.secretsDir, 'as'), 'other')
  chmodSync(join(setting.secretsDir, 'as'), 0o600)
  setting.clock.advance(5000)
  t.same(await setting.outcome('opaque'), [200, undefined])
  const basic = setting.provider.asked[1]?.headers.authorization?.replace(/^Basic /, '') ?? ''
  t.equal(Buffer.from(basic, 'base64').toString(), 'api+gateway:other', 'is read again when it was replaced')
  const told = JSON.stringify([...setting.sidecar.lines.items, ...setting.sidecar.records.items])
  t.notMatch(told, /opaque|other"|p%ss/, 'neither token nor secret is in a log')

  const missing = await start(t, { spec: { clientSecret: 'nobody' } })
  t.same(await missing.outcome('opaque'), [503, 'introspection-unavailable'])
})

t.test('a JWT whose issuer is known is never shown to the server', async (t) => {
  const issuer = makeIssuer('https://id.test')
  const foreign = makeIssuer('https://elsewhere.test')
  const setting = await start(t, { jwt: [jwtOf(issuer)] })
  setting.provider.serve({ active: true })
  const good = issuer.token({}, {})
  t.equal((await setting.ask(good)).status, 200)
  const expired = issuer.token({ exp: 1 })
  t.same(await setting.outcome(expired), [401, 'token-expired'])
  t.equal(setting.provider.asked.length, 0)
  t.same(await setting.outcome(foreign.token()), [200, undefined], 'that of another issuer is')
  t.equal(setting.provider.asked.length, 1)

  const elsewhere = await start(t, { jwt: [jwtOf(issuer, { from: [{ header: 'x-token' }] })] })
  elsewhere.provider.serve({ active: true })
  t.same(await elsewhere.outcome(issuer.token()), [401, 'token-issuer-unknown'], 'nor where only others are accepted')
  t.equal(elsewhere.provider.asked.length, 0)
})
