import t from 'tap'
import { ApiClient } from '../../../src/kubernetes/client.ts'
import { TestClock } from '../../fixtures/clock.ts'
import { startKubernetes } from '../../fixtures/kubernetes-api.ts'
import { checkLeaks } from '../../fixtures/leaks.ts'
import { until } from '../../fixtures/process.ts'
import { configMap, configMaps, follow } from '../../fixtures/reflected.ts'

checkLeaks(t)

const MINUTE = 60_000

t.test('a list, then each change as it happens', async (t) => {
  const api = await startKubernetes(t)
  api.put(configMaps, configMap('a', '1'))
  const seen = follow(t, api)
  await seen.heard('synced')
  t.same(seen.told, ['replaced 1', 'synced'])
  api.put(configMaps, configMap('b', '1'))
  api.put(configMaps, configMap('a', '2'))
  api.remove(configMaps, 'b', 'default')
  await seen.heard('delete default/b')
  t.same(seen.told.slice(2), ['put default/b', 'put default/a', 'delete default/b'])
  await seen.equal()
  const watch = api.asked.find(({ path }) => path.includes('watch=true'))?.path ?? ''
  const query = new URL(watch, 'https://api').searchParams
  t.equal(query.get('allowWatchBookmarks'), 'true')
  t.equal(query.get('timeoutSeconds'), '450', '5 to 10 minutes')
  t.equal(query.get('resourceVersion'), '98', 'that of the list')
})

t.test('objects of a list say what they are, as those of a watch do', async (t) => {
  const api = await startKubernetes(t)
  api.put(configMaps, configMap('a', '1'))
  const seen = follow(t, api)
  await seen.heard('synced')
  api.put(configMaps, configMap('b', '1'))
  await seen.heard('put default/b')
  t.match(
    [...seen.objects.values()],
    [
      { apiVersion: 'v1', kind: 'ConfigMap' },
      { apiVersion: 'v1', kind: 'ConfigMap' },
    ],
  )
})

t.test('a watch that is cut, or ends, goes on where it was: at the last event or bookmark', async (t) => {
  const api = await startKubernetes(t)
  const seen = follow(t, api)
  await seen.heard('synced')
  for (const [name, end] of [
    ['a', () => api.dropWatches()],
    ['b', () => api.endWatches()],
  ] as const) {
    const from = seen.told.length
    api.put(configMaps, configMap(name, '1'))
    await seen.heard(`put default/${name}`, from)
    api.rest.etcd.pass(10)
    api.bookmark()
    await seen.heard(/^bookmark/, from)
    const watches = (): string[] => api.asked.map(({ path }) => path).filter((path) => path.includes('watch=true'))
    const before = watches().length
    end()
    api.put(configMaps, configMap(name, '2'))
    await until('another watch', () => watches().length > before)
    await seen.heard(`put default/${name}`, from + 2)
    const bookmarked = /bookmark (\d+)/.exec(seen.told.findLast((line) => line.startsWith('bookmark')) ?? '')?.[1]
    t.equal(new URL(watches().at(-1) ?? '', 'https://api').searchParams.get('resourceVersion'), bookmarked)
  }
  t.notOk(
    seen.told.some((line) => line.startsWith('broken')),
    'that is no fault',
  )
  t.equal(seen.told.filter((line) => line.startsWith('replaced')).length, 1, 'nor a reason to list')
  await seen.equal()
})

for (const early of [true, false]) {
  t.test(
    `410 as ${early ? 'a status' : 'an ERROR event'}: what happened meanwhile comes with a new list`,
    async (t) => {
      const api = await startKubernetes(t)
      api.put(configMaps, configMap('stays', '1'))
      api.put(configMaps, configMap('goes', '1'))
      const seen = follow(t, api)
      await seen.heard('synced')
      await api.stop()
      api.put(configMaps, configMap('stays', '2'))
      api.put(configMaps, configMap('comes', '1'))
      api.remove(configMaps, 'goes', 'default')
      api.compact({ early })
      const from = seen.told.length
      await api.start()
      await seen.heard('replaced 2', from)
      t.same([...seen.objects.keys()].toSorted(), ['default/comes', 'default/stays'])
      api.put(configMaps, configMap('comes', '2'))
      await seen.heard('put default/comes', from)
      await seen.equal()
      t.notOk(
        seen.told.some((line) => line.includes('kubernetes-gone')),
        'to be late is no fault',
      )
    },
  )
}

