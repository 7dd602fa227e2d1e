import t from 'tap'
import { buildCsr } from '../../../src/identity/csr.ts'
import type { PolicyUpdate__Output } from '../../../src/wire/outrider/policy/v1/PolicyUpdate.ts'
import { allow, openStream, service, startTestControl, type TestControl, workload } from '../../fixtures/control.ts'
import { checkLeaks } from '../../fixtures/leaks.ts'

checkLeaks(t)

function changed({ changed }: PolicyUpdate__Output): readonly string[] {
  return changed.map(({ name }) => `${name?.kind}/${name?.name}`).toSorted()
}

function endpoints({ changed }: PolicyUpdate__Output): readonly string[] {
  return changed.flatMap(({ service }) => service?.endpoints ?? []).map(({ address, port }) => `${address}:${port}`)
}

async function stateOf(control: TestControl, sidecarId = 'one'): Promise<string | undefined> {
  const { sidecars } = await control.admin.listSidecars({})
  return sidecars.find((sidecar) => sidecar.sidecarId === sidecarId)?.state
}

t.test('a sidecar gets what it needs and nothing else, then only differences', async (t) => {
  const control = await startTestControl(t)
  await control.apply(
    workload('web', { upstreams: ['api'] }),
    workload('api'),
    workload('db'),
    service('api'),
    service('db'),
    allow('for-web', { workloads: ['web'] }),
    allow('for-api', { workloads: ['api'] }),
    allow('for-all'),
  )
  const sidecar = await control.join('web')
  const stream = openStream(sidecar)
  const first = await stream.next()
  t.same(changed(first), ['AuthorizationPolicy/for-all', 'AuthorizationPolicy/for-web', 'Service/api', 'Workload/web'])
  stream.ack(first)

  await control.apply(service('db', { hosts: ['db.example.org'] }), allow('for-api', { workloads: ['api'], rules: [] }))
  control.clock.advance(100)
  await control.apply(allow('for-web', { workloads: ['web'], rules: [] }))
  control.clock.advance(100)
  const second = await stream.next()
  t.same(changed(second), ['AuthorizationPolicy/for-web'])
  t.equal(second.revision, 3)
  stream.ack(second)

  await control.admin.delete({ ref: { kind: 'AuthorizationPolicy', name: 'for-all' } })
  control.clock.advance(100)
  const third = await stream.next()
  t.same(changed(third), [])
  t.match(third.removed, [{ kind: 'AuthorizationPolicy', namespace: 'default', name: 'for-all' }])
  stream.ack(third)
  t.equal(await stateOf(control), 'STATE_SYNCED')
  stream.call.cancel()
})

t.test('after a reconnect and a restart of the server only differences travel', async (t) => {
  const control = await startTestControl(t)
  const { data, clock } = control
  await control.apply(workload('web'), service('web'), allow('all'))
  const sidecar = await control.join('web')
  const before = openStream(sidecar)
  const held = (await before.next()).changed.map(({ name, revision }) => ({ name, revision }))
  const { svid, bundles } = sidecar
  await control.close()
  await t.rejects(before.ended, { code: /control-stopping|rpc-unavailable/ })

  const again = await startTestControl(t, { data }, clock)
  const { revision } = await again.admin.getStatus({})
  t.equal(revision, 1, 'the revision survives')
  t.equal((await again.admin.list({})).resources.length, 3, 'and so does everything else')
  await again.apply(allow('all', { rules: [] }))
  const joined = await again.join('web')
  joined.bundles.set(bundles.current)
  joined.svid.set(svid.current)
  const stream = openStream(joined, { sidecarId: 'one', programVersion: '1.0', held })
  const update = await stream.next()
  t.same(changed(update), ['AuthorizationPolicy/all'])
  stream.call.cancel()
})

t.test('a slow sidecar gets one merged update', async (t) => {
  const control = await startTestControl(t)
  await control.apply(workload('web'))
  const stream = openStream(await control.join('web'))
  const first = await stream.next()
  for (const name of ['a', 'b', 'c']) {
    await control.apply(allow(name))
    control.clock.advance(1000)
  }
  await control.apply(allow('a', { rules: [] }))
  control.clock.advance(1000)
  t.equal(await stateOf(control), 'STATE_PENDING')
  t.equal(stream.unread.length, 0)
  stream.ack(first)
  const second = await stream.next()
  t.same(changed(second), ['AuthorizationPolicy/a', 'AuthorizationPolicy/b', 'AuthorizationPolicy/c'])
  t.equal(second.revision, 5)
  stream.call.cancel()
})

t.test('a refused update shows in the ledger and is sent again later; a stale answer is ignored', async (t) => {
  const control = await startTestControl(t)
  await control.apply(workload('web'), allow('all'))
  const stream = openStream(await control.join('web'))
  const { nonce, revision, changed: sent } = await stream.next()
  const name = sent.find((resource) => resource.name?.kind === 'AuthorizationPolicy')!.name
  const violations = [{ resource: name, field: 'spec.rules[0]', code: 'path-malformed', message: 'cannot compile' }]
  stream.call.send({ ack: { nonce: 'another', revision } })
  stream.call.send({ nack: { nonce, revision, violations } })
  while ((await stateOf(control)) !== 'STATE_NACKED');
  const { sidecars } = await control.admin.listSidecars({})
  t.same(sidecars[0]?.violations, ['AuthorizationPolicy/default/all: spec.rules[0]: cannot compile (path-malformed)'])
  t.match(
    control.lines.filter(({ level }) => level === 'error' || level === 'warn'),
    [{ message: 'an answer to no update in flight is ignored' }, { message: 'the sidecar refused an update' }],
  )
  control.clock.advance(5_000)
  const again = await stream.next()
  t.same(changed(again), ['AuthorizationPolicy/all'])
  stream.ack(again)
  while ((await stateOf(control)) !== 'STATE_SYNCED');
  stream.call.cancel()
})

