import { writeFileSync } from 'node:fs'
import { createServer, type Server as TcpServer } from 'node:net'
import { once } from 'node:events'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { ApiClient } from '../../../src/kubernetes/client.ts'
import type { ApiConnection } from '../../../src/kubernetes/connection.ts'
import { ApiError, type KubernetesErrorCode } from '../../../src/kubernetes/failure.ts'
import { type ClusterObject, pathOfType, type ResourceType } from '../../../src/kubernetes/objects.ts'
import { systemClock } from '../../../src/lib/clock.ts'
import { makeTestCa } from '../../fixtures/ca.ts'
import { TestClock } from '../../fixtures/clock.ts'
import { type Fault, startKubernetes } from '../../fixtures/kubernetes-api.ts'
import { checkLeaks } from '../../fixtures/leaks.ts'
import { temporaryFolder, until } from '../../fixtures/process.ts'
import { configMap, configMaps } from '../../fixtures/reflected.ts'

checkLeaks(t)

const secrets: ResourceType = { group: '', version: 'v1', plural: 'secrets', namespaced: true }
const nodes: ResourceType = { group: '', version: 'v1', plural: 'nodes', namespaced: false }
const deployments: ResourceType = { group: 'apps', version: 'v1', plural: 'deployments', namespaced: true }

function clientOf(t: Test, connection: ApiConnection, clock = systemClock): ApiClient {
  const client = new ApiClient(connection, clock)
  t.teardown(() => client.close())
  return client
}

t.test('paths', async (t) => {
  const cases = [
    [[configMaps], '/api/v1/configmaps'],
    [[configMaps, 'a'], '/api/v1/namespaces/a/configmaps'],
    [[configMaps, 'a', 'b'], '/api/v1/namespaces/a/configmaps/b'],
    [[nodes, undefined, 'n'], '/api/v1/nodes/n'],
    [[deployments, 'a', 'b', 'status'], '/apis/apps/v1/namespaces/a/deployments/b/status'],
    [[nodes, undefined, 'system:a b'], '/api/v1/nodes/system%3Aa%20b'],
  ] as const
  for (const [[type, ...rest], path] of cases) t.equal(pathOfType(type, ...rest), path)
  for (const name of ['', '.', '..', 'a/b', 'a%2fb', 'a'.repeat(254)]) {
    t.throws(() => pathOfType(configMaps, 'default', name), { code: 'kubernetes-object' })
    t.throws(() => pathOfType(configMaps, name), { code: 'kubernetes-object' })
  }
  t.throws(() => pathOfType(configMaps, undefined, 'a'), { message: 'configmaps have a namespace, and none is given' })
  t.throws(() => pathOfType(nodes, 'default'), { message: 'nodes are in no namespace' })
})