t.test('an ERROR event of another kind leads to a list', async (t) => {
  const api = await startKubernetes(t)
  const seen = follow(t, api)
  await seen.heard('synced')
  const status = {
    kind: 'Status',
    apiVersion: 'v1',
    status: 'Failure',
    code: 500,
    reason: 'InternalError',
    message: 'unable to decode',
  }
  api.rubbish(`${JSON.stringify({ type: 'ERROR', object: status })}\n`)
  await seen.heard('broken kubernetes-refused')
  t.match(seen.errors[0]?.message, /watch configmaps: 500 InternalError, unable to decode/)
  await until('a second list', () => seen.told.filter((line) => line === 'replaced 0').length === 2)
  await seen.heard('synced', 3)
})

for (const [what, text] of Object.entries({
  'a line that is no JSON': 'not json\n',
  'a line that is no event': '{"type":"NEWS","object":{"metadata":{"name":"a","resourceVersion":"7"}}}\n',
  'a type that every object has': '{"type":"constructor","object":{"metadata":{"name":"a","resourceVersion":"7"}}}\n',
  'an event without an object': '{"type":"ADDED"}\n',
  'an object without a name': '{"type":"ADDED","object":{"metadata":{"resourceVersion":"7"}}}\n',
  'an object without a version': '{"type":"ADDED","object":{"metadata":{"name":"a"}}}\n',
  'labels that are none':
    '{"type":"ADDED","object":{"metadata":{"name":"a","resourceVersion":"7","labels":{"x":1}}}}\n',
  'a bookmark without a version': '{"type":"BOOKMARK","object":{"metadata":{}}}\n',
  'a list in place of an event': '[]\n',
  'more than 3 MiB': `{"type":"ADDED","object":{"metadata":{"name":"${'a'.repeat(3 * 1024 * 1024)}`,
})) {
  t.test(`${what} is refused, and leads to a list`, async (t) => {
    const api = await startKubernetes(t)
    const seen = follow(t, api)
    await seen.heard('synced')
    api.rubbish(text)
    await seen.heard('broken kubernetes-answer')
    await seen.heard('synced', 3)
    api.put(configMaps, configMap('a', '1'))
    await seen.heard('put default/a')
    t.same([...seen.objects.keys()], ['default/a'])
  })
}

t.test('what comes twice is told once, and what was never there is not told as gone', async (t) => {
  const api = await startKubernetes(t)
  const seen = follow(t, api)
  await seen.heard('synced')
  const event = (type: string, name: string): string => {
    const metadata = { name, namespace: 'default', resourceVersion: '98' }
    return `${JSON.stringify({ type, object: { apiVersion: 'v1', kind: 'ConfigMap', metadata } })}\n`
  }
  api.rubbish([event('ADDED', 'a'), event('ADDED', 'a'), event('DELETED', 'b'), '\n', event('DELETED', 'a')].join(''))
  api.rubbish(event('DELETED', 'a'))
  api.put(configMaps, configMap('end', '1'))
  await seen.heard('put default/end')
  t.same(seen.told.slice(2), ['put default/a', 'delete default/a', 'put default/end'])
})

t.test('an event of almost 3 MiB is taken', async (t) => {
  const api = await startKubernetes(t)
  const seen = follow(t, api)
  await seen.heard('synced')
  api.put(configMaps, configMap('large', 'x'.repeat(3 * 1024 * 1024 - 1024)))
  await seen.heard('put default/large')
  await seen.equal()
})

for (const [how, end] of ['dropWatches', 'endWatches'].entries()) {
  t.test(`half a line is not an event, whether the stream is cut or ends: it comes again (${end})`, async (t) => {
    const api = await startKubernetes(t)
    const seen = follow(t, api)
    await seen.heard('synced')
    api.rubbish('{"type":"ADDED","object":{"metadata":{"name":"half","na')
    if (how === 0) api.dropWatches()
    else api.endWatches({ bare: true })
    api.put(configMaps, configMap('whole', '1'))
    await seen.heard('put default/whole')
    t.same(seen.told, ['replaced 0', 'synced', 'put default/whole'])
    await seen.equal()
  })
}

