import { gzipSync } from 'node:zlib'
import t, { type Test } from 'tap'
import type { RequestAuthentication } from '../../../src/policy/model.ts'
import { startApp, type TestApp } from '../../fixtures/app.ts'
import { makeTestCa } from '../../fixtures/ca.ts'
import { TestClock } from '../../fixtures/clock.ts'
import { type ProviderHandler, startProvider, type TestProvider } from '../../fixtures/identity-provider.ts'
import { checkLeaks } from '../../fixtures/leaks.ts'
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
import { accepting, jwtOf, makeIssuer, type TestIssuer } from '../../fixtures/user-tokens.ts'

checkLeaks(t)

const ISSUER = 'https://id.test'
const REFRESH_MS = 300_000
const STALE_MS = 3_600_000
/** When they are asked for again, with randomness of one half. */
const DUE_MS = 270_000

interface Setting {
  readonly app: TestApp
  readonly provider: TestProvider
  readonly sidecar: TestSidecar
  readonly clock: TestClock
  /** At the clock of the test. */
  issuer(keyId: string): TestIssuer
  ask(token?: string): Promise<Reply>
  /** What the client is told: the status, and the code. */
  outcome(token?: string): Promise<readonly [number, unknown]>
}

interface SettingOptions {
  readonly handler?: ProviderHandler
  readonly allow?: string
  readonly lookup?: (host: string) => Promise<readonly string[]>
  readonly authentication?: (provider: TestProvider) => RequestAuthentication
}

/** A sidecar whose policy names keys at the address of a provider. */
async function start(t: Test, options: SettingOptions = {}): Promise<Setting> {
  const app = await startApp(t)
  const provider = await startProvider(t)
  if (options.handler !== undefined) provider.answer(options.handler)
  const clock = new TestClock(Date.now())
  const ca = makeTestCa(TRUST_DOMAIN)
  const authentication =
    options.authentication?.(provider) ??
    accepting({
      jwt: [
        jwtOf(
          { issuer: ISSUER, jwks: {} },
          { keys: { jwksUri: `${provider.origin}/jwks`, refreshMs: REFRESH_MS, staleMs: STALE_MS } },
        ),
      ],
    })
  const sidecar = await startTestSidecar(t, {
    ca,
    id: '/ns/default/sa/api',
    app: app.address,
    clock,
    lookup: options.lookup ?? ((host) => provider.lookup(host)),
    config: { tokenProviderCaFile: provider.caFile, tokenProviderAllow: options.allow ?? 'id.test' },
    policy: policyOf({ policies: [allow('all')], authentications: [authentication] }),
  })
  const leaf = ca.issue('/ns/default/sa/web')
  const ask = (token?: string): Promise<Reply> =>
    sendTls(sidecar.inbound, ca, leaf, {
      headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
    })
  return {
    app,
    provider,
    sidecar,
    clock,
    issuer: (keyId) => makeIssuer(ISSUER, { keyId, now: () => clock.now() }),
    ask,
    outcome: async (token) => {
      const { status, headers } = await ask(token)
      return [status, headers['x-outrider-refusal']]
    },
  }
}

const state = ({ sidecar }: Setting) => [...sidecar.keySets.states.current.values()][0]!

async function answered({ sidecar }: Setting, answers: number): Promise<void> {
  await eventually(() => [...sidecar.keySets.states.current.values()][0]!.answers >= answers, `${answers} answers`)
}

function jwks(...issuers: readonly TestIssuer[]): object {
  return { keys: issuers.flatMap(({ jwks }) => jwks['keys']) }
}

t.test('keys are fetched when a policy names them, once for all requests', async (t) => {
  const setting = await start(t)
  const one = setting.issuer('k1')
  t.same(await setting.outcome(one.token()), [503, 'keys-unavailable'], 'the provider knows of none yet')
  t.same(await setting.outcome(), [200, undefined], 'others go on')
  setting.provider.serve(jwks(one))
  setting.clock.advance(2000)
  await answered(setting, 2)
  for (let round = 0; round < 3; round += 1) t.same(await setting.outcome(one.token()), [200, undefined])
  t.equal(setting.provider.asked.length, 2, 'and not for each request')
  t.match(setting.provider.asked[1], { method: 'GET', path: '/jwks', headers: { 'accept-encoding': 'identity' } })
  t.equal(await setting.sidecar.metric('outrider_key_set_refreshes_total', { result: 'fetched' }), 1)
  t.equal(
    await setting.sidecar.metric('outrider_key_set_fetched_timestamp_seconds'),
    state(setting).fetchedAtMs! / 1000,
    'the age of the keys',
  )
})

