import { isDeepStrictEqual as same } from 'node:util'
import t from 'tap'
import { parseAddress } from '../../../src/lib/address.ts'
import type { ClusterFailure__Output } from '../../../src/wire/outrider/admin/v1/ClusterFailure.ts'
import type { PolicyUpdate__Output } from '../../../src/wire/outrider/policy/v1/PolicyUpdate.ts'
import { inStep, soon, specOf, startTestCluster, stored } from '../../fixtures/cluster-store.ts'
import { document, openStream, startTestControl, type TestControl, workload } from '../../fixtures/control.ts'
import { checkLeaks } from '../../fixtures/leaks.ts'
import { ask } from '../../fixtures/mesh.ts'
import { temporaryFolder } from '../../fixtures/process.ts'
import { mountSecret } from '../../fixtures/shared-ca.ts'
import type { Reply } from '../../fixtures/sidecar.ts'

checkLeaks(t)

function changed({ changed }: PolicyUpdate__Output): readonly string[] {
  return changed.map(({ name }) => `${name?.kind}/${name?.namespace}/${name?.name}`).toSorted()
}

/** What the log says is not served. */
function held({ lines }: TestControl): readonly string[] {
  return lines
    .filter(({ message }) => message === 'a resource of the cluster is not served')
    .map(({ kind, code }) => `${String(kind)} ${String(code)}`)
    .toSorted()
}

async function failures({ admin }: TestControl): Promise<readonly ClusterFailure__Output[]> {
  return (await admin.getStatus({})).kubernetes?.failures ?? []
}

function ready({ server }: TestControl): Promise<Reply> {
  return ask(parseAddress(server.adminAddress!)!, '/ready')
}

t.test('what the cluster has is in the store: custom resources, and what follows from Services and pods', async (t) => {
  const cluster = await startTestCluster(t)
  cluster.pod('web-1', { account: 'web' })
  cluster.pod('orders-1', { account: 'orders' })
  cluster.service('orders', { pods: ['orders-1'] })
  cluster.apply('AuthorizationPolicy', 'orders', { workloads: ['orders'], action: 'ALLOW', rules: [{}] })
  const control = await cluster.control(t)
  await inStep(control)
  t.same(await stored(control), [
    'AuthorizationPolicy/default/orders',
    'Service/default/orders',
    'Workload/default/orders',
    'Workload/default/web',
  ])
  t.same(await specOf(control, 'Service', 'orders'), {
    hosts: [],
    ports: [{ port: 80, targetPort: 8080, protocol: 'auto' }],
    workloads: ['default/orders'],
    endpoints: [{ address: '10.1.0.2', port: 8080, appPort: 8080 }],
    addresses: ['10.96.0.10'],
  })
})

const all = { action: 'ALLOW', rules: [{}] }
const orders = 'AuthorizationPolicy/default/orders'

async function has(control: TestControl, name: string): Promise<boolean> {
  return (await stored(control)).includes(name)
}

t.test('a policy that is applied reaches the stream of a sidecar', async (t) => {
  const cluster = await startTestCluster(t)
  cluster.pod('web-1', { account: 'web' })
  const control = await cluster.control(t)
  await inStep(control)
  const sidecar = await cluster.join(t, control, 'web')
  const stream = openStream(sidecar)
  const first = await stream.next()
  t.same(changed(first), ['Workload/default/web'])
  stream.ack(first)
  const { resourceVersion } = cluster.apply('AuthorizationPolicy', 'orders', all).metadata
  await soon(control, 'the next update', () => stream.unread.length > 0)
  const second = await stream.next()
  t.same(changed(second), [orders])
  t.equal(second.revision, Number(resourceVersion), 'the revision of the cluster')
  stream.ack(second)
  cluster.remove('AuthorizationPolicy', 'orders')
  await soon(control, 'the last update', () => stream.unread.length > 0)
  t.match((await stream.next()).removed, [{ kind: 'AuthorizationPolicy', name: 'orders' }])
  stream.call.cancel()
})

t.test('the order in which things come does not matter: what waits for others is tried again', async (t) => {
  const cluster = await startTestCluster(t)
  const control = await cluster.control(t)
  await inStep(control)
  cluster.apply('AuthorizationPolicy', 'orders', { workloads: ['orders'], ...all })
  cluster.apply('Service', 'orders', { ports: [{ port: 80 }], workloads: ['orders'] })
  await soon(control, 'both are held back', () => held(control).length === 2)
  t.same(held(control), ['AuthorizationPolicy reference-not-found', 'Service reference-not-found'])
  t.same(await stored(control), [])
  cluster.apply('Workload', 'orders', { spiffeId: 'spiffe://test.local/ns/default/sa/orders' })
  await soon(control, 'all three', () => has(control, orders))
  t.same(await stored(control), [orders, 'Service/default/orders', 'Workload/default/orders'])
})