t.test('objects are made, read, changed and deleted', async (t) => {
  const api = await startKubernetes(t)
  const client = clientOf(t, api.connection)
  t.equal(await client.get(configMaps, 'a', 'default'), undefined)
  const made = await client.create(configMaps, configMap('a', '1'))
  t.same(await client.get(configMaps, 'a', 'default'), made)
  await t.rejects(client.create(configMaps, configMap('a', '1')), {
    code: 'kubernetes-conflict',
    reason: 'AlreadyExists',
    message: 'create configmaps a in namespace default: 409 AlreadyExists, configmaps "a" already exists',
  })
  const second = await client.replace(configMaps, { ...made, data: { value: '2' } })
  await t.rejects(client.replace(configMaps, { ...made, data: { value: '3' } }), {
    code: 'kubernetes-conflict',
    reason: 'Conflict',
    retryable: false,
  })
  const third = await client.mergePatch(configMaps, 'a', 'default', { data: { more: '1', value: null } })
  t.same(third['data'], { more: '1' })
  const old = { metadata: { resourceVersion: second.metadata.resourceVersion }, data: { more: '2' } }
  await t.rejects(client.mergePatch(configMaps, 'a', 'default', old), { code: 'kubernetes-conflict' })
  const { resourceVersion = '' } = made.metadata
  await t.rejects(client.delete(configMaps, 'a', 'default', { resourceVersion }), { code: 'kubernetes-conflict' })
  t.equal(await client.delete(configMaps, 'a', 'default'), true)
  t.equal(await client.delete(configMaps, 'a', 'default'), false)
  t.match(await client.raw({ path: '/version' }), { gitVersion: /^v1\./ })
  await t.rejects(client.create(configMaps, { metadata: { name: 'a' } }), { code: 'kubernetes-object' })
  await t.rejects(client.replace(configMaps, configMap('a', '1')), {
    code: 'kubernetes-object',
    message: 'a: an object is only replaced where its resourceVersion is known',
  })
  await t.rejects(client.mergePatch(configMaps, 'b', 'default', {}), {
    code: 'kubernetes-refused',
    status: 404,
    reason: 'NotFound',
  })
  const writes = api.asked.filter(({ method }) => ['POST', 'PUT', 'PATCH'].includes(method))
  t.ok(writes.length > 3 && writes.every(({ path }) => path.endsWith('?fieldValidation=Strict')))
})

t.test('status and everything else are changed apart', async (t) => {
  const api = await startKubernetes(t)
  const client = clientOf(t, api.connection)
  const deployment: ClusterObject = {
    metadata: { name: 'web', namespace: 'default' },
    spec: { replicas: 1 },
    status: { replicas: 9 },
  }
  const made = await client.create(deployments, deployment)
  t.match(made, { metadata: { generation: 1 }, status: undefined })
  const patch = { spec: { replicas: 5 }, status: { replicas: 1 } }
  const known = await client.mergePatch(deployments, 'web', 'default', patch, { subresource: 'status' })
  t.match(known, { metadata: { generation: 1 }, spec: { replicas: 1 }, status: { replicas: 1 } })
  const changed = await client.mergePatch(deployments, 'web', 'default', { spec: { replicas: 2 }, status: null })
  t.match(changed, { metadata: { generation: 2 }, spec: { replicas: 2 }, status: { replicas: 1 } })
})

t.test('server-side apply', async (t) => {
  const api = await startKubernetes(t)
  const client = clientOf(t, api.connection)
  const dry = await client.apply(configMaps, configMap('a', '1'), { fieldManager: 'us', dryRun: true })
  t.match(dry, { data: { value: '1' } })
  t.equal(await client.get(configMaps, 'a', 'default'), undefined)
  const first = await client.apply(configMaps, configMap('a', '1'), { fieldManager: 'us' })
  const again = await client.apply(configMaps, configMap('a', '1'), { fieldManager: 'us' })
  t.equal(again.metadata.resourceVersion, first.metadata.resourceVersion, 'twice is once')
  await t.rejects(client.apply(configMaps, configMap('a', '2'), { fieldManager: 'them' }), {
    code: 'kubernetes-conflict',
    message: /Apply failed with 1 conflict: conflict with "us" using v1: \.data\.value/,
    causes: [{ reason: 'FieldManagerConflict', message: 'conflict with "us" using v1', field: '.data.value' }],
  })
  const taken = await client.apply(configMaps, configMap('a', '2'), { fieldManager: 'them', force: true })
  t.same(taken['data'], { value: '2' })
  const { data: _data, ...bare } = configMap('a', '2')
  const dropped = await client.apply(configMaps, { ...bare, data: { other: '1' } }, { fieldManager: 'them' })
  t.same(dropped['data'], { other: '1' }, 'a field that is no longer applied goes')
  await t.rejects(client.apply(configMaps, { metadata: { name: 'a', namespace: 'default' } }, { fieldManager: 'us' }), {
    code: 'kubernetes-object',
  })
})

interface Wanted {
  readonly code: KubernetesErrorCode
  readonly retryable?: boolean
  readonly status?: number
  readonly retryAfterMs?: number
  readonly message?: string | RegExp
}