t.test('a request waits for the first keys, and no longer than two seconds', async (t) => {
  const held: (() => void)[] = []
  let document = {}
  const setting = await start(t, {
    handler: (_request, response) => {
      held.push(() => response.setHeader('content-type', 'application/json').end(JSON.stringify(document)))
    },
  })
  const one = setting.issuer('k1')
  document = jwks(one)
  const first = setting.outcome(one.token())
  await eventually(() => held.length === 1, 'asked')
  held[0]!()
  t.same(await first, [200, undefined], 'when they come in time')

  const slow = await start(t, { handler: () => {} })
  const two = slow.issuer('k1')
  const late = slow.outcome(two.token())
  await eventually(() => slow.sidecar.runtime.load.inFlight === 1, 'the request waits')
  t.same(await slow.outcome(), [200, undefined], 'others go on')
  slow.clock.advance(2000)
  t.same(await late, [503, 'keys-unavailable'])
})

t.test('a client that leaves while its request waits ends the wait', async (t) => {
  const setting = await start(t, { handler: () => {} })
  const one = setting.issuer('k1')
  const asked = setting.ask(one.token())
  await eventually(() => setting.sidecar.runtime.load.inFlight === 1, 'the request waits')
  const timers = setting.clock.pending
  setting.sidecar.runtime.connections.destroy()
  await t.rejects(asked)
  await eventually(() => setting.sidecar.runtime.load.inFlight === 0, 'it is over')
  t.ok(setting.clock.pending < timers, 'and its timer is gone')
  t.equal(setting.app.seen.length, 0)
})

t.test('rotation: an unknown key is asked for early, once in thirty seconds', async (t) => {
  const setting = await start(t)
  const one = setting.issuer('k1')
  const two = setting.issuer('k2')
  const three = setting.issuer('k3')
  await answered(setting, 1)
  setting.provider.serve(jwks(one))
  setting.clock.advance(2000)
  await answered(setting, 2)
  t.same(await setting.outcome(one.token()), [200, undefined])
  setting.provider.serve(jwks(one, two))
  t.same(
    await setting.outcome(two.token()),
    [401, 'token-key-unknown'],
    'not within thirty seconds of the last question',
  )
  setting.clock.advance(30_000)
  t.same(await setting.outcome(two.token()), [200, undefined], 'then the request waits for the new keys')
  t.equal(setting.provider.asked.length, 3)
  const unknown = await Promise.all(Array.from({ length: 20 }, () => setting.outcome(three.token())))
  t.ok(unknown.every(([status, code]) => status === 401 && code === 'token-key-unknown'))
  t.equal(setting.provider.asked.length, 3, 'tokens with unknown keys cause no storm')
  setting.provider.serve(jwks(two))
  setting.clock.advance(DUE_MS)
  await answered(setting, 4)
  t.same(
    await setting.outcome(one.token()),
    [401, 'token-key-unknown'],
    'a key that was taken back counts no more, though its token was remembered',
  )
  t.same(await setting.outcome(two.token()), [200, undefined])
})

t.test('stale keys serve while they cannot be had anew, and no longer than staleFor', async (t) => {
  const setting = await start(t)
  const one = setting.issuer('k1')
  await answered(setting, 1)
  setting.provider.serve(jwks(one))
  setting.clock.advance(2000)
  await answered(setting, 2)
  await setting.provider.stop()
  setting.clock.advance(DUE_MS)
  await answered(setting, 3)
  t.match(state(setting), { failure: { code: 'token-provider-unreachable' } })
  t.same(await setting.outcome(one.token()), [200, undefined], 'the last ones')
  const logged = await setting.sidecar.lines.take(({ message }) => String(message).includes('the last ones serve'))
  t.match(logged, { level: 'warn' })
  setting.clock.advance(REFRESH_MS - DUE_MS + STALE_MS)
  await eventually(() => state(setting).keys === undefined, 'too old')
  t.same(await setting.outcome(one.token()), [503, 'keys-unavailable'])
  t.same(await setting.outcome(), [200, undefined], 'others go on')
})