t.test('the last form that was good stays in force until another one is', async (t) => {
  const cluster = await startTestCluster(t)
  cluster.apply('AuthorizationPolicy', 'orders', { ...all, action: 'DENY' })
  cluster.apply('AuthorizationPolicy', 'others', all)
  const control = await cluster.control(t)
  await inStep(control)
  for (const [spec, code] of [
    [{ action: 'DENY', rules: 'none' }, 'type-mismatch'],
    [{ action: 'DENY', rules: [{}], workloads: ['nobody'] }, 'reference-not-found'],
  ] as const) {
    cluster.apply('AuthorizationPolicy', 'orders', spec)
    await soon(control, `${code} is held back`, () => held(control).includes(`AuthorizationPolicy ${code}`))
    t.same(await specOf(control, 'AuthorizationPolicy', 'orders'), { ...all, action: 'DENY' })
  }
  cluster.apply('AuthorizationPolicy', 'others', { ...all, rules: [] })
  await soon(control, 'the other one', async () =>
    same(await specOf(control, 'AuthorizationPolicy', 'others'), { ...all, rules: [] }),
  )
  t.same(await specOf(control, 'AuthorizationPolicy', 'orders'), { ...all, action: 'DENY' }, 'nobody else is held up')
  cluster.apply('AuthorizationPolicy', 'orders', { action: 'DENY', rules: [] })
  await soon(control, 'mended', async () =>
    same(await specOf(control, 'AuthorizationPolicy', 'orders'), { action: 'DENY', rules: [] }),
  )
  await soon(
    control,
    'nothing is held back',
    async () => (await control.admin.getStatus({})).kubernetes?.heldBack.length === 0,
  )
})

t.test('of two that exclude each other one is served, and the other when that one goes', async (t) => {
  const cluster = await startTestCluster(t)
  const identity = { spiffeId: 'spiffe://test.local/ns/default/sa/orders' }
  cluster.apply('Workload', 'a', identity)
  cluster.apply('Workload', 'b', identity)
  cluster.apply('MeshConfig', 'one', { outbound: 'deny' }, 'outrider-system')
  cluster.apply('MeshConfig', 'two', { outbound: 'allow' }, 'outrider-system')
  const control = await cluster.control(t)
  await inStep(control)
  t.same(await stored(control), ['MeshConfig/outrider-system/one', 'Workload/default/a'])
  cluster.remove('Workload', 'a')
  cluster.remove('MeshConfig', 'one', 'outrider-system')
  await soon(
    control,
    'the others',
    async () => (await has(control, 'MeshConfig/outrider-system/two')) && has(control, 'Workload/default/b'),
  )
  t.same(await stored(control), ['MeshConfig/outrider-system/two', 'Workload/default/b'])
})

t.test('nobody reaches beyond his namespace but who writes beside the control servers', async (t) => {
  const cluster = await startTestCluster(t)
  cluster.apply('Workload', 'thief', { spiffeId: 'spiffe://test.local/ns/bank/sa/till' }, 'shop')
  cluster.apply('MeshConfig', 'open', { outbound: 'allow' }, 'shop')
  cluster.apply('Revocation', 'all', { spiffeIds: ['spiffe://test.local/ns/bank/sa/till'] }, 'shop')
  cluster.apply('Workload', 'machine', { spiffeId: 'spiffe://test.local/vm/7' }, 'outrider-system')
  cluster.apply('Workload', 'web', { spiffeId: 'spiffe://test.local/ns/shop/sa/web' }, 'shop')
  const control = await cluster.control(t)
  await inStep(control)
  t.same(await stored(control), ['Workload/outrider-system/machine', 'Workload/shop/web'])
  const { kubernetes } = await control.admin.getStatus({})
  t.same(kubernetes?.heldBack.map(({ code }) => code).toSorted(), [
    'identity-elsewhere',
    'mesh-wide-elsewhere',
    'mesh-wide-elsewhere',
  ])
  // What was good stays as it was.
  cluster.apply('Workload', 'web', { spiffeId: 'spiffe://test.local/ns/bank/sa/till' }, 'shop')
  await soon(
    control,
    'it is held back',
    async () => (await control.admin.getStatus({})).kubernetes?.heldBack.length === 4,
  )
  t.same(await stored(control), ['Workload/outrider-system/machine', 'Workload/shop/web'])
})