t.test('a stream that is silent is ended, and taken up again', async (t) => {
  const clock = new TestClock()
  const api = await startKubernetes(t)
  const seen = follow(t, api, { clock })
  await seen.heard('synced')
  const release = api.hang()
  release()
  api.put(configMaps, configMap('a', '1'))
  clock.advance(3 * MINUTE)
  await seen.heard('put default/a')
  t.equal(api.watches, 1)
  t.same(seen.told, ['replaced 0', 'synced', 'put default/a'], 'to say nothing is no fault')
})

t.test('a stream that lasts longer than it should is ended, however much it says', async (t) => {
  const clock = new TestClock()
  const api = await startKubernetes(t)
  const seen = follow(t, api, { clock })
  await seen.heard('synced')
  const watches = (): number => api.asked.filter(({ path }) => path.includes('watch=true')).length
  for (let minute = 1; minute <= 8; minute += 1) {
    const from = seen.told.length
    clock.advance(MINUTE)
    if (minute === 8) break
    api.rest.etcd.pass()
    api.bookmark()
    await seen.heard(/^bookmark/, from)
    t.equal(watches(), 1)
  }
  await until('another watch', () => watches() === 2)
})

t.test('an API server that hangs is broken after the time-out of a call', async (t) => {
  const clock = new TestClock()
  const api = await startKubernetes(t)
  const release = api.hang()
  const seen = follow(t, api, { clock })
  await until('the call', () => api.asked.length === 1)
  clock.advance(30_000)
  await seen.heard('broken kubernetes-unreachable')
  t.match(seen.errors[0]?.message, /list configmaps at 127\.0\.0\.1:\d+: no answer within 30000 ms/)
  release()
  // Its pause starts in a turn of its own.
  await until('synced', () => {
    clock.advance(300)
    return seen.told.includes('synced')
  })
})

for (const [status, reason] of [
  [429, 'TooManyRequests'],
  [500, 'InternalError'],
  [503, 'ServiceUnavailable'],
  [401, 'Unauthorized'],
  [403, 'Forbidden'],
] as const) {
  t.test(`${status} to a watch: tried again from the same version`, async (t) => {
    const api = await startKubernetes(t)
    const seen = follow(t, api)
    await seen.heard('synced')
    api.fail({ path: /watch=true/, status, reason, times: 2 })
    api.dropWatches()
    api.put(configMaps, configMap('a', '1'))
    await seen.heard('put default/a')
    t.same(seen.told, [
      'replaced 0',
      'synced',
      `broken kubernetes-${status === 403 ? 'forbidden' : 'refused'}`,
      'synced',
      'put default/a',
    ])
  })
}

t.test('Retry-After is waited for, up to the longest pause', async (t) => {
  const clock = new TestClock()
  const api = await startKubernetes(t)
  const seen = follow(t, api, { clock })
  await seen.heard('synced')
  for (const [seconds, waitS] of [
    [7, 7],
    [9999, 30],
  ] as const) {
    const calls = (): number => api.asked.length
    api.fail({ path: /watch=true/, status: 429, reason: 'TooManyRequests', retryAfterS: seconds, times: 1 })
    const from = seen.told.length
    api.put(configMaps, configMap('a', String(seconds)))
    await seen.heard('put default/a', from)
    api.dropWatches()
    await seen.heard('broken kubernetes-refused', from)
    await until('the pause', () => clock.pending > 0)
    const before = calls()
    clock.advance(waitS * 1000 - 1)
    t.equal(calls(), before)
    clock.advance(1)
    await seen.heard('synced', from)
  }
})

t.test('an API server that was set back to a backup: its state counts', async (t) => {
  const api = await startKubernetes(t)
  for (const name of ['a', 'b']) api.put(configMaps, configMap(name, '1'))
  const seen = follow(t, api)
  await seen.heard('synced')
  const restore = api.rest.etcd.backup()
  api.put(configMaps, configMap('a', '2'))
  api.put(configMaps, configMap('c', '1'))
  api.remove(configMaps, 'b', 'default')
  await seen.heard('delete default/b')
  await api.stop()
  restore()
  await seen.heard('broken kubernetes-unreachable')
  await api.start()
  await seen.heard('broken kubernetes-set-back')
  t.match(seen.errors.at(-1)?.message, 'configmaps: the API server is at version 99, and was at 102: it was set back')
  await seen.heard('synced', 5)
  t.same([...seen.objects.keys()], ['default/a', 'default/b'])
  await seen.equal()
  api.put(configMaps, configMap('a', '3'))
  await seen.heard('put default/a', 7)
})

