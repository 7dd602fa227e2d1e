import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { run } from '../../../src/cli/run.ts'
import { OutriderError } from '../../../src/lib/errors.ts'
import { REFUSAL_TRAILER, trailerOf } from '../../../src/rpc/errors.ts'
import { protocols } from '../../../src/rpc/load.ts'
import { parseJoinToken } from '../../../src/rpc/token.ts'
import type { PolicyUpdate__Output } from '../../../src/wire/outrider/policy/v1/PolicyUpdate.ts'
import type { ResourceEvent__Output } from '../../../src/wire/outrider/admin/v1/ResourceEvent.ts'
import {
  allow,
  service,
  startTestControl,
  type TestControl,
  temporaryFolder,
  workload,
} from '../../fixtures/control.ts'
import { checkLeaks } from '../../fixtures/leaks.ts'

checkLeaks(t)

t.test('apply is all or nothing, and says everything that is wrong', async (t) => {
  const control = await startTestControl(t)
  const documents = [workload('web'), service('web', { workloads: ['wed'] }), allow('x', { workloads: ['y'] })]
  const error = await control.apply(...documents).then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  if (!(error instanceof OutriderError)) throw new Error('it was applied')
  t.equal(error.code, 'resources-refused')
  const { violations } = protocols().admin.ApplyRefusal.deserialize(trailerOf(error, REFUSAL_TRAILER)!)
  t.match(violations, [
    { document: 1, field: 'spec.workloads[0]', code: 'reference-not-found' },
    { document: 2, field: 'spec.workloads[0]', code: 'reference-not-found' },
  ])
  t.same((await control.admin.list({})).resources, [])

  const texts = documents.slice(0, 1).map((document) => JSON.stringify(document))
  t.match(await control.admin.apply({ documents: texts, dryRun: true }), {
    revision: 0,
    outcomes: [{ ref: { kind: 'Workload', name: 'web' }, change: 'CHANGE_CREATED' }],
  })
  t.equal((await control.admin.getStatus({})).revision, 0, 'a dry run stores nothing')
})

t.test('get, list and delete', async (t) => {
  const control = await startTestControl(t)
  await control.apply(workload('web'), service('web'))
  const ref = { kind: 'Workload', name: 'web' }
  t.same(JSON.parse((await control.admin.get({ ref })).document), workload('web'))
  t.equal((await control.admin.list({ kind: 'Service' })).resources.length, 1)
  t.equal((await control.admin.list({ namespace: 'other' })).resources.length, 0)
  await t.rejects(control.admin.get({ ref: { ...ref, name: 'api' } }), { code: 'resource-not-found' })
  await t.rejects(control.admin.get({ ref: { ...ref, kind: 'Pod' } }), { code: 'kind-unknown' })
  await t.rejects(control.admin.get({}), { code: 'kind-unknown' })
  await t.rejects(control.admin.delete({ ref }), { code: 'resource-in-use' })
  t.equal((await control.admin.delete({ ref: { ...ref, kind: 'Service' } })).revision, 2)
  t.equal((await control.admin.delete({ ref })).revision, 3)
})

t.test('watch: what is there, a bookmark, then every change in order', async (t) => {
  const control = await startTestControl(t)
  await control.apply(workload('web'), service('web'))
  const events: ResourceEvent__Output[] = []
  const watch = control.admin.watch({ namespace: 'default' })
  let arrived = Promise.withResolvers<void>()
  watch.onMessage((event) => {
    events.push(event)
    arrived.resolve()
  })
  watch.onEnd(() => {})
  const reach = async (count: number): Promise<void> => {
    while (events.length < count) {
      await arrived.promise
      arrived = Promise.withResolvers()
    }
  }
  await reach(3)
  await control.apply(allow('all'))
  await control.admin.delete({ ref: { kind: 'AuthorizationPolicy', name: 'all' } })
  await reach(5)
  t.same(
    events.map(({ type, revision, resource }) => [type, revision, resource?.ref?.name]),
    [
      ['TYPE_PRESENT', 1, 'web'],
      ['TYPE_PRESENT', 1, 'web'],
      ['TYPE_BOOKMARK', 1, undefined],
      ['TYPE_CHANGED', 2, 'all'],
      ['TYPE_DELETED', 3, 'all'],
    ],
  )
  watch.cancel()
})

t.test('tokens are for workloads that exist and a bounded time', async (t) => {
  const control = await startTestControl(t)
  await control.apply(workload('web'))
  const created = await control.admin.createToken({ workload: 'web', ttl: { seconds: 60 } })
  t.equal(parseJoinToken(created.token).spiffeId, created.spiffeId)
  t.equal(created.expiresAt?.seconds, Math.floor((control.clock.now() + 60_000) / 1000))
  await t.rejects(control.admin.createToken({ workload: 'api' }), { code: 'resource-not-found' })
  for (const seconds of [0, 86_401, -5]) {
    await t.rejects(control.admin.createToken({ workload: 'web', ttl: { seconds } }), { code: 'token-ttl' })
  }
})

/** Runs a command as a shell would. */
async function outrider(
  control: TestControl,
  words: readonly string[],
  stdin = '',
): Promise<{ code: number; out: string; err: string }> {
  const written = { out: '', err: '' }
  const code = await run([...words, '--socket', control.server.adminSocket], {
    env: {},
    stdin: (async function* () {
      yield Buffer.from(stdin)
    })(),
    stdout: { isTerminal: false, write: (text) => (written.out += text) },
    stderr: { isTerminal: false, write: (text) => (written.err += text) },
    signal: new AbortController().signal,
    clock: control.clock,
    random: () => 0.5,
  })
  return { code, ...written }
}