t.test('what was deleted while nobody looked is gone, whatever names it', async (t) => {
  const cluster = await startTestCluster(t)
  cluster.apply('Workload', 'orders', { spiffeId: 'spiffe://test.local/ns/default/sa/orders' })
  cluster.apply('AuthorizationPolicy', 'orders', { workloads: ['orders'], ...all })
  cluster.apply('RateLimit', 'slow', { limits: [{ name: 'x', key: 'all', requests: 1, per: '1s' }] })
  const control = await cluster.control(t)
  await inStep(control)
  for (const early of [false, true]) {
    await cluster.api.stop()
    cluster.remove('Workload', 'orders')
    cluster.remove('RateLimit', 'slow')
    cluster.apply('AuthorizationPolicy', `more-${early}`, all)
    cluster.api.compact({ early })
    t.ok(await has(control, 'RateLimit/default/slow'), 'what is known stays while the API server is away')
    await cluster.api.start()
    await soon(control, 'in step again', () => has(control, `AuthorizationPolicy/default/more-${early}`))
    for (const gone of ['RateLimit/default/slow', 'Workload/default/orders'])
      await soon(control, 'the deletions', async () => !(await has(control, gone)))
    t.ok(await has(control, orders), 'a deletion is not asked who needs it')
    cluster.apply('Workload', 'orders', { spiffeId: 'spiffe://test.local/ns/default/sa/orders' })
    cluster.apply('RateLimit', 'slow', { limits: [{ name: 'x', key: 'all', requests: 1, per: '1s' }] })
    await soon(control, 'back again', () => has(control, 'RateLimit/default/slow'))
  }
})

t.test('a control server that starts while the API server is away serves its copy', async (t) => {
  const cluster = await startTestCluster(t)
  cluster.pod('web-1', { account: 'web' })
  cluster.apply('AuthorizationPolicy', 'orders', all)
  const first = await cluster.control(t)
  await inStep(first)
  const { revision } = await first.admin.getStatus({})
  await first.close()
  const mounted = mountSecret(temporaryFolder(t), cluster.api)
  await cluster.api.stop()
  const again = await cluster.control(t, { data: first.data, 'ca-secret-folder': mounted })
  t.equal((await again.admin.getStatus({})).revision, revision)
  const stream = openStream(await cluster.join(t, again, 'web'))
  t.same(changed(await stream.next()), [orders, 'Workload/default/web'])
  cluster.remove('AuthorizationPolicy', 'orders')
  await cluster.api.start()
  await soon(again, 'the deletion', async () => !(await has(again, orders)))
  stream.call.cancel()
})

t.test('one without a copy gives no answer before it has one: it would say that nobody is known', async (t) => {
  const cluster = await startTestCluster(t)
  cluster.pod('web-1', { account: 'web' })
  const mend = cluster.api.fail({ path: /endpointslices/, status: 403, reason: 'Forbidden', message: 'no' })
  const control = await cluster.control(t, { admin: '127.0.0.1:0' })
  await soon(control, 'the reason', () =>
    control.lines.some(({ message }) => message === 'not in step with the API server'),
  )
  await t.rejects(cluster.join(t, control, 'web'), {
    code: 'store-not-synced',
    message: /endpointslices/,
    retryable: true,
  })
  t.match(await ready(control), { status: 503, text: /has not told of \d+ types of objects/ })
  t.same(await stored(control), [], 'and nothing is stored of the half that is known')
  mend()
  await inStep(control)
  t.match(await ready(control), { status: 200 })
  await cluster.join(t, control, 'web')
})

t.test('without the types of our resources the operator is told what to do', async (t) => {
  const cluster = await startTestCluster(t)
  const mend = cluster.api.fail({ path: /outrider\.mesh\/v1\/ratelimits/, status: 404, text: '404 page not found\n' })
  const control = await cluster.control(t)
  await soon(control, 'the message', () => control.lines.some(({ message }) => /outrider crds/.test(message)))
  t.match(
    control.lines.find(({ code }) => code === 'kubernetes-type-missing'),
    { level: 'error', collection: 'ratelimits.outrider.mesh' },
  )
  await soon(control, 'all others', async () => (await failures(control)).length === 1)
  t.match(await failures(control), [{ type: 'ratelimits.outrider.mesh', code: 'kubernetes-refused' }])
  mend()
  await inStep(control)
})

t.test('writes by the API of the control server are refused, with what to do instead', async (t) => {
  const cluster = await startTestCluster(t)
  cluster.pod('web-1', { account: 'web' })
  const control = await cluster.control(t)
  await inStep(control)
  const policy = JSON.stringify(document('AuthorizationPolicy', 'orders', all))
  const refused = { code: 'store-is-kubernetes', message: /kubectl/ }
  await t.rejects(control.admin.apply({ documents: [policy] }), refused)
  await t.rejects(control.admin.delete({ ref: { kind: 'AuthorizationPolicy', name: 'orders' } }), {
    ...refused,
    message: /kubectl delete authorizationpolicy\.outrider\.mesh orders -n default/,
  })
  await t.rejects(control.admin.createToken({ workload: 'web' }), { ...refused, message: /service-account tokens/ })
  t.match(await control.admin.apply({ documents: [policy], dryRun: true }), {
    outcomes: [{ change: 'CHANGE_CREATED' }],
  })
  t.same(await stored(control), ['Workload/default/web'])
})

