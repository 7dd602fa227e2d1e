import { randomBytes, timingSafeEqual } from 'node:crypto'
import t from 'tap'
import { hashApiKeySecret, type NewApiKey, newApiKey, parseApiKey } from '../../../src/identity/api-key.ts'
import { type ApiKeyVerdict, compileApiKeys, verifyApiKey } from '../../../src/policy/api-keys.ts'
import type { ApiKey } from '../../../src/policy/model.ts'

const NOW = Date.parse('2026-05-01T12:00:00Z')

function apiKey(owner: string, made: readonly NewApiKey[], notAfterMs?: number): ApiKey {
  return {
    kind: 'ApiKey',
    metadata: { namespace: 'default', name: owner },
    spec: {
      workloads: [],
      owner,
      scopes: ['read'],
      secrets: made.map(({ id, salt, hash }) => ({
        id,
        salt,
        hash,
        createdAtMs: NOW - 1000,
        ...(notAfterMs === undefined ? {} : { notAfterMs }),
      })),
    },
  }
}

const good = newApiKey(randomBytes)
const next = newApiKey(randomBytes)
const ended = newApiKey(randomBytes)
const stranger = newApiKey(randomBytes)
const table = compileApiKeys([apiKey('orders', [good, next]), apiKey('billing', [ended], NOW)])

/** The key with the ID of one and the secret of another. */
function mixed(id: NewApiKey, secret: NewApiKey): { id: string; secret: Buffer } {
  return { id: id.id, secret: parseApiKey(secret.text)!.secret }
}

t.test('verdicts', async (t) => {
  const of = (made: NewApiKey, nowMs = NOW): ApiKeyVerdict => verifyApiKey(table, parseApiKey(made.text)!, nowMs)
  const expiresAtMs = Number.POSITIVE_INFINITY
  t.same(of(good), { kind: 'good', identity: { id: good.id, owner: 'orders', scopes: ['read'], expiresAtMs } })
  t.match(of(next), { kind: 'good', identity: { id: next.id, owner: 'orders' } }, 'while one replaces another')
  t.same(of(ended), { kind: 'expired', id: ended.id }, 'the end is the first moment at which it is no longer good')
  t.match(of(ended, NOW - 1), { kind: 'good', identity: { owner: 'billing', expiresAtMs: NOW } })
  t.same(of(stranger), { kind: 'unknown' })
  t.same(
    verifyApiKey(table, mixed(good, next), NOW),
    { kind: 'unknown' },
    'the secret of the same owner under another ID',
  )
  t.same(verifyApiKey(table, mixed(ended, good), NOW), { kind: 'unknown' }, 'nobody hears of an end without the secret')
  t.same(verifyApiKey(new Map(), parseApiKey(good.text)!, NOW), { kind: 'unknown' })
})

t.test('an ID that two keys claim is good for neither', async (t) => {
  const parts = parseApiKey(good.text)!
  for (const claims of [2, 3]) {
    const keys = Array.from({ length: claims }, (_, index) => apiKey(`owner-${index}`, [good]))
    t.same(verifyApiKey(compileApiKeys(keys), parts, NOW), { kind: 'unknown' }, `${claims} claims`)
  }
})

t.test('every answer costs the same hashes and comparisons, over the same number of bytes', async (t) => {
  const cost = (parts: { id: string; secret: Buffer }): string[] => {
    const steps: string[] = []
    verifyApiKey(table, parts, NOW, {
      hash: (salt, secret) => {
        steps.push(`hash ${salt.length} + ${secret.length}`)
        return hashApiKeySecret(salt, secret)
      },
      equal: (a, b) => {
        steps.push(`equal ${a.length} ${b.length}`)
        return timingSafeEqual(a, b)
      },
    })
    return steps
  }
  const expected = ['hash 16 + 32', 'equal 32 32']
  t.same(cost(parseApiKey(good.text)!), expected, 'good')
  t.same(cost(mixed(good, stranger)), expected, 'wrong secret')
  t.same(cost(parseApiKey(stranger.text)!), expected, 'unknown ID')
  t.same(cost(parseApiKey(ended.text)!), expected, 'expired')
})

t.test('the time of an answer, for information', async (t) => {
  const cases = {
    good: parseApiKey(good.text)!,
    'wrong secret': mixed(good, stranger),
    'unknown ID': parseApiKey(stranger.text)!,
    expired: parseApiKey(ended.text)!,
  }
  const samples = new Map(Object.keys(cases).map((name) => [name, [] as number[]]))
  // In turns, so that whatever else the machine does meets all of them alike.
  for (let round = 0; round < 3000; round += 1) {
    for (const [name, parts] of Object.entries(cases)) {
      const started = process.hrtime.bigint()
      verifyApiKey(table, parts, NOW)
      samples.get(name)!.push(Number(process.hrtime.bigint() - started))
    }
  }
  for (const [name, times] of samples) {
    const sorted = times.toSorted((a, b) => a - b)
    t.comment(`${name}: median ${sorted[1500]} ns, 90th percentile ${sorted[2700]} ns`)
  }
})