function listener(address: string, appPort = 8080): object {
  return { appPort, address, port: 15406 }
}

t.test('endpoints: reported, withdrawn when draining, kept for a while when the stream is lost', async (t) => {
  const control = await startTestControl(t)
  await control.apply(workload('web', { upstreams: ['api'] }), workload('api'), service('api'))
  const web = openStream(await control.join('web'), { sidecarId: 'of-web', programVersion: '1.0' })
  const first = await web.next()
  t.same(endpoints(first), [])
  web.ack(first)
  const next = async (): Promise<readonly string[]> => {
    const update = await web.next()
    web.ack(update)
    return endpoints(update)
  }
  /** Commits that the server makes by itself are seen in its revision. */
  const revisionReaches = async (revision: number): Promise<void> => {
    while ((await control.admin.getStatus({})).revision < revision);
    control.clock.advance(100)
  }

  const api = await control.join('api')
  const one = openStream(api, { sidecarId: 'one', programVersion: '1.0' })
  const two = openStream(api, { sidecarId: 'two', programVersion: '1.0' })
  one.call.send({ listening: { listeners: [listener('10.0.0.1'), listener('10.0.0.1', 9999)] } })
  await revisionReaches(2)
  t.same(await next(), ['10.0.0.1:15406'], 'the listener of another port is not of this service')
  two.call.send({ listening: { listeners: [listener('10.0.0.2')] } })
  await revisionReaches(3)
  t.same(await next(), ['10.0.0.1:15406', '10.0.0.2:15406'])

  two.call.send({ draining: {} })
  await revisionReaches(4)
  t.same(await next(), ['10.0.0.1:15406'], 'draining withdraws at once')
  t.equal(await stateOf(control, 'two'), 'STATE_DRAINING')

  one.call.cancel()
  while ((await stateOf(control, 'one')) !== 'STATE_DISCONNECTED');
  control.clock.advance(29_999)
  t.equal((await control.admin.getStatus({})).revision, 4, 'not yet')
  control.clock.advance(1)
  await revisionReaches(5)
  t.same(await next(), [], 'the grace is over')

  const bad = openStream(api, { sidecarId: 'three', programVersion: '1.0' })
  bad.call.send({ listening: { listeners: [listener('0.0.0.0')] } })
  await t.rejects(bad.ended, { code: 'listener-invalid' })
  const many = openStream(api, { sidecarId: 'four', programVersion: '1.0' })
  many.call.send({ listening: { listeners: Array.from({ length: 65 }, () => listener('10.0.0.1')) } })
  await t.rejects(many.ended, { code: 'too-many-listeners', message: /64/ })
  for (const stream of [web, two]) stream.call.cancel()
})

t.test('a restart of the server takes no endpoint away', async (t) => {
  const control = await startTestControl(t)
  const { data, clock } = control
  await control.apply(workload('api'), service('api'))
  const api = openStream(await control.join('api'))
  const first = await api.next()
  t.same(endpoints(first), [])
  api.ack(first)
  api.call.send({ listening: { listeners: [{ appPort: 8080, address: '10.0.0.1', port: 15406 }] } })
  while ((await control.admin.getStatus({})).revision < 2);
  await control.close()

  const again = await startTestControl(t, { data }, clock)
  const stream = openStream(await again.join('api'), { sidecarId: 'other', programVersion: '1.0' })
  const update = await stream.next()
  t.same(endpoints(update), ['10.0.0.1:15406'])
  stream.ack(update)
  clock.advance(30_000)
  clock.advance(100)
  t.same(endpoints(await stream.next()), [], 'unless its sidecar does not come back')
  stream.call.cancel()
})

t.test('a workload that is deleted loses its stream and its renewals', async (t) => {
  const control = await startTestControl(t)
  await control.apply(workload('web'))
  const sidecar = await control.join('web')
  const stream = openStream(sidecar)
  stream.ack(await stream.next())
  await control.admin.delete({ ref: { kind: 'Workload', name: 'web' } })
  await t.rejects(stream.ended, { code: 'workload-unknown' })
  await t.rejects(openStream(sidecar).ended, { code: 'workload-unknown' }, 'nor a new stream')
  await t.rejects(sidecar.client.renew({ csr: buildCsr(sidecar.privateKey, sidecar.id) }), { code: 'workload-unknown' })
})

t.test('bounds: sidecars, one stream per sidecar, message size', async (t) => {
  const control = await startTestControl(t, { 'max-sidecars': '1', 'max-message-bytes': '65536' })
  await control.apply(workload('web'))
  const sidecar = await control.join('web')
  const one = openStream(sidecar)
  await one.next()
  await t.rejects(openStream(sidecar, { sidecarId: 'two', programVersion: '' }).ended, {
    code: 'too-many-sidecars',
    message: /1 sidecars/,
    retryable: true,
  })
  const again = openStream(sidecar)
  await again.next()
  await t.rejects(one.ended, { code: 'stream-replaced' })
  t.equal(await stateOf(control), 'STATE_PENDING', 'the new one is there')
  const held = Array.from({ length: 2000 }, (_, index) => ({
    name: { kind: 'Service', namespace: 'default', name: `service-with-a-long-name-${index}` },
    revision: 1,
  }))
  await t.rejects(openStream(sidecar, { sidecarId: 'one', programVersion: '', held }).ended, {
    code: 'rpc-resource-exhausted',
    message: /65536/,
  })
  again.call.cancel()
})