const failures: readonly [fault: Omit<Fault, 'path' | 'method'>, wanted: Wanted][] = [
  [
    { status: 400, reason: 'BadRequest', message: 'no' },
    { code: 'kubernetes-refused', retryable: false, status: 400 },
  ],
  [
    { status: 401, reason: 'Unauthorized' },
    { code: 'kubernetes-refused', retryable: true, status: 401 },
  ],
  [
    { status: 404, text: '404 page not found\n' },
    {
      code: 'kubernetes-refused',
      retryable: false,
      message: 'get configmaps a in namespace default: 404, there is no such resource in this API server',
    },
  ],
  [
    { status: 409, reason: 'Conflict' },
    { code: 'kubernetes-conflict', retryable: false },
  ],
  [
    { status: 410, reason: 'Expired' },
    { code: 'kubernetes-gone', retryable: true },
  ],
  [
    { status: 422, reason: 'Invalid', message: 'wrong\nline' },
    {
      code: 'kubernetes-refused',
      retryable: false,
      message: 'get configmaps a in namespace default: 422 Invalid, wrong line',
    },
  ],
  [
    { status: 429, reason: 'TooManyRequests', retryAfterS: 3 },
    { code: 'kubernetes-refused', retryable: true, retryAfterMs: 3000 },
  ],
  [
    { status: 500, text: '<html>' },
    { code: 'kubernetes-refused', retryable: true, message: 'get configmaps a in namespace default: 500' },
  ],
  [
    { status: 503, reason: 'ServiceUnavailable' },
    { code: 'kubernetes-refused', retryable: true },
  ],
  [
    { status: 504, reason: 'Timeout' },
    { code: 'kubernetes-refused', retryable: true },
  ],
  [
    { status: 302, text: '' },
    { code: 'kubernetes-refused', retryable: false, status: 302 },
  ],
  [
    {
      status: 403,
      reason: 'Forbidden',
      message:
        'configmaps "a" is forbidden: User "system:serviceaccount:x:y" cannot get resource "configmaps" in API group "" in the namespace "default"',
    },
    {
      code: 'kubernetes-forbidden',
      retryable: false,
      message:
        'get configmaps a in namespace default: the role of our account lacks the verb "get" on "configmaps" of the API group "" (403 Forbidden, configmaps "a" is forbidden: User "system:serviceaccount:x:y" cannot get resource "configmaps" in API group "" in the namespace "default")',
    },
  ],
  [
    { status: 403, reason: 'Forbidden', message: 'exceeded quota: a' },
    {
      code: 'kubernetes-forbidden',
      message: 'get configmaps a in namespace default: 403 Forbidden, exceeded quota: a',
    },
  ],
  [
    { status: 200, text: '{"metadata":' },
    { code: 'kubernetes-answer', message: 'get configmaps a in namespace default: the answer is no JSON' },
  ],
  [
    { status: 200, text: '[]' },
    { code: 'kubernetes-answer', message: 'get configmaps a in namespace default: no object with metadata of meta/v1' },
  ],
  [{ status: 200, text: '{"metadata":{"name":7}}' }, { code: 'kubernetes-answer' }],
  [{ status: 200, text: '{"metadata":{"name":"a","ownerReferences":[{}]}}' }, { code: 'kubernetes-answer' }],
  [
    { status: 200, text: ' '.repeat(4 * 1024 * 1024 + 1) },
    { code: 'kubernetes-answer', message: /: its answer has more than 4194304 bytes$/ },
  ],
]