t.test('too many objects of a type: named, and what was known stays', async (t) => {
  const cluster = await startTestCluster(t)
  for (let index = 0; index < 100; index += 1) cluster.apply('AuthorizationPolicy', `p-${index}`, all)
  const control = await cluster.control(t, { 'kubernetes-max-objects': '100', admin: '127.0.0.1:0' })
  await inStep(control)
  t.equal((await stored(control)).length, 100)
  cluster.apply('AuthorizationPolicy', 'p-100', all)
  await soon(control, 'the limit', async () =>
    (await failures(control)).some(({ code }) => code === 'kubernetes-too-many'),
  )
  t.match(await failures(control), [{ type: 'authorizationpolicies.outrider.mesh', message: /more than 100/ }])
  t.equal((await stored(control)).length, 100)
  cluster.apply('RateLimit', 'slow', { limits: [{ name: 'x', key: 'all', requests: 1, per: '1s' }] })
  t.match(await ready(control), { status: 200 }, 'what is known is served')
  await soon(control, 'other types go on', () => has(control, 'RateLimit/default/slow'))
})

t.test('a version that is no number is refused, loudly', async (t) => {
  const cluster = await startTestCluster(t)
  const control = await cluster.control(t)
  await inStep(control)
  await soon(control, 'the watches are open', async () => (await failures(control)).length === 0)
  const object = {
    apiVersion: 'outrider.mesh/v1',
    kind: 'RateLimit',
    metadata: { name: 'x', namespace: 'default', resourceVersion: 'abc' },
  }
  cluster.api.rubbish(`${JSON.stringify({ type: 'ADDED', object })}\n`)
  await soon(control, 'the fault', () =>
    control.lines.some(({ error }) => JSON.stringify(error ?? '').includes('kubernetes-revision')),
  )
  t.same(await stored(control), [])
})

t.test('only the namespaces of the mesh are looked at', async (t) => {
  const cluster = await startTestCluster(t)
  cluster.apply('AuthorizationPolicy', 'orders', all)
  cluster.apply('AuthorizationPolicy', 'orders', all, 'shop')
  const control = await cluster.control(t, { 'kubernetes-namespaces': 'shop' })
  await inStep(control)
  t.same(await stored(control), ['AuthorizationPolicy/shop/orders'])
  t.same(
    cluster.api.asked.filter(({ path }) => !path.includes('/namespaces/')).map(({ path }) => path),
    [],
  )
})

t.test('a database with resources of its own is not handed over to a cluster, nor back', async (t) => {
  const own = await startTestControl(t)
  await own.apply(workload('web'))
  await own.close()
  const cluster = await startTestCluster(t)
  await t.rejects(cluster.control(t, { data: own.data }), { code: 'store-mismatch', message: /kubectl/ })
  cluster.apply('AuthorizationPolicy', 'orders', all)
  const control = await cluster.control(t)
  await inStep(control)
  await control.close()
  await t.rejects(startTestControl(t, { data: control.data }), { code: 'store-mismatch' })
})

t.test('API keys are made here, and applied to the cluster by the operator', async (t) => {
  const cluster = await startTestCluster(t)
  const control = await cluster.control(t)
  await inStep(control)
  const made = await control.admin.createApiKey({ name: 'acme', owner: 'acme', scopes: ['read'] })
  t.match(made, { id: /^[0-9a-f]{16}$/, key: /./ })
  t.same(await stored(control), [], 'nothing is stored')
  t.notOk(made.document.includes(made.key), 'and the document holds no secret')
  const { kind, metadata, spec } = JSON.parse(made.document)
  cluster.apply(kind, metadata.name, spec, metadata.namespace)
  await soon(control, 'the key', () => has(control, 'ApiKey/default/acme'))
  const rotated = await control.admin.rotateApiKey({ name: 'acme', overlap: { seconds: 3600, nanos: 0 } })
  t.equal(JSON.parse(rotated.document).spec.secrets.length, 2)
  const revoked = await control.admin.revokeApiKey({ name: 'acme', id: made.id })
  t.same(JSON.parse(revoked.document).spec.secrets, [])
  t.match(await specOf(control, 'ApiKey', 'acme'), { secrets: [{ id: made.id }] }, 'as it was, before that is applied')
})