t.test('streams that are accepted and cut at once are a fault, until one tells something', async (t) => {
  const clock = new TestClock()
  const api = await startKubernetes(t)
  const seen = follow(t, api, { clock })
  await seen.heard('synced')
  const calls = (): number => api.asked.filter(({ path }) => path.includes('watch=true')).length
  for (let cut = 1; cut <= 3; cut += 1) {
    t.equal(seen.errors.length, 0)
    const before = calls()
    api.dropWatches()
    await until('another one', () => {
      clock.advance(100)
      return calls() > before && api.watches === 1
    })
  }
  await seen.heard('broken kubernetes-unreachable')
  t.equal(seen.told.at(-1), 'broken kubernetes-unreachable', 'that the next one is accepted says nothing')
  api.put(configMaps, configMap('a', '1'))
  await seen.heard('synced', 3)
  t.same(seen.told, ['replaced 0', 'synced', 'broken kubernetes-unreachable', 'put default/a', 'synced'])
})

t.test('a type that goes away and comes back', async (t) => {
  const api = await startKubernetes(t)
  const crds = { group: 'apiextensions.k8s.io', version: 'v1', plural: 'customresourcedefinitions', namespaced: false }
  const things = { group: 'example.com', version: 'v1', plural: 'things', namespaced: true }
  const definition = {
    metadata: { name: 'things.example.com' },
    spec: {
      group: 'example.com',
      names: { plural: 'things', kind: 'Thing' },
      scope: 'Namespaced',
      versions: [{ name: 'v1', served: true, storage: true, subresources: { status: {} } }],
    },
  }
  const seen = follow(t, api, { type: things })
  await seen.heard('broken kubernetes-refused')
  t.match(seen.errors[0], {
    status: 404,
    message: /list things\.example\.com: 404, there is no such resource/,
  })
  api.put(crds, definition)
  await seen.heard('synced')
  api.put(things, { metadata: { name: 'one', namespace: 'default' }, spec: { size: 1 } })
  await seen.heard('put default/one')
  api.remove(crds, 'things.example.com')
  await seen.heard('delete default/one')
  api.dropWatches()
  await seen.heard('broken kubernetes-refused', 4)
  api.put(crds, definition)
  await seen.heard('synced', 5)
})

t.test('more objects than allowed: refused as a list and as an event, with the name of the limit', async (t) => {
  const api = await startKubernetes(t)
  for (const name of ['a', 'b']) api.put(configMaps, configMap(name, '1'))
  const seen = follow(t, api, { maxObjects: 2 })
  await seen.heard('synced')
  api.put(configMaps, configMap('c', '1'))
  await seen.heard('broken kubernetes-too-many')
  t.match(seen.errors[0]?.message, /watch configmaps: there are more than 2 \(maxObjects\)/)
  await until('the list', () => seen.errors.length === 2)
  t.match(seen.errors[1]?.message, /list configmaps: there are more than 2 \(maxObjects\)/)
  t.same([...seen.objects.keys()], ['default/a', 'default/b'], 'what was told stays')
  api.remove(configMaps, 'a', 'default')
  await seen.heard('synced', 4)
  await seen.equal()
})

t.test('objects are slimmed before they are kept', async (t) => {
  const api = await startKubernetes(t)
  api.put(configMaps, configMap('a', '1'))
  const seen = follow(t, api, {
    slim: ({ metadata: { name, namespace = '', resourceVersion = '' } }) => ({
      metadata: { name, namespace, resourceVersion },
    }),
  })
  await seen.heard('synced')
  api.put(configMaps, configMap('b', '1'))
  await seen.heard('put default/b')
  for (const object of seen.objects.values()) t.same(Object.keys(object), ['metadata'])
})

t.test('a selection: what leaves it is deleted, what enters it is put', async (t) => {
  const api = await startKubernetes(t)
  api.put({ group: '', version: 'v1', plural: 'namespaces', namespaced: false }, { metadata: { name: 'other' } })
  const seen = follow(t, api, { namespace: 'default', labelSelector: 'app=web', fieldSelector: 'metadata.name!=no' })
  await seen.heard('synced')
  api.put(configMaps, configMap('a', '1', { labels: { app: 'web' } }))
  api.put(configMaps, configMap('no', '1', { labels: { app: 'web' } }))
  api.put(configMaps, {
    ...configMap('a', '1', { labels: { app: 'web' } }),
    metadata: { name: 'a', namespace: 'other', labels: { app: 'web' } },
  })
  api.put(configMaps, configMap('a', '2', { labels: { app: 'db' } }))
  api.put(configMaps, configMap('a', '3', { labels: { app: 'web' } }))
  await seen.heard('put default/a', 4)
  t.same(seen.told.slice(2), ['put default/a', 'delete default/a', 'put default/a'])
})