t.test('what the API server refuses, and answers that are none', async (t) => {
  const api = await startKubernetes(t)
  const client = clientOf(t, api.connection)
  for (const [fault, wanted] of failures) {
    api.fail({ ...fault, times: 1 })
    await t.rejects(client.get(configMaps, 'a', 'default'), { ...wanted })
  }
  const token = /Bearer (\S+)/.exec(api.asked[0]?.authorization ?? '')?.[1] ?? 'none'
  api.fail({ status: 500, times: 1 })
  const error: unknown = await client.get(configMaps, 'a', 'default').catch((thrown: unknown) => thrown)
  t.ok(
    token.length > 20 &&
      error instanceof ApiError &&
      !JSON.stringify([error, error.message, error.stack]).includes(token),
  )
})

t.test('causes of a refusal: all that are few are told, 32 are kept', async (t) => {
  const api = await startKubernetes(t)
  const client = clientOf(t, api.connection)
  const causes = Array.from({ length: 40 }, (_, index) => ({
    reason: 'FieldValueInvalid',
    message: `wrong ${index}`,
    field: `spec.f${index}`,
  }))
  const status = {
    kind: 'Status',
    message: 'wrong 0',
    reason: 'Invalid',
    details: { causes, retryAfterSeconds: 2 },
    code: 422,
  }
  api.fail({ status: 422, text: JSON.stringify(status), times: 1 })
  const error: unknown = await client.get(configMaps, 'a', 'default').catch((thrown: unknown) => thrown)
  t.match(error, {
    code: 'kubernetes-refused',
    message:
      'get configmaps a in namespace default: 422 Invalid, wrong 0; spec.f1 wrong 1; spec.f2 wrong 2; spec.f3 wrong 3; spec.f4 wrong 4',
    retryAfterMs: 2000,
  })
  t.equal(error instanceof ApiError && error.causes.length, 32)
})

t.test('what the API server says of a Secret is not told: it may quote it', async (t) => {
  const api = await startKubernetes(t)
  const client = clientOf(t, api.connection)
  api.fail({
    status: 422,
    reason: 'Invalid',
    message: 'Invalid value: "{\\"data\\":{\\"key\\":\\"hush\\"}}"',
    times: 1,
  })
  const error: unknown = await client
    .mergePatch(secrets, 'a', 'default', { data: { key: 'hush' } })
    .catch((thrown: unknown) => thrown)
  t.ok(error instanceof ApiError)
  t.match(error, { code: 'kubernetes-refused', message: 'patch secrets a in namespace default: 422 Invalid' })
  t.notMatch(JSON.stringify(error), 'hush')
})

t.test('nobody there, nobody that is believed, nobody that answers', async (t) => {
  const clock = new TestClock()
  const api = await startKubernetes(t)
  const client = clientOf(t, api.connection, clock)
  const folder = temporaryFolder(t)
  const caFile = join(folder, 'ca.crt')
  writeFileSync(caFile, makeTestCa('other.test').pem)
  await t.rejects(clientOf(t, { ...api.connection, caFile }).get(configMaps, 'a', 'default'), {
    code: 'kubernetes-unreachable',
    retryable: true,
    message: /^get configmaps a in namespace default at 127\.0\.0\.1:\d+: .*certificate/,
  })
  await t.rejects(clientOf(t, { ...api.connection, serverName: 'other.test' }).get(configMaps, 'a', 'default'), {
    code: 'kubernetes-unreachable',
    message: /altnames/,
  })
  t.throws(() => new ApiClient({ url: new URL('http://127.0.0.1') }, clock), {
    code: 'kubernetes-unreachable',
    retryable: false,
  })
  const release = api.hang()
  const ends: readonly [end: string, wanted: object][] = [
    ['the clock', { code: 'kubernetes-unreachable', message: /no answer within 10000 ms/ }],
    ['the connection', { code: 'kubernetes-unreachable', retryable: true }],
    ['the caller', { message: 'enough' }],
    ['the client', { code: 'kubernetes-unreachable', message: /is closed/ }],
  ]
  for (const [end, wanted] of ends) {
    const asked = api.asked.length
    const given = new AbortController()
    const own = new ApiClient(api.connection, clock)
    const call = own.raw({ path: '/version', signal: given.signal }).catch((thrown: unknown) => thrown)
    await until('the call', () => api.asked.length > asked)
    if (end === 'the clock') clock.advance(10_000)
    if (end === 'the connection') api.dropAll()
    if (end === 'the caller') given.abort(new Error('enough'))
    if (end === 'the client') own.close()
    t.match(await call, wanted, end)
    own.close()
    await until('no timer', () => clock.pending === 0)
  }
  release()
  await api.stop()
  await t.rejects(client.get(configMaps, 'a', 'default'), { code: 'kubernetes-unreachable', message: /ECONNREFUSED/ })
})