const GOOD = `apiVersion: outrider.mesh/v1
kind: Workload
metadata: { name: web }
spec:
  spiffeId: spiffe://test.local/ns/default/sa/web
---
apiVersion: outrider.mesh/v1
kind: Service
metadata: { name: web }
spec:
  ports: [{ port: 80 }]
  workloads: [web]
`

t.test('commands: files, folders and the standard input are applied; violations have their place', async (t) => {
  const control = await startTestControl(t)
  const folder = join(temporaryFolder(t), 'resources')
  mkdirSync(folder)
  writeFileSync(join(folder, 'web.yaml'), GOOD)
  writeFileSync(join(folder, 'notes.txt'), 'not read')
  const bad = join(folder, '..', 'bad.yaml')
  writeFileSync(bad, GOOD.replace('workloads: [web]', 'workloads:\n    - web\n    - nobody'))

  const refused = await outrider(control, ['apply', '-f', bad])
  t.equal(refused.code, 3)
  t.match(refused.err, `${bad}:14:7: spec.workloads[1]: there is no Workload default/nobody`)
  t.match(refused.err, 'nothing was stored: one violation')

  const broken = await outrider(control, ['apply', '-f', '-'], 'a: [')
  t.equal(broken.code, 3)
  t.match(broken.err, /^stdin:1:\d+: /)

  t.match(await outrider(control, ['apply', '-f', folder, '--dry-run']), { code: 0, out: /WOULD BE/ })
  t.match(await outrider(control, ['apply', '-f', folder]), { code: 0, out: /Workload +default +web +created/ })
  const again = await outrider(control, ['apply', '-f', '-', '-o', 'json'], GOOD)
  t.match(JSON.parse(again.out), { revision: 1, outcomes: [{ change: 'unchanged' }, { change: 'unchanged' }] })
  t.match(await outrider(control, ['apply', '-f', '-', '-n', 'shop'], GOOD.replaceAll('default/sa', 'shop/sa')), {
    code: 0,
    out: /Workload +shop +web +created/,
  })
  t.match(await outrider(control, ['apply', '-f', join(folder, 'missing.yaml')]), { code: 2 })
  t.match(await outrider(control, ['apply']), { code: 2 })
})

t.test('commands: get, list, delete, token, status', async (t) => {
  const control = await startTestControl(t)
  await control.apply(workload('web'), service('web'))
  t.match(await outrider(control, ['get', 'workloads', 'default/web', '-o', 'json']), {
    code: 0,
    out: `${JSON.stringify(workload('web'))}\n`,
  })
  t.match(await outrider(control, ['get', 'service', 'nope']), { code: 4, err: /no Service default\/nope/ })
  t.match(await outrider(control, ['get', 'pod', 'web']), { code: 2 })
  t.match(await outrider(control, ['list', 'services', '-o', 'yaml']), { code: 0, out: /^- apiVersion: outrider/ })
  t.match(await outrider(control, ['delete', 'workload', 'web']), { code: 6, err: /is named by Service/ })

  const { out: token, err } = await outrider(control, ['token', 'create', '--workload', 'default/web', '--ttl', '1h'])
  t.equal(parseJoinToken(token).spiffeId, 'spiffe://test.local/ns/default/sa/web')
  t.match(err, /within 60m/)
  const { tokens } = await control.admin.listTokens({})
  t.match(await outrider(control, ['token', 'revoke', tokens[0]?.id ?? '']), { code: 0 })
  t.match(await outrider(control, ['token', 'revoke', 'unknown']), { code: 4 })
  t.match(await outrider(control, ['token', 'list']), { code: 0, out: /revoked/ })
  t.match(await outrider(control, ['token', 'create', '--workload', 'web', '--ttl', 'soon']), { code: 2 })
  t.match(await outrider(control, ['token']), { code: 2 })

  const sidecar = await control.join('web')
  const stream = sidecar.client.subscribe()
  stream.onEnd(() => {})
  const updated = new Promise<PolicyUpdate__Output>((resolve) => stream.onMessage(resolve))
  stream.send({ hello: { sidecarId: 'web-1', programVersion: '1.0' } })
  const { nonce, revision } = await updated
  t.match(await outrider(control, ['status']), { code: 0, out: /web-1 +spiffe:\/\/test\.local.+pending/ })
  const { out } = await outrider(control, ['status', '-o', 'json'])
  t.match(JSON.parse(out), { control: { trustDomain: 'test.local' }, sidecars: [{ sidecarId: 'web-1' }] })
  t.match(
    await outrider(control, ['status', '--wait', '0ms']),
    { code: 6, out: /synced 0, pending 1\n/ },
    'not in time',
  )
  t.match(await outrider(control, ['status', '--wait', 'long']), { code: 2, err: /--wait takes a duration/ })
  control.clock.advance(10_001)
  t.match(await outrider(control, ['status']), { out: /web-1 .* lagging +- +10s +1\.0 / })
  control.clock.advance(1000)
  const page = await control.server.metrics.expose()
  t.match(page, /^outrider_sidecars\{state="lagging"\} 1$/m)
  stream.send({ ack: { nonce, revision } })
  t.match(await outrider(control, ['status', '--wait', '10s']), { code: 0, out: /synced 1\n/ })
  control.clock.advance(1000)
  t.match(await control.server.metrics.expose(), /^outrider_sidecars\{state="synced"\} 1$/m)
  stream.cancel()

  t.match(await outrider(control, ['delete', '-f', '-'], GOOD), { code: 0, out: /Service.*\n.*Workload/ })
  t.match(await outrider(control, ['list']), { out: 'no resources\n' })
})
