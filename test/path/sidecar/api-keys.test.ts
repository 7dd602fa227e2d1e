import { randomBytes } from 'node:crypto'
import t, { type Test } from 'tap'
import { formatApiKey, type NewApiKey, newApiKey, parseApiKey } from '../../../src/identity/api-key.ts'
import type { ApiKey, RequestAuthentication } from '../../../src/policy/model.ts'
import { validateResource } from '../../../src/policy/validate.ts'
import { LOCKOUT_FAILURES, LOCKOUT_MS } from '../../../src/ratelimit/lockout.ts'
import { makeTestCa } from '../../fixtures/ca.ts'
import { TestClock } from '../../fixtures/clock.ts'
import { checkLeaks } from '../../fixtures/leaks.ts'
import {
  allow,
  policyOf,
  type Reply,
  send,
  sendTls,
  startHop,
  startTestSidecar,
  TRUST_DOMAIN,
  type Hop,
  type TestSidecar,
} from '../../fixtures/sidecar.ts'
import { startApp } from '../../fixtures/app.ts'

checkLeaks(t)

function accepting(apiKeys: object): RequestAuthentication {
  const result = validateResource({
    apiVersion: 'outrider.mesh/v1',
    kind: 'RequestAuthentication',
    metadata: { name: 'keys' },
    spec: { apiKeys },
  })
  if (result.ok && result.resource.kind === 'RequestAuthentication') return result.resource
  throw new Error(JSON.stringify(result))
}

function apiKey(owner: string, made: readonly NewApiKey[], end: { notAfterMs?: number } = {}): ApiKey {
  return {
    kind: 'ApiKey',
    metadata: { namespace: 'default', name: owner },
    spec: {
      workloads: [],
      owner,
      scopes: ['orders:read'],
      secrets: made.map(({ id, salt, hash }) => ({ id, salt, hash, createdAtMs: Date.now(), ...end })),
    },
  }
}

const make = (): NewApiKey => newApiKey(randomBytes)

interface Setting extends Hop {
  readonly good: NewApiKey
  readonly call: (key: string | undefined, more?: object) => Promise<Reply>
}

async function setUp(t: Test, keys: readonly ApiKey[], apiKeys: object = {}, clock?: TestClock): Promise<Setting> {
  const good = make()
  const policy = {
    policies: [allow('all')],
    authentications: [accepting(apiKeys)],
    apiKeys: [apiKey('shop', [good]), ...keys],
  }
  const hop = await startHop(t, { policy, ...(clock === undefined ? {} : { api: { clock } }) })
  const call: Setting['call'] = (key, more = {}) =>
    send(hop.web.outbound, { headers: { host: 'api', ...(key === undefined ? {} : { 'x-api-key': key }) }, ...more })
  return { ...hop, good, call }
}

/** The key with another secret: well-formed, and of nobody. */
const wrong = (): string => make().text

t.test('a good key passes, and the application does not get it', async (t) => {
  const { call, good, app, api } = await setUp(t, [])
  t.equal((await call(good.text)).status, 200)
  t.notOk(app.seen[0]!.headers['x-api-key'])
  t.equal((await call(undefined)).status, 200, 'to demand one is for an AuthorizationPolicy')
  t.equal(await api.metric('outrider_api_keys_total', { result: 'good' }), 1)
})

t.test('where it says so the application gets it, and it is found in a cookie and in the query', async (t) => {
  const from = [{ header: 'authorization', prefix: 'ApiKey ' }, { cookie: 'key' }, { query: 'api_key' }]
  const { web, good, app } = await setUp(t, [], { from })
  const tries: Readonly<Record<string, [string, object]>> = {
    header: ['/', { authorization: `apikey ${good.text}` }],
    cookie: ['/', { cookie: `a=1; key=${good.text}; b=2` }],
    query: [`/?x=1&api%5Fkey=${good.text}&y=2`, {}],
  }
  for (const [name, [path, headers]] of Object.entries(tries)) {
    t.equal((await send(web.outbound, { path, headers: { host: 'api', ...headers } })).status, 200, name)
    t.notOk(JSON.stringify(app.seen.at(-1)!.raw).includes('ork_'), name)
    t.notOk(app.seen.at(-1)!.target.includes('ork_'), name)
  }
  t.equal(app.seen.at(-1)!.target, '/?x=1&y=2')
  const forwarded = await setUp(t, [], { forward: true })
  await forwarded.call(forwarded.good.text)
  t.equal(forwarded.app.seen[0]!.headers['x-api-key'], forwarded.good.text)
})

t.test('what does not prove good is refused, and says no more than it has to', async (t) => {
  const ended = make()
  const { call, good, app, api } = await setUp(t, [apiKey('old', [ended], { notAfterMs: Date.now() - 1 })])
  const mistyped = good.text.slice(0, -1) + (good.text.endsWith('0') ? '1' : '0')
  const cases: Readonly<Record<string, readonly [string, string]>> = {
    'not a key': ['hello', 'apikey-malformed'],
    mistyped: [mistyped, 'apikey-malformed'],
    unknown: [wrong(), 'apikey-unknown'],
    expired: [ended.text, 'apikey-expired'],
  }
  for (const [name, [key, code]] of Object.entries(cases)) {
    const reply = await call(key)
    t.equal(reply.status, 401, name)
    t.equal(reply.headers['x-outrider-refusal'], code, name)
    t.ok(reply.headers['www-authenticate'], name)
    t.match(await api.records.take(({ status }) => status === 401), { code })
  }
  t.equal(app.seen.length, 0)
  const secret = good.text.split('_').slice(2).join('_').slice(0, 43)
  const written = JSON.stringify([...api.lines.items, ...api.records.items])
  t.notOk(written.includes(secret), 'no secret in a log')
})