t.test('answers that break off, and servers that speak something else', async (t) => {
  const texts = ['', 'HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n{"a"', 'SSH-2.0-OpenSSH\r\n']
  for (const text of texts) {
    const server: TcpServer = createServer((socket) => {
      socket.on('error', () => {}).once('data', () => socket.end(text))
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const bound = server.address()
    const port = typeof bound === 'object' ? bound?.port : 0
    const client = clientOf(t, { url: new URL(`https://127.0.0.1:${port}`) })
    await t.rejects(client.get(configMaps, 'a', 'default'), { code: 'kubernetes-unreachable' })
    server.close()
  }
})

t.test('token and authorities are those of the files, at each call', async (t) => {
  const api = await startKubernetes(t)
  const client = clientOf(t, api.connection)
  await client.raw({ path: '/version' })
  api.rotateToken()
  await client.raw({ path: '/version' })
  const tokens = api.asked.map(({ authorization }) => authorization)
  t.equal(new Set(tokens).size, 2)
  api.rotateCa()
  await client.raw({ path: '/version' })
  writeFileSync(api.caFile, makeTestCa('other.test').pem)
  await t.rejects(
    client.raw({ path: '/version' }),
    { code: 'kubernetes-unreachable', message: /certificate/ },
    'also where a connection is open',
  )
  for (const text of ['', 'two\nlines', 'with space']) {
    writeFileSync(api.tokenFile, text)
    await t.rejects(client.raw({ path: '/version' }), { code: 'kubernetes-credentials', retryable: true })
  }
  const missing = clientOf(t, { ...api.connection, tokenFile: `${api.tokenFile}-none` })
  await t.rejects(missing.raw({ path: '/version' }), { code: 'kubernetes-credentials', message: /ENOENT/ })
  writeFileSync(api.caFile, 'nothing')
  await t.rejects(client.raw({ path: '/version' }), {
    code: 'kubernetes-credentials',
    message: /ca\.crt: it holds no certificate/,
  })
})

t.test('a connection is used again for reading, and one that was closed meanwhile is no failure', async (t) => {
  const api = await startKubernetes(t)
  const client = clientOf(t, api.connection)
  for (let turn = 0; turn < 20; turn += 1) {
    await client.raw({ path: '/version' })
    api.dropAll()
    await client.raw({ path: '/version' })
    await client.raw({ path: '/version' })
  }
  t.equal(api.asked.length, 60)
  t.equal(api.connections, 41, 'one more in each turn, for the call that found its connection closed')
})

t.test('a write is sent once, on a connection of its own', async (t) => {
  const api = await startKubernetes(t)
  const client = clientOf(t, api.connection)
  for (let turn = 0; turn < 10; turn += 1) {
    await client.raw({ path: '/version' })
    api.dropAll()
    await client.create(configMaps, configMap(`a-${turn}`, '1'))
  }
  t.equal(api.asked.filter(({ method }) => method === 'POST').length, 10)
  t.equal(api.connections, 20)
})

t.test('a path before that of the API', async (t) => {
  const api = await startKubernetes(t, { answer: (method, path) => ({ body: { method, path } }) })
  const client = clientOf(t, { ...api.connection, url: new URL(`https://${api.address}/clusters/one/`) })
  t.same(await client.raw({ path: '/version?x=1' }), { method: 'GET', path: '/clusters/one/version?x=1' })
})