const rubbish: Readonly<Record<string, readonly [code: string, handler: ProviderHandler]>> = {
  'a server error': ['token-provider-status', (_, response) => response.writeHead(500).end()],
  'no content': ['token-provider-status', (_, response) => response.writeHead(204).end()],
  'a page of HTML': [
    'token-provider-response',
    (_, response) => response.writeHead(200, { 'content-type': 'text/html' }).end('<html>'),
  ],
  'no type': ['token-provider-response', (_, response) => response.writeHead(200).end('{"keys":[]}')],
  'no JSON': [
    'token-provider-response',
    (_, response) => response.writeHead(200, { 'content-type': 'application/json' }).end('hello'),
  ],
  'no keys': [
    'token-provider-response',
    (_, response) => response.writeHead(200, { 'content-type': 'application/json' }).end('{"keys":[]}'),
  ],
  'a shared secret': [
    'token-provider-response',
    (_, response) =>
      response
        .writeHead(200, { 'content-type': 'application/json' })
        .end(JSON.stringify({ keys: [{ kty: 'oct', kid: 'k1', alg: 'HS256', k: 'c2VjcmV0' }] })),
  ],
  'JSON that is deep': [
    'token-provider-response',
    (_, response) =>
      response
        .writeHead(200, { 'content-type': 'application/json' })
        .end(`{"keys":${'['.repeat(10_000)}${']'.repeat(10_000)}}`),
  ],
  'too much, declared': [
    'token-provider-too-large',
    (_, response) =>
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': 1_000_000_000 }).write('{'),
  ],
  'too much, and no end of it': [
    'token-provider-too-large',
    (_, response) => {
      response.writeHead(200, { 'content-type': 'application/json' })
      const more = (): void => {
        if (!response.destroyed) response.write(' '.repeat(65_536), more)
      }
      more()
    },
  ],
  'a bomb': [
    'token-provider-response',
    (_, response) =>
      response
        .writeHead(200, { 'content-type': 'application/json', 'content-encoding': 'gzip' })
        .end(gzipSync(Buffer.alloc(10_000_000, ' '))),
  ],
  'a redirect to loopback': [
    'token-provider-redirect',
    (_, response) => response.writeHead(302, { location: 'https://127.0.0.1/jwks' }).end(),
  ],
  'a redirect to the metadata of a cloud': [
    'token-provider-redirect',
    (_, response) => response.writeHead(307, { location: 'http://169.254.169.254/latest/meta-data' }).end(),
  ],
  'a redirect to a private network': [
    'token-provider-redirect',
    (_, response) => response.writeHead(308, { location: 'https://10.0.0.1/jwks' }).end(),
  ],
  'an end in the middle': [
    'token-provider-response',
    (_, response) => {
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': 100 }).write('{"keys"')
      response.socket?.destroySoon()
    },
  ],
  'no HTTP': ['token-provider-response', (_, response) => response.socket?.end('hello\r\n\r\n')],
}

for (const [name, [code, handler]] of Object.entries(rubbish)) {
  t.test(`the provider answers with ${name}`, async (t) => {
    const setting = await start(t, { handler })
    await answered(setting, 1)
    t.match(state(setting), { failure: { code }, keys: undefined })
    t.same(await setting.outcome(setting.issuer('k1').token()), [503, 'keys-unavailable'])
    t.same(await setting.outcome(), [200, undefined], 'others go on')
    t.equal(await setting.sidecar.metric('outrider_key_set_refreshes_total', { result: code }), 1)
    t.equal(setting.provider.asked.length, 1, 'nothing else is asked')
  })
}

t.test('a provider that drips is given up in time', async (t) => {
  let drops = 0
  let drip = (): void => {}
  const setting = await start(t, {
    handler: (_request, response) => {
      response.writeHead(200, { 'content-type': 'application/json' })
      drip = () => {
        drops += 1
        response.write(' ')
      }
      drip()
    },
  })
  await eventually(() => drops === 1, 'the first byte')
  for (let second = 0; second < 10; second += 1) {
    t.equal(state(setting).asking, true)
    setting.clock.advance(1000)
    drip()
  }
  await answered(setting, 1)
  t.match(state(setting), { failure: { code: 'token-provider-timeout' } })
})

t.test('a certificate of somebody else', async (t) => {
  const setting = await start(t, {
    authentication: (provider) =>
      accepting({
        jwt: [
          jwtOf(
            { issuer: ISSUER, jwks: {} },
            {
              keys: { jwksUri: `https://other.test:${provider.port}/jwks`, refreshMs: REFRESH_MS, staleMs: STALE_MS },
            },
          ),
        ],
      }),
    allow: 'other.test',
  })
  await answered(setting, 1)
  t.match(state(setting), { failure: { code: 'token-provider-untrusted' } })
  t.equal(setting.provider.asked.length, 0, 'nothing was sent')
})

t.test('addresses that are not of the Internet', async (t) => {
  const places = [
    '127.0.0.1',
    '10.1.2.3',
    '172.16.0.1',
    '192.168.1.1',
    '169.254.169.254',
    '100.64.0.1',
    '0.0.0.0',
    '::1',
    'fd00:ec2::254',
    'fe80::1',
    'fc00::1',
    '::ffff:127.0.0.1',
    '64:ff9b::7f00:1',
    '2002:7f00:1::',
  ]
  for (const address of places) {
    const setting = await start(t, { allow: '', lookup: async () => ['93.184.216.34', address] })
    await answered(setting, 1)
    t.match(state(setting), { failure: { code: 'token-provider-address' } }, address)
    t.equal(setting.provider.sockets.size, 0, 'no connection')
    await setting.sidecar.drain(100)
  }
})

t.test('a name that leads elsewhere at the second look (DNS rebinding)', async (t) => {
  let looks = 0
  const setting = await start(t, {
    allow: '127.0.0.1/32',
    lookup: async () => {
      looks += 1
      // The first answer is allowed, and is the provider; every later one is a place that must never be reached.
      return looks === 1 ? ['127.0.0.1'] : ['169.254.169.254']
    },
  })
  await answered(setting, 1)
  t.equal(looks, 1, 'what was looked at is what is connected to')
  t.equal(setting.provider.asked.length, 1)
  setting.clock.advance(2000)
  await answered(setting, 2)
  t.match(state(setting), { failure: { code: 'token-provider-address' } }, 'and each question looks anew')
  t.equal(setting.provider.asked.length, 1)
})

t.test('names of numbers are addresses', async (t) => {
  for (const host of ['127.0.0.1', '0x7f000001', '2130706433', '[::1]', '[::ffff:7f00:1]', 'localhost']) {
    const setting = await start(t, {
      allow: '',
      authentication: ({ port }) =>
        accepting({
          jwt: [
            jwtOf(
              { issuer: ISSUER, jwks: {} },
              { keys: { jwksUri: new URL(`https://${host}:${port}/`).href, refreshMs: REFRESH_MS, staleMs: STALE_MS } },
            ),
          ],
        }),
    })
    await answered(setting, 1)
    t.match(state(setting), { failure: { code: 'token-provider-address' } }, host)
    t.equal(setting.provider.asked.length, 0)
    await setting.sidecar.drain(100)
  }
})

t.test('a policy that no longer names them ends the questions', async (t) => {
  const setting = await start(t)
  await answered(setting, 1)
  setting.sidecar.policy.set(policyOf({ policies: [allow('all')] }))
  t.equal(setting.sidecar.keySets.states.current.size, 0)
  const asked = setting.provider.asked.length
  setting.clock.advance(REFRESH_MS * 2)
  t.equal(setting.provider.asked.length, asked)
})
