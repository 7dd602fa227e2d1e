import { copyFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { PolicyUpdate__Output } from '../../../src/wire/outrider/policy/v1/PolicyUpdate.ts'
import { inStep, soon, startTestCluster, stored, type TestCluster } from '../../fixtures/cluster-store.ts'
import { openStream, temporaryFolder, type TestControl, type TestStream } from '../../fixtures/control.ts'
import { checkLeaks } from '../../fixtures/leaks.ts'

checkLeaks(t)

const all = { action: 'ALLOW', rules: [{}] }

interface Known {
  readonly revision: number
  readonly held: Map<string, { name: { kind: string; namespace: string; name: string }; revision: number }>
}

/** A sidecar without a data plane: it keeps what it was told, as the real one does. */
class MovingSidecar {
  readonly known: Known = { revision: 0, held: new Map() }
  readonly updates: PolicyUpdate__Output[] = []
  revision = 0
  #stream: TestStream | undefined

  async connect(t: Test, cluster: TestCluster, control: TestControl): Promise<void> {
    this.#stream?.call.cancel()
    const sidecar = await cluster.join(t, control, 'web')
    const held = [...this.known.held.values()]
    const stream = openStream(sidecar, { sidecarId: 'one', programVersion: '1.0', held, revision: this.revision })
    this.#stream = stream
    stream.ended.catch(() => {})
  }

  /** Takes what comes, until `holds`. */
  async take(control: TestControl, what: string, holds: () => boolean): Promise<void> {
    await soon(control, what, async () => {
      while (this.#stream !== undefined && this.#stream.unread.length > 0) {
        // oxlint-disable-next-line no-await-in-loop -- they are there already
        const update = await this.#stream.next()
        this.updates.push(update)
        for (const { name, revision } of update.changed) {
          if (name !== null) this.known.held.set(`${name.kind}/${name.name}`, { name, revision })
        }
        for (const { kind, name } of update.removed) this.known.held.delete(`${kind}/${name}`)
        this.revision = update.revision
        this.#stream.ack(update)
      }
      return holds()
    })
  }

  close(): void {
    this.#stream?.call.cancel()
  }
}

function sizes(update: PolicyUpdate__Output | undefined): readonly number[] {
  return [update?.changed.length ?? -1, update?.removed.length ?? -1]
}

t.test('two servers say the same: a sidecar that goes from one to the other is sent nothing', async (t) => {
  const cluster = await startTestCluster(t)
  cluster.pod('web-1', { account: 'web' })
  cluster.pod('orders-1', { account: 'orders' })
  const first = await cluster.control(t, { 'kubernetes-server-name': 'one' })
  await inStep(first)
  // To this one things come one by one, to the other one all at once.
  for (const name of ['a', 'b', 'c']) cluster.apply('AuthorizationPolicy', name, all)
  cluster.service('orders', { pods: [], notReady: ['orders-1'] })
  await soon(first, 'the service', async () => (await stored(first)).includes('Service/default/orders'))
  cluster.pod('orders-2', { account: 'orders' })
  cluster.service('orders', { pods: ['orders-2', 'orders-1'] })
  const sidecar = new MovingSidecar()
  t.teardown(() => sidecar.close())
  await sidecar.connect(t, cluster, first)
  await sidecar.take(first, 'everything', () => {
    const update = sidecar.updates.at(-1)?.changed.find(({ service }) => service !== undefined)
    return update?.service?.endpoints.length === 2
  })
  t.same([...sidecar.known.held.keys()].toSorted(), [
    'AuthorizationPolicy/a',
    'AuthorizationPolicy/b',
    'AuthorizationPolicy/c',
    'Service/orders',
    'Workload/web',
  ])
  const second = await cluster.control(t, { 'kubernetes-server-name': 'two' })
  await inStep(second)
  for (const control of [second, first, second]) {
    const before = sidecar.updates.length
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    await sidecar.connect(t, cluster, control)
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    await sidecar.take(control, 'the first update', () => sidecar.updates.length > before)
    t.same(sizes(sidecar.updates.at(-1)), [0, 0])
  }
})

/** A second server whose token is its own, so that it can be shut out. */
async function withOwnToken(t: Test, cluster: TestCluster): Promise<{ control: TestControl; letIn: () => void }> {
  const tokenFile = join(temporaryFolder(t), 'token')
  const letIn = (): void => copyFileSync(cluster.api.tokenFile, tokenFile)
  letIn()
  const control = await cluster.control(t, { 'kubernetes-token-file': tokenFile, 'kubernetes-server-name': 'late' })
  await inStep(control)
  return { control, letIn }
}

t.test('a server that is behind a sidecar lists anew before it tells it anything', async (t) => {
  const cluster = await startTestCluster(t)
  cluster.pod('web-1', { account: 'web' })
  cluster.apply('AuthorizationPolicy', 'guard', { ...all, rules: [], action: 'DENY' })
  const first = await cluster.control(t, { 'kubernetes-server-name': 'one' })
  await inStep(first)
  const { control: late, letIn } = await withOwnToken(t, cluster)
  cluster.api.rotateToken()
  cluster.api.dropWatches()
  await soon(late, 'it is shut out', () =>
    late.lines.some(({ error }) => /401|Unauthorized/.test(JSON.stringify(error ?? ''))),
  )
  cluster.apply('AuthorizationPolicy', 'guard', { ...all, action: 'DENY' })
  const sidecar = new MovingSidecar()
  t.teardown(() => sidecar.close())
  await sidecar.connect(t, cluster, first)
  const version = (): number | undefined => sidecar.known.held.get('AuthorizationPolicy/guard')?.revision
  await sidecar.take(first, 'the policy', () => version() !== undefined)
  await soon(first, 'it is in step', async () => {
    const { document } = await first.admin.get({
      ref: { kind: 'AuthorizationPolicy', namespace: 'default', name: 'guard' },
    })
    return JSON.parse(document).spec.rules.length === 1
  })
  const wanted = await first.admin.getStatus({})
  await sidecar.take(first, 'the new form', () => sidecar.revision >= wanted.revision)
  const [held, revision] = [version(), sidecar.revision]

  const before = sidecar.updates.length
  await sidecar.connect(t, cluster, late)
  await soon(late, 'it asks', async () =>
    (await late.admin.listSidecars({})).sidecars.some(({ state }) => state === 'STATE_LAGGING'),
  )
  await sidecar.take(late, 'nothing', () => true)
  t.equal(sidecar.updates.length, before, 'an older policy never comes back, not even for a moment')
  letIn()
  await sidecar.take(late, 'an update', () => sidecar.updates.length > before)
  t.same(sizes(sidecar.updates.at(-1)), [0, 0])
  t.equal(version(), held)
  t.ok(sidecar.revision >= revision)
  t.equal((await late.admin.listSidecars({})).sidecars[0]?.state, 'STATE_SYNCED')
})

t.test(
  'when the cluster itself was set back, sidecars are sent what it has, and refuse that in the open',
  async (t) => {
    const cluster = await startTestCluster(t)
    cluster.pod('web-1', { account: 'web' })
    cluster.apply('AuthorizationPolicy', 'guard', all)
    const control = await cluster.control(t)
    await inStep(control)
    const sidecar = new MovingSidecar()
    t.teardown(() => sidecar.close())
    sidecar.revision = 1_000_000
    const before = cluster.api.asked.filter(({ path }) => path.includes('limit=')).length
    await sidecar.connect(t, cluster, control)
    await sidecar.take(control, 'an update', () => sidecar.updates.length > 0)
    t.ok(sidecar.revision < 1_000_000, 'the revision says that it is older')
    const lists = cluster.api.asked.filter(({ path }) => path.includes('limit=')).length - before
    t.ok(lists >= 13 && lists <= 2 * 13, `${lists} lists were enough to be sure`)
  },
)

t.test('a policy whose next form is broken is not taken away by a server that never knew a good one', async (t) => {
  const cluster = await startTestCluster(t)
  cluster.pod('web-1', { account: 'web' })
  cluster.apply('AuthorizationPolicy', 'guard', { ...all, action: 'DENY' })
  const first = await cluster.control(t, { 'kubernetes-server-name': 'one' })
  await inStep(first)
  const sidecar = new MovingSidecar()
  t.teardown(() => sidecar.close())
  await sidecar.connect(t, cluster, first)
  const guard = (): number | undefined => sidecar.known.held.get('AuthorizationPolicy/guard')?.revision
  await sidecar.take(first, 'the policy', () => guard() !== undefined)
  const version = guard()
  for (const broken of [
    { action: 'DENY', rules: 'all' },
    { ...all, action: 'DENY', workloads: ['nobody'] },
  ]) {
    cluster.apply('AuthorizationPolicy', 'guard', broken)
    // oxlint-disable-next-line no-await-in-loop -- one server after the other
    const fresh = await cluster.control(t, { 'kubernetes-server-name': 'fresh' })
    // oxlint-disable-next-line no-await-in-loop -- one server after the other
    await inStep(fresh)
    const before = sidecar.updates.length
    // oxlint-disable-next-line no-await-in-loop -- one server after the other
    await sidecar.connect(t, cluster, fresh)
    // oxlint-disable-next-line no-await-in-loop -- one server after the other
    await sidecar.take(fresh, 'an update', () => sidecar.updates.length > before)
    t.equal(guard(), version)
  }
  const last = await cluster.control(t, { 'kubernetes-server-name': 'last' })
  await inStep(last)
  await sidecar.connect(t, cluster, last)
  cluster.remove('AuthorizationPolicy', 'guard')
  await sidecar.take(last, 'what is deleted goes', () => guard() === undefined)
})