t.test('relist: now, one at a time, and as often as it has to be', async (t) => {
  const api = await startKubernetes(t)
  let during = 0
  const seen = follow(t, api, {
    listen: (what) => {
      if (what.startsWith('replaced') && during-- > 0)
        for (let times = 0; times < 5; times += 1) seen.reflector.relist()
    },
  })
  await seen.heard('synced')
  const lists = (): number => api.asked.filter(({ path }) => path.includes('limit=')).length
  t.equal(lists(), 1)
  for (let times = 0; times < 5; times += 1) seen.reflector.relist()
  await until('a second list', () => seen.told.filter((line) => line.startsWith('replaced')).length === 2)
  during = 1
  seen.reflector.relist()
  await until('two more', () => seen.told.filter((line) => line.startsWith('replaced')).length === 4)
  api.put(configMaps, configMap('a', '1'))
  await seen.heard('put default/a')
  t.equal(lists(), 4)
  t.notOk(seen.told.some((line) => line.startsWith('broken')))
})

t.test('what cannot be taken is told again, after a pause', async (t) => {
  const api = await startKubernetes(t)
  let bad = true
  const seen = follow(t, api, {
    listen: (what) => {
      if (what === 'put default/a' && bad) throw new TypeError('a bug')
    },
  })
  await seen.heard('synced')
  api.put(configMaps, configMap('a', '1'))
  await seen.heard('broken kubernetes-not-taken')
  t.match(seen.errors[0], { source: 'internal', message: /was not taken: a bug/ })
  bad = false
  await seen.heard('replaced 1')
  await seen.equal()
})

t.test('close in the middle of everything: nothing more is told, nothing is left', async (t) => {
  const moments = ['replaced 1', 'synced', 'put default/b', /^bookmark/, 'delete default/b', /^broken/]
  for (const moment of moments) {
    const api = await startKubernetes(t)
    api.put(configMaps, configMap('a', '1'))
    let closed = false
    const seen = follow(t, api, {
      listen: (what) => {
        t.notOk(closed, 'told after close')
        if (typeof moment === 'string' ? moment === what : moment.test(what)) {
          closed = true
          queueMicrotask(() => seen.reflector.close())
          seen.reflector.close()
        }
      },
    })
    await until('the first list', () => seen.told.length > 0)
    const steps = [
      () => api.put(configMaps, configMap('b', '1')),
      () => api.bookmark(),
      () => api.remove(configMaps, 'b', 'default'),
      () => api.rubbish('rubbish\n'),
    ]
    await until('a watch or the end', () => closed || api.watches === 1)
    for (const step of steps) step()
    await until('the end', () => closed)
    await until('no watch', () => api.watches === 0)
  }
  t.test('while it lists, and while it waits', async (t) => {
    const clock = new TestClock()
    const api = await startKubernetes(t)
    api.hang()
    const listing = follow(t, api, { clock })
    await until('the call', () => api.asked.length === 1)
    listing.reflector.close()
    await until('no timer', () => clock.pending === 0)
    t.same(listing.told, [])
    await api.stop()
    const waiting = follow(t, api, { clock })
    await waiting.heard('broken kubernetes-unreachable')
    await until('the pause', () => clock.pending === 1)
    waiting.reflector.close()
    await until('no timer', () => clock.pending === 0)
  })
})

t.test('the client that is closed ends its watches', async (t) => {
  const api = await startKubernetes(t)
  const client = new ApiClient(api.connection, new TestClock())
  const watch = client.watch(configMaps, { resourceVersion: '1', timeoutSeconds: 300, told: () => {} })
  await until('the watch', () => api.watches === 1)
  client.close()
  await t.rejects(watch, { code: 'kubernetes-unreachable', message: 'the client of the API server is closed' })
  await until('no watch', () => api.watches === 0)
  await t.rejects(client.get(configMaps, 'a', 'default'), { code: 'kubernetes-unreachable', retryable: false })
})
