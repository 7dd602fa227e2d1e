import t, { type Test } from 'tap'
import type { Kind } from '../../../src/policy/model.ts'
import { isRecord } from '../../../src/kubernetes/objects.ts'
import { inStep, leaseType, soon, startTestCluster, type TestCluster } from '../../fixtures/cluster-store.ts'
import { openStream, type TestControl, type TestStream } from '../../fixtures/control.ts'
import { checkLeaks } from '../../fixtures/leaks.ts'

checkLeaks(t)

const all = { action: 'ALLOW', rules: [{}] }

interface Status {
  readonly observedGeneration?: number
  readonly sidecars?: number
  readonly applied?: number
  readonly refused?: number
  readonly servers?: readonly {
    readonly name: string
    readonly sidecars: number
    readonly refusals?: readonly unknown[]
  }[]
  readonly conditions?: readonly {
    readonly type: string
    readonly status: string
    readonly reason: string
    readonly message: string
  }[]
}

function statusOf(cluster: TestCluster, kind: Kind, name: string): Status {
  const status = cluster.get(kind, name)?.['status']
  return isRecord(status) ? status : {}
}

function conditionOf(
  { conditions = [] }: Status,
  type: string,
): { status: string; reason: string; message: string } | undefined {
  return conditions.find((condition) => condition.type === type)
}

/** A sidecar that takes each update, or refuses each. */
async function follow(
  t: Test,
  cluster: TestCluster,
  control: TestControl,
  sidecarId: string,
  refuses = false,
): Promise<TestStream> {
  const stream = openStream(await cluster.join(t, control, 'web'), { sidecarId, programVersion: '1.0' })
  stream.call.onMessage(({ nonce, revision, changed }) => {
    const policy = changed.find(({ name }) => name?.kind === 'AuthorizationPolicy')?.name
    if (!refuses || policy === undefined) stream.call.send({ ack: { nonce, revision } })
    else {
      const violation = { resource: policy, field: 'spec.rules[0]', code: 'rule-odd', message: 'cannot be compiled' }
      stream.call.send({ nack: { nonce, revision, violations: [violation] } })
    }
  })
  t.teardown(() => stream.call.cancel())
  return stream
}

async function setUp(t: Test, name = 'one'): Promise<{ cluster: TestCluster; control: TestControl }> {
  const cluster = await startTestCluster(t)
  cluster.pod('web-1', { account: 'web' })
  cluster.apply('AuthorizationPolicy', 'orders', all)
  const control = await cluster.control(t, { 'kubernetes-server-name': name })
  await inStep(control)
  return { cluster, control }
}

t.test('a resource says how many sidecars act by it, and who does not', async (t) => {
  const { cluster, control } = await setUp(t)
  await soon(
    control,
    'it is accepted',
    () => conditionOf(statusOf(cluster, 'AuthorizationPolicy', 'orders'), 'Accepted') !== undefined,
  )
  t.match(statusOf(cluster, 'AuthorizationPolicy', 'orders'), {
    observedGeneration: 1,
    sidecars: 0,
    servers: [],
    conditions: [
      { type: 'Accepted', status: 'True', observedGeneration: 1, lastTransitionTime: /^\d{4}-\d\d-\d\dT[\d:]{8}Z$/ },
      { type: 'Applied', status: 'True' },
    ],
  })
  await follow(t, cluster, control, 'good')
  await follow(t, cluster, control, 'bad', true)
  await soon(control, 'both', () => statusOf(cluster, 'AuthorizationPolicy', 'orders').refused === 1)
  await soon(control, 'the other one', () => statusOf(cluster, 'AuthorizationPolicy', 'orders').applied === 1)
  t.match(statusOf(cluster, 'AuthorizationPolicy', 'orders'), {
    sidecars: 2,
    servers: [
      {
        name: 'one',
        sidecars: 2,
        applied: 1,
        refused: 1,
        refusals: [{ sidecar: 'bad', message: 'spec.rules[0]: cannot be compiled (rule-odd)' }],
      },
    ],
    conditions: [
      { type: 'Accepted', status: 'True' },
      { type: 'Applied', status: 'False', reason: 'Refused', message: '1 of 2 sidecars refused it' },
    ],
  })
  cluster.apply('AuthorizationPolicy', 'orders', { ...all, rules: [] })
  await soon(
    control,
    'the next form',
    () => statusOf(cluster, 'AuthorizationPolicy', 'orders').observedGeneration === 2,
  )
})