t.test('a secret under the ID of another key is unknown', async (t) => {
  const other = make()
  const { call, good } = await setUp(t, [apiKey('other', [other])])
  const mixed = formatApiKey({ id: good.id, secret: parseApiKey(other.text)!.secret })
  t.equal((await call(mixed)).headers['x-outrider-refusal'], 'apikey-unknown')
})

t.test('both secrets are good during an overlap, and the old one ends with it', async (t) => {
  const clock = new TestClock(Date.now())
  const [old, next] = [make(), make()]
  const rotated = apiKey('rotated', [next])
  const end = clock.now() + 1000
  const withOld: ApiKey = {
    ...rotated,
    spec: {
      ...rotated.spec,
      secrets: [...apiKey('rotated', [old], { notAfterMs: end }).spec.secrets, ...rotated.spec.secrets],
    },
  }
  const { call } = await setUp(t, [withOld], {}, clock)
  t.equal((await call(old.text)).status, 200)
  t.equal((await call(next.text)).status, 200)
  clock.advance(1000)
  t.equal((await call(old.text)).headers['x-outrider-refusal'], 'apikey-expired')
  t.equal((await call(next.text)).status, 200)
})

t.test('whoever keeps failing is locked out for a while; who was good before goes on', async (t) => {
  const clock = new TestClock(Date.now())
  const other = make()
  const { call, good, app, api } = await setUp(t, [apiKey('other', [other])], {}, clock)
  t.equal((await call(good.text)).status, 200, 'proved before the attack')
  for (let tries = 0; tries < LOCKOUT_FAILURES; tries += 1) {
    t.equal((await call(wrong())).headers['x-outrider-refusal'], 'apikey-unknown')
  }
  const locked = await call(wrong())
  t.equal(locked.status, 429)
  t.match(locked.headers, { 'x-outrider-refusal': 'apikey-locked-out', 'retry-after': String(LOCKOUT_MS / 1000) })
  t.equal(
    (await call(other.text)).status,
    429,
    'a good key that was not used before: the guesser would be told otherwise',
  )
  t.equal((await call(good.text)).status, 200, 'others behind the same peer go on')
  const guessed = formatApiKey({ id: good.id, secret: randomBytes(32) })
  t.equal((await call(guessed)).status, 429, 'but their ID alone is no way around the lock')
  t.equal((await call(good.text)).status, 200, 'nor a way to lock them out')
  t.equal((await call('no key at all')).status, 401, 'a typing mistake is told as one')
  t.equal((await call(undefined)).status, 200, 'only keys are locked out')
  const seen = app.seen.length
  clock.advance(LOCKOUT_MS)
  t.equal((await call(other.text)).status, 200)
  t.equal(app.seen.length, seen + 1)
  await api.lines.take(({ message }) => message === 'too many wrong API keys: locked out')
  t.equal(await api.metric('outrider_api_keys_total', { result: 'apikey-locked-out' }), 3)
})

t.test('a lock is of one source: peers by their identity, others by their address', async (t) => {
  const ca = makeTestCa(TRUST_DOMAIN)
  const good = make()
  const app = await startApp(t)
  const policy = policyOf({
    policies: [allow('all')],
    authentications: [accepting({})],
    apiKeys: [apiKey('shop', [good])],
  })
  const api: TestSidecar = await startTestSidecar(t, {
    ca,
    id: '/ns/default/sa/api',
    policy,
    app: app.address,
    inbound: { mode: 'permissive' },
  })
  const [mallory, alice] = [ca.issue('/ns/default/sa/mallory'), ca.issue('/ns/default/sa/alice')]
  const headers = (key: string): object => ({ headers: { host: 'api', 'x-api-key': key } })
  for (let tries = 0; tries < LOCKOUT_FAILURES; tries += 1) await sendTls(api.inbound, ca, mallory, headers(wrong()))
  t.equal((await sendTls(api.inbound, ca, mallory, headers(good.text))).status, 429)
  t.equal((await sendTls(api.inbound, ca, alice, headers(good.text))).status, 200)
  t.equal((await send(api.inbound, headers(good.text))).status, 200)
  for (let tries = 0; tries < LOCKOUT_FAILURES; tries += 1) await send(api.inbound, headers(wrong()))
  const locked = await send(api.inbound, headers(wrong()))
  t.equal(locked.status, 429)
  t.notOk(locked.headers['x-outrider-refusal'], 'who has no identity is not told why')
  t.equal((await sendTls(api.inbound, ca, alice, headers(good.text))).status, 200)
})

t.test('a key that is taken away is refused from the next request on', async (t) => {
  const { call, good, api } = await setUp(t, [])
  t.equal((await call(good.text)).status, 200)
  api.policy.set(policyOf({ policies: [allow('all')], authentications: [accepting({})], apiKeys: [] }))
  t.equal((await call(good.text)).headers['x-outrider-refusal'], 'apikey-unknown')
})
