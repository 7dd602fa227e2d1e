import t, { type Test } from 'tap'
import { ApiClient } from '../../../src/kubernetes/client.ts'
import { systemClock } from '../../../src/lib/clock.ts'
import { startKubernetes, type TestKubernetes } from '../../fixtures/kubernetes-api.ts'
import { checkLeaks } from '../../fixtures/leaks.ts'
import { configMap, configMaps } from '../../fixtures/reflected.ts'

checkLeaks(t)

function clientOf(t: Test, api: TestKubernetes): ApiClient {
  const client = new ApiClient(api.connection, systemClock)
  t.teardown(() => client.close())
  return client
}

function queries(api: TestKubernetes): URLSearchParams[] {
  return api.asked.map(({ path }) => new URL(path, 'https://api').searchParams)
}

t.test('10 000 objects come in pages, all of one moment', async (t) => {
  const api = await startKubernetes(t)
  for (let index = 0; index < 10_000; index += 1) api.put(configMaps, configMap(`a-${index}`, '1'))
  const client = clientOf(t, api)
  const before = api.rest.etcd.revision
  const { items, resourceVersion } = await client.list(configMaps, { maxObjects: 10_000 })
  t.equal(items.length, 10_000)
  t.equal(new Set(items.map(({ metadata }) => metadata.name)).size, 10_000)
  t.equal(resourceVersion, String(before))
  t.same(
    queries(api).map((query) => query.get('limit')),
    Array.from({ length: 20 }, () => '500'),
  )
})

t.test('what changes between the pages is not in the list', async (t) => {
  const turns: (() => void)[] = [
    () => api.remove(configMaps, 'c', 'default'),
    () => api.put(configMaps, configMap('d', '1')),
  ]
  const api = await startKubernetes(t, {
    answer: () => {
      if (api.asked.length > 1) turns.shift()?.()
      return undefined
    },
  })
  for (const name of ['a', 'b', 'c']) api.put(configMaps, configMap(name, '1'))
  const { items } = await clientOf(t, api).list(configMaps, { maxObjects: 10, limitPerPage: 1 })
  t.same(
    items.map(({ metadata }) => metadata.name),
    ['a', 'b', 'c'],
  )
  t.equal(turns.length, 0)
})

t.test('a continue token that is too old: from the beginning, three times', async (t) => {
  let compactions = 1
  const api = await startKubernetes(t, {
    answer: (_method, path) => {
      if (!path.includes('continue=') || compactions-- <= 0) return undefined
      api.put(configMaps, configMap('c', String(api.asked.length)))
      api.compact()
      return undefined
    },
  })
  for (const name of ['a', 'b']) api.put(configMaps, configMap(name, '1'))
  const client = clientOf(t, api)
  const { items, resourceVersion } = await client.list(configMaps, { maxObjects: 10, limitPerPage: 1 })
  t.same(
    items.map(({ metadata }) => metadata.name),
    ['a', 'b', 'c'],
  )
  t.equal(resourceVersion, String(api.rest.etcd.revision))
  compactions = Number.POSITIVE_INFINITY
  const asked = api.asked.length
  await t.rejects(client.list(configMaps, { maxObjects: 10, limitPerPage: 1 }), {
    code: 'kubernetes-gone',
    retryable: true,
  })
  t.equal(api.asked.length - asked, 6)
})

t.test('a list that never ends ends at its limit', async (t) => {
  let turn = 0
  const api = await startKubernetes(t, {
    answer: () => {
      turn += 1
      const item = { metadata: { name: `a-${turn}`, namespace: 'default' } }
      return { body: { metadata: { resourceVersion: '7', continue: `t-${turn}` }, items: [item] } }
    },
  })
  await t.rejects(clientOf(t, api).list(configMaps, { maxObjects: 50, namespace: 'default' }), {
    code: 'kubernetes-too-many',
    retryable: false,
    message: 'list configmaps in namespace default: there are more than 50 (maxObjects)',
  })
  t.equal(turn, 51)
})

t.test('nor with pages that are empty', async (t) => {
  const api = await startKubernetes(t, {
    answer: () => ({ body: { metadata: { resourceVersion: '7', continue: 'next' }, items: [] } }),
  })
  await t.rejects(clientOf(t, api).list(configMaps, { maxObjects: 50 }), { code: 'kubernetes-answer' })
  t.equal(api.asked.length, 1)
})

t.test('objects that are large come in smaller pages', async (t) => {
  const api = await startKubernetes(t)
  for (let index = 0; index < 40; index += 1) api.put(configMaps, configMap(`a-${index}`, 'x'.repeat(1_000_000)))
  const { items } = await clientOf(t, api).list(configMaps, { maxObjects: 100, slim: ({ metadata }) => ({ metadata }) })
  t.equal(items.length, 40)
  const limits = queries(api).map((query) => Number(query.get('limit')))
  t.same(limits, [500, 125, 32, 8, 8, 8, 8, 8])
  t.notOk(items.some((item) => 'data' in item))
})

t.test('one object that is larger than a page is refused', async (t) => {
  const api = await startKubernetes(t, { answer: () => ({ body: ' '.repeat(16 * 1024 * 1024 + 1) }) })
  await t.rejects(clientOf(t, api).list(configMaps, { maxObjects: 100, limitPerPage: 2 }), {
    code: 'kubernetes-answer',
    message: /its answer has more than 16777216 bytes/,
  })
})

for (const [what, body] of Object.entries({
  'no JSON': '{',
  'no object': '[]',
  'no metadata': '{"items":[]}',
  'no version': '{"metadata":{},"items":[]}',
  'no items': '{"metadata":{"resourceVersion":"7"},"items":{}}',
  'a token that is none': '{"metadata":{"resourceVersion":"7","continue":7},"items":[]}',
  'an item that is none': '{"metadata":{"resourceVersion":"7"},"items":[{}]}',
})) {
  t.test(`a list with ${what} is refused`, async (t) => {
    const api = await startKubernetes(t, { answer: () => ({ body }) })
    await t.rejects(clientOf(t, api).list(configMaps, { maxObjects: 100 }), {
      code: 'kubernetes-answer',
      message: /^list configmaps: /,
    })
  })
}

t.test('items that are null are none', async (t) => {
  const api = await startKubernetes(t, {
    answer: () => ({ body: { metadata: { resourceVersion: '7' }, items: null } }),
  })
  t.same(await clientOf(t, api).list(configMaps, { maxObjects: 1 }), { items: [], resourceVersion: '7' })
})