t.test('a resource that is not served says why, and when it is', async (t) => {
  const { cluster, control } = await setUp(t)
  const accepted = (): ReturnType<typeof conditionOf> =>
    conditionOf(statusOf(cluster, 'AuthorizationPolicy', 'orders'), 'Accepted')
  for (const [spec, reason, message] of [
    [{ ...all, workloads: ['later'] }, 'reference-not-found', /there is no Workload default\/later.*\(seen by one\)$/],
    [{ ...all, action: 'MAYBE' }, 'value-unknown', /^spec\.action: .*\(seen by one\)$/],
  ] as const) {
    cluster.apply('AuthorizationPolicy', 'orders', spec)
    await soon(control, reason, () => accepted()?.reason === reason)
    t.match(accepted(), { status: 'False', message })
    t.match(conditionOf(statusOf(cluster, 'AuthorizationPolicy', 'orders'), 'Applied'), {
      status: 'Unknown',
      reason: 'NotAccepted',
    })
  }
  cluster.apply('AuthorizationPolicy', 'orders', { ...all, workloads: ['later'] })
  await soon(control, 'held back again', () => accepted()?.reason === 'reference-not-found')
  cluster.pod('later-1', { account: 'later' })
  await soon(control, 'the workload is there', () => accepted()?.status === 'True')
})

t.test('several servers: each counts its own, all sum up, and who is gone is taken out', async (t) => {
  const { cluster, control } = await setUp(t)
  const other = await cluster.control(t, { 'kubernetes-server-name': 'two' })
  const third = await cluster.control(t, { 'kubernetes-server-name': 'three' })
  const both = async (what: string, holds: () => boolean): Promise<unknown> =>
    soon(control, what, () => {
      if (holds()) return true
      for (const { clock } of [other, third]) clock.advance(200)
      return false
    })
  await both('their Leases', () => cluster.api.all(leaseType).length === 3)
  const synced = (one: TestControl): boolean =>
    one.lines.some(({ message }) => message === 'the store is in step with the cluster')
  await both('all are in step', () => synced(other) && synced(third))
  for (const [index, one] of [control, other, other, third].entries()) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    await follow(t, cluster, one, `s-${index}`)
  }
  const status = (): Status => statusOf(cluster, 'AuthorizationPolicy', 'orders')
  await both('the sum', () => status().sidecars === 4 && status().applied === 4)
  t.match(
    status().servers?.map(({ name, sidecars }) => [name, sidecars]),
    [
      ['one', 1],
      ['three', 1],
      ['two', 2],
    ],
  )
  await other.close()
  await soon(control, 'the one that took its leave', () => status().sidecars === 2)
  t.same(
    status().servers?.map(({ name }) => name),
    ['one', 'three'],
  )
  t.equal(cluster.api.all(leaseType).length, 2)

  third.server.destroy()
  await soon(control, 'the one that died', () => status().sidecars === 1)
  t.same(
    status().servers?.map(({ name }) => name),
    ['one'],
  )
})

t.test('a write that comes too late is made again, on top of the other one', async (t) => {
  const { cluster, control } = await setUp(t)
  const mend = cluster.api.fail({
    method: 'PATCH',
    path: /status/,
    status: 409,
    reason: 'Conflict',
    message: 'modified',
    times: 3,
  })
  await follow(t, cluster, control, 'good')
  await soon(control, 'it is written', () => statusOf(cluster, 'AuthorizationPolicy', 'orders').applied === 1)
  mend()
  t.match(await control.server.metrics.expose(), /outrider_kubernetes_status_writes_total\{result="conflict"\} 3/)
})

t.test('an API server that takes no status is left in peace for a while, and nobody else is held up', async (t) => {
  const { cluster, control } = await setUp(t)
  await soon(control, 'the first status', () => statusOf(cluster, 'AuthorizationPolicy', 'orders').sidecars === 0)
  const mend = cluster.api.fail({
    method: 'PATCH',
    path: /status/,
    status: 500,
    reason: 'InternalError',
    message: 'no',
  })
  const writes = (): number =>
    cluster.api.asked.filter(({ method, path }) => method === 'PATCH' && path.includes('/status')).length
  const before = writes()
  const stream = await follow(t, cluster, control, 'good')
  await soon(control, 'the first failure', () => writes() > before)
  const from = control.clock.monotonic()
  await soon(control, 'a minute', () => control.clock.monotonic() - from > 60_000)
  t.ok(writes() - before < 15, `${writes() - before} writes in a minute`)
  t.equal(control.lines.filter(({ message }) => message === 'the status of a resource was not written').length, 1)
  mend()
  await soon(control, 'it is written', () => statusOf(cluster, 'AuthorizationPolicy', 'orders').applied === 1)
  stream.call.cancel()
})

t.test('many resources: no more than 20 writes a second', async (t) => {
  const { cluster, control } = await setUp(t)
  for (let index = 0; index < 60; index += 1) cluster.apply('AuthorizationPolicy', `p-${index}`, all)
  const times: number[] = []
  let seen = 0
  await soon(control, 'all of them', () => {
    const writes = cluster.api.asked.filter(({ method, path }) => method === 'PATCH' && path.includes('/status')).length
    for (; seen < writes; seen += 1) times.push(control.clock.monotonic())
    return statusOf(cluster, 'AuthorizationPolicy', 'p-59').observedGeneration === 1
  })
  const most = Math.max(...times.map((start) => times.filter((time) => time >= start && time < start + 999).length))
  t.ok(times.length >= 61 && most <= 40, `${times.length} writes, ${most} within a second`)
})
