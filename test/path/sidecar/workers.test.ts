import { createServer } from 'node:net'
import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { Agent, request } from 'node:https'
import t from 'tap'
import { listen } from '../../../src/lib/listen.ts'
import { Connections } from '../../../src/sidecar/connections.ts'
import { Balancer, loadsMemory } from '../../../src/sidecar/workers/balance.ts'
import { boundAddress, startApp } from '../../fixtures/app.ts'
import { makeTestCa } from '../../fixtures/ca.ts'
import { TestClock } from '../../fixtures/clock.ts'
import { checkLeaks } from '../../fixtures/leaks.ts'
import {
  allow,
  credentialsOf,
  deny,
  eventually,
  exchange,
  idOf,
  keptAgent,
  policyOf,
  rateLimit,
  type Reply,
  send,
  sendTls,
  service,
  startTestSidecar,
  TRUST_DOMAIN,
  wireTcp,
  wireTls,
  workloadOf,
  clientTls,
} from '../../fixtures/sidecar.ts'
import type { ToWorker } from '../../../src/sidecar/workers/messages.ts'
import { type Caller, callers, crash, startTestGroup } from '../../fixtures/workers.ts'

checkLeaks(t)

const api = workloadOf('api')
const fiveAMinute = { requests: 5, perMs: 60_000, burst: 5 }

t.test('a rate limit is one of the group, whichever thread a request comes to', async (t) => {
  const app = await startApp(t)
  const only = { to: [{ paths: ['/limited'] }] }
  const resources = [api, allow('all'), rateLimit('slow', { ...fiveAMinute, ...only })]
  const group = await startTestGroup(t, { resources, app: app.address })
  const both = await callers(t, group)
  const replies = await Promise.all(Array.from({ length: 20 }, (_, n) => both[n % 2 === 0 ? 0 : 1].send('/limited')))
  t.equal(replies.filter(({ status }) => status === 200).length, 5)
  t.equal(replies.filter(({ status }) => status === 429).length, 15)
  t.equal(await group.metric('outrider_rate_limited_total', { limit: 'RateLimit/default/slow/calls' }), 15)

  // A change of policy keeps its state, a limit that was gone for a while begins anew.
  await group.apply([allow('more')])
  t.equal((await both[0].send('/limited')).status, 429)
  await group.apply([], [{ kind: 'RateLimit', namespace: 'default', name: 'slow' }])
  t.equal((await both[1].send('/limited')).status, 200)
  await group.apply([rateLimit('slow', { ...fiveAMinute, requests: 1, burst: 1, ...only })])
  t.equal((await both[0].send('/limited')).status, 200)
  t.equal((await both[1].send('/limited')).status, 429)
})

t.test('a policy is in force in every thread before it is acknowledged', async (t) => {
  const app = await startApp(t)
  const group = await startTestGroup(t, { resources: [api, allow('all')], app: app.address })
  const both = await callers(t, group)
  const statuses = (): Promise<number[]> =>
    Promise.all(both.map(async (caller) => (await caller.send('/admin')).status))
  t.same(await statuses(), [200, 200])
  await group.apply([deny('admin', { to: [{ paths: ['/admin'] }] })])
  t.same(await statuses(), [403, 403])
  // What this version cannot read closes everything, there as here.
  await group.apply([{ name: { kind: 'ThreatFilter', namespace: 'default', name: 'new' }, revision: 9 }])
  t.match(group.snapshot.policy.current, { closed: { code: 'policy-broken' } })
  t.same(await statuses(), [503, 503])
  await group.apply(
    [],
    [api, allow('all')].map(({ kind, metadata }) => ({ kind, ...metadata })),
  )
  t.same(await statuses(), [503, 503])
})

t.test('a new SVID and new roots reach every thread', async (t) => {
  const app = await startApp(t)
  const group = await startTestGroup(t, { resources: [api, allow('all')], app: app.address })
  const { ca, credentials, inbound } = group
  const leaf = ca.issue('/ns/default/sa/web')
  const open = async () => {
    const { socket } = wireTls(t, inbound, clientTls(ca, leaf))
    await once(socket, 'secureConnect')
    return socket
  }
  const serving = async (count: number): Promise<Set<number>> => {
    await eventually(async () => (await group.group.connections()).length === count, `${count} connections`)
    return new Set((await group.group.connections()).map(({ worker }) => worker))
  }
  credentials.set(credentialsOf(ca.issue('/ns/default/sa/api'), ca.bundles()))
  // The threads take messages in order: once they answer, they have the SVID.
  await group.group.connections()
  const sockets = await Promise.all(Array.from({ length: 20 }, open))
  t.same(await serving(20), new Set([1, 2]))
  const [now] = credentials.current.svid.chainDer
  for (const socket of sockets) t.ok(socket.getPeerX509Certificate()!.raw.equals(now!))

  // Without the root of its peers no connection stays. Of our own SVID nobody asks here.
  const closed = sockets.map((socket) => once(socket, 'close'))
  credentials.set({ svid: credentials.current.svid, bundles: new Map() })
  await Promise.all(closed)
  t.equal((await serving(0)).size, 0)
})

t.test('bounds are those of the process', async (t) => {
  const held: ServerResponse[] = []
  const app = await startApp(t, ({ target }, response) => {
    if (target === '/held') held.push(response)
    else response.end('ok')
  })
  const group = await startTestGroup(t, {
    resources: [api, allow('all')],
    app: app.address,
    config: { maxConnections: 12, maxInFlight: 2 },
  })
  const { inbound, ca } = group
  const both = await callers(t, group)
  const first = both.map((caller) => caller.send('/held'))
  await eventually(() => held.length === 2, 'both are in flight')
  t.equal(await group.metric('outrider_requests_in_flight'), 2)
  const third = await sendTls(inbound, ca, ca.issue('/ns/default/sa/web'))
  t.match(third, { status: 503, headers: { 'x-outrider-refusal': 'overloaded' } })
  for (const response of held) response.end('done')
  t.same(
    (await Promise.all(first)).map(({ status }) => status),
    [200, 200],
  )

  const open = (await group.group.connections()).length
  const more = Array.from({ length: 12 - open }, () => wireTcp(t, inbound))
  await Promise.all(more.map(({ socket }) => once(socket, 'connect')))
  const oneTooMany = wireTcp(t, inbound)
  await oneTooMany.closed
  t.equal(await group.metric('outrider_connections_refused_total', { reason: 'too-many-connections' }), 1)
  more[0]!.socket.resetAndDestroy()
  await eventually(async () => {
    const { socket } = wireTls(t, inbound, clientTls(ca, ca.issue('/ns/default/sa/web')))
    return once(socket, 'secureConnect').then(
      () => true,
      () => false,
    )
  }, 'there is room again')
})

t.test('one view of all threads', async (t) => {
  const app = await startApp(t)
  const group = await startTestGroup(t, { resources: [api, allow('all')], app: app.address })
  const both = await callers(t, group)
  const hellos = app.seen.length
  await Promise.all(both.map((caller) => caller.send(`/${caller.worker}`)))
  const served = await group.group.connections()
  t.match(
    new Map(served.map((connection) => [connection.worker, connection])),
    new Map([1, 2].map((worker) => [worker, { listener: 'inbound', peer: idOf('web'), worker }])),
  )
  t.equal(await group.metric('outrider_requests_total', { response_code: '200' }), hellos + 2)
  t.equal(await group.metric('outrider_connections_active', { listener: 'inbound' }), served.length)
  t.equal(await group.metric('outrider_request_duration_seconds_count', { reporter: 'inbound' }), hellos + 2)
  t.ok((await group.metric('process_resident_memory_bytes')) <= process.memoryUsage().rss * 1.2)
  t.equal(await group.group.notLive(), undefined)

  await eventually(() => group.written().split('\n').length === hellos + 3, 'all lines are written')
  const records: readonly { path: string }[] = group
    .written()
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
  t.same(
    records
      .map(({ path }) => path)
      .filter((path) => path !== '/hello')
      .toSorted(),
    ['/1', '/2'],
  )

  wireTcp(t, group.inbound).socket.end('no TLS')
  const line = await group.lines.take(({ message }) => message === 'TLS handshake failed')
  t.match(line, { process: 'sidecar', level: 'info', reason: 'not-tls' })
  t.match(String(line['worker']), /^[12]$/)
  group.log.level = 'error'
  wireTcp(t, group.inbound).socket.end('no TLS either')
  const failures = { listener: 'inbound', reason: 'not-tls' }
  await eventually(async () => (await group.metric('outrider_tls_handshake_failures_total', failures)) === 2, 'counted')
  t.match(await group.group.tlsFailures(), [
    { reason: 'not-tls', detail: /does not speak TLS/, worker: /^[12]$/ },
    { reason: 'not-tls', worker: /^[12]$/ },
  ])
  t.same(
    group.lines.items.filter(({ message }) => message === 'TLS handshake failed'),
    [],
  )
})

t.test('the application speaks to other services through any thread', async (t) => {
  const app = await startApp(t)
  const group = await startTestGroup(t, {
    resources: [api, allow('all', { from: [{ spiffeIds: [idOf('api')] }] })],
    app: app.address,
  })
  // The group is both sides of the hop: it calls itself.
  await group.apply([service('api', app.address.port, [group.inbound])])
  const replies = await Promise.all(Array.from({ length: 20 }, (_, n) => send(group.outbound, { path: `/${n}` })))
  t.ok(replies.every(({ status }) => status === 200))
  t.equal(app.seen.length, 20)
  t.equal(await group.metric('outrider_requests_total', { reporter: 'outbound', response_code: '200' }), 20)
  t.equal(await group.metric('outrider_requests_total', { reporter: 'inbound', response_code: '200' }), 20)
})

t.test('what is under way is asked about again in every thread', async (t) => {
  const held: ServerResponse[] = []
  const app = await startApp(t, ({ target }, response) => {
    if (target.startsWith('/held')) held.push(response)
    else response.end('ok')
  })
  const group = await startTestGroup(t, { resources: [api, allow('all')], app: app.address })
  const both = await callers(t, group)
  const more = await callers(t, group)
  const cut = both.map((caller) => caller.send('/held/cut'))
  const kept = more.map((caller) => caller.send('/held/kept'))
  await eventually(() => held.length === 4, 'all are in flight')
  await group.apply([deny('cut', { to: [{ paths: ['/held/cut'] }] })])
  const refused = { status: 403, headers: { 'x-outrider-refusal': 'permission-withdrawn' } }
  t.match(await Promise.all(cut), [refused, refused])
  for (const response of held) response.end('done')
  t.match(await Promise.all(kept), [
    { status: 200, text: 'done' },
    { status: 200, text: 'done' },
  ])
  t.equal(await group.metric('outrider_requests_total', { refusal: 'permission-withdrawn' }), 2)
})

t.test('what a time-boxed policy allowed ends with it, in every thread, though nothing was sent', async (t) => {
  const held: ServerResponse[] = []
  const app = await startApp(t, ({ target }, response) => {
    if (target === '/held/cut') held.push(response)
    else response.end('ok')
  })
  const group = await startTestGroup(t, {
    resources: [api, allow('others', { to: [{ paths: ['/hello'] }] })],
    app: app.address,
  })
  const both = await callers(t, group)
  const grant = allow('grant', { to: [{ paths: ['/held/cut'] }] })
  const window = { notAfterMs: Date.now() + 5_000, reason: 'incident 17', approver: 'on call' }
  await group.apply([{ ...grant, spec: { ...grant.spec, ...window } }])
  const cut = both.map((caller) => caller.send('/held/cut'))
  await eventually(() => held.length === 2, 'both are in flight')
  const refused = { status: 403, headers: { 'x-outrider-refusal': 'permission-withdrawn' } }
  t.match(await Promise.all(cut), [refused, refused])
  t.ok(Date.now() >= window.notAfterMs, 'not before its end')
  t.match(await both[1].send('/held/cut'), { status: 403, headers: { 'x-outrider-refusal': 'no-allow-rule' } })
  t.match(await both[0].send('/hello'), { status: 200, text: 'ok' })
  for (const response of held) response.end()
})

t.test('a drain ends when every thread has finished', async (t) => {
  const held: ServerResponse[] = []
  const app = await startApp(t, ({ target }, response) => {
    if (target === '/held') held.push(response)
    else response.end('ok')
  })
  const group = await startTestGroup(t, { resources: [api, allow('all')], app: app.address })
  const both = await callers(t, group)
  const first = both.map((caller) => caller.send('/held'))
  await eventually(() => held.length === 2, 'both are in flight')
  const drained = group.group.drain()
  // What changes meanwhile still counts.
  await group.apply([deny('others', { to: [{ paths: ['/others'] }] })])
  await eventually(
    () =>
      new Promise<boolean>((resolve) => {
        const { socket } = wireTcp(t, group.inbound)
        socket.once('connect', () => resolve(false))
        socket.once('error', () => resolve(true))
      }),
    'the port is closed',
  )
  for (const response of held) response.end('done')
  const replies = await Promise.all(first)
  t.match(replies, [
    { status: 200, text: 'done', headers: { connection: 'close' } },
    { status: 200, text: 'done' },
  ])
  t.equal(await drained, true)
  t.same(group.threads, [])
  t.equal(group.written().match(/"path":"\/held"/g)?.length, 2, 'the access log is whole')
})

t.test('a drain that takes too long cuts, and says so', async (t) => {
  const app = await startApp(t, ({ target }, response) => {
    if (target !== '/held') response.end('ok')
  })
  const config = { drainTimeoutMs: 50 }
  const group = await startTestGroup(t, { resources: [api, allow('all')], app: app.address, config })
  const [caller] = await callers(t, group)
  const lost = t.rejects(caller.send('/held'))
  await eventually(() => app.seen.at(-1)?.target === '/held', 'it is in flight')
  t.equal(await group.group.drain(), false)
  await lost
  t.match(await group.lines.take(({ level }) => level === 'warn'), { worker: caller.worker, drainTimeoutMs: 50 })
})

t.test('a thread that ends is a loud failure, and is replaced', async (t) => {
  const held: ServerResponse[] = []
  const app = await startApp(t, ({ target }, response) => {
    if (target === '/held') held.push(response)
    else response.end('ok')
  })
  const group = await startTestGroup(t, {
    resources: [api, allow('all'), rateLimit('slow', { ...fiveAMinute, to: [{ paths: ['/limited'] }] })],
    app: app.address,
    config: { maxInFlight: 1 },
  })
  const [one, two] = await callers(t, group)
  for (let n = 0; n < 4; n += 1) t.equal((await one.send('/limited')).status, 200)
  const lost = one.send('/held')
  await eventually(() => held.length === 1, 'a request is in flight in the first thread')
  t.equal((await two.send()).status, 503)
  const before = await group.metric('outrider_requests_total', { response_code: '200' })

  await Promise.all([t.rejects(lost), crash(group, group.threads[0]!)])
  t.equal(group.group.notReady, 'worker 1 is not running')
  t.match(await group.lines.take(({ level }) => level === 'error'), {
    worker: 1,
    error: { code: 'worker-ended' },
    retryInMs: 500,
  })
  t.equal((await two.send()).status, 200, 'the other goes on, and what the first had in flight is forgotten')
  t.equal(await group.metric('outrider_requests_total', { response_code: '200' }), before + 1, 'no counter goes back')
  t.equal(await group.metric('outrider_connections_active'), (await group.group.connections()).length)
  // What changes now is what the new thread begins with.
  await group.apply([deny('admin', { to: [{ paths: ['/admin'] }] })])
  t.equal((await two.send('/admin')).status, 403)

  group.clock.advance(500)
  await eventually(() => group.group.notReady === undefined, 'there are two again')
  t.equal(group.threads.length, 2)
  t.equal(await group.metric('outrider_worker_restarts_total'), 1)
  const both = await callers(t, group)
  for (const caller of both) t.equal((await caller.send('/admin')).status, 403)
  t.equal((await both[0].send('/limited')).status, 200, 'the fifth of this minute')
  t.equal((await both[1].send('/limited')).status, 429)
})

t.test('a bug in a thread is told with its place', async (t) => {
  const group = await startTestGroup(t, { resources: [api, allow('all')] })
  // No message that we send: what the thread does with it is what it does with a bug of its own.
  group.threads[1]!.postMessage({ kind: 'unheard-of' })
  await eventually(() => group.group.notReady !== undefined, 'the thread has ended')
  t.match(await group.lines.take(({ level }) => level === 'error'), {
    worker: 2,
    error: { message: /unreachable/, stack: /worker\.[jt]s/ },
  })
  // One that cannot begin is tried again, later each time.
  const port = createServer()
  t.teardown(() => port.close())
  group.threads[0]!.postMessage({ kind: 'unheard-of' })
  t.match(await group.lines.take(({ level }) => level === 'error'), { worker: 1, retryInMs: 500 })
  await listen(port, group.outbound, 'test')
  group.clock.advance(500)
  t.match(await group.lines.take(({ worker, level }) => level === 'error' && worker === 1), {
    error: { code: 'listen-failed' },
    retryInMs: 1000,
  })
})

t.test('a thread that does not answer is not live', async (t) => {
  const group = await startTestGroup(t, { resources: [api, allow('all')] })
  const asked = group.group.notLive()
  const metrics = group.group.metrics()
  // Nothing has been delivered yet: for the group five seconds go by without an answer.
  group.clock.advance(5000)
  t.match(await asked, /^worker [12] gave no answer within 5000 ms$/)
  await t.rejects(metrics, { code: 'worker-silent' })
  t.equal(await group.group.notLive(), undefined)
})

t.test('a port that somebody has is not shared with him', async (t) => {
  const taken = createServer().listen({ port: 0, host: '127.0.0.1', reusePort: true })
  t.teardown(() => taken.close())
  await once(taken, 'listening')
  const outbound = { host: '127.0.0.1', port: boundAddress(taken).port }
  const starting = startTestGroup(t, { resources: [api, allow('all')], config: { outbound } })
  await t.rejects(starting, { code: 'listen-failed', message: /another program listens there/, place: 'outbound' })
})

t.test('what is left of a group is nothing', async (t) => {
  const group = await startTestGroup(t, { resources: [api, allow('all')], workers: 3 })
  t.equal(group.threads.length, 3)
  const waiting = wireTcp(t, group.outbound)
  await once(waiting.socket, 'connect')
  await group.group.destroy()
  await waiting.closed
  t.same(group.threads, [])
  await t.rejects(once(wireTcp(t, group.outbound).socket, 'connect'), { code: 'ECONNREFUSED' })
})

t.test('a connection that another thread should have is opened anew, and no request is lost', async (t) => {
  const ca = makeTestCa(TRUST_DOMAIN)
  const app = await startApp(t)
  const policy = policyOf({ policies: [allow('all')] })
  const sidecar = await startTestSidecar(t, { ca, id: '/ns/default/sa/api', policy, app: app.address })
  const clock = new TestClock()
  const memory = loadsMemory(2)
  const common = { memory, clock, moved: { inc: () => {} } }
  const { connections } = sidecar.runtime
  const idle = new Balancer({ ...common, worker: 1, connections: new Connections(), busy: () => 0 })
  const busy = new Balancer({ ...common, worker: 0, connections, busy: () => 1 })
  t.teardown(() => {
    idle.close()
    busy.close()
  })
  const tls = clientTls(ca, ca.issue('/ns/default/sa/web'))
  const agents = [1, 2].map(() => keptAgent(t, new Agent({ keepAlive: true, maxSockets: 1, ...tls })))
  const all = (): Promise<Reply[]> => Promise.all(agents.map((agent) => exchange(request, sidecar.inbound, { agent })))
  await all()
  clock.advance(1000)
  const replies = await all()
  t.same(
    replies.map(({ status }) => status),
    [200, 200],
  )
  t.equal(replies.filter(({ headers }) => headers.connection === 'close').length, 1)
  await eventually(() => connections.list().length === 1, 'one has gone elsewhere')
})

t.test('workers are told what changed, and a new one all of it', async (t) => {
  const app = await startApp(t)
  const path = (name: string): ReturnType<typeof allow> => allow(name, { to: [{ paths: [`/${name}`] }] })
  const group = await startTestGroup(t, {
    resources: [api, allow('hello', { to: [{ paths: ['/hello'] }] }), path('a')],
    app: app.address,
  })
  const sent: ToWorker[] = []
  for (const thread of group.threads) {
    const post = thread.postMessage.bind(thread)
    thread.postMessage = (message: ToWorker, ...rest) => {
      sent.push(message)
      post(message, ...rest)
    }
  }
  const both = await callers(t, group)
  const asked = async (callers: readonly Caller[]): Promise<readonly number[][]> =>
    Promise.all(
      callers.map(async (caller) => Promise.all(['/a', '/b'].map(async (path) => (await caller.send(path)).status))),
    )
  t.same(await asked(both), [
    [200, 403],
    [200, 403],
  ])
  await group.apply([path('b')])
  t.same(await asked(both), [
    [200, 200],
    [200, 200],
  ])
  await group.apply([], [{ kind: 'AuthorizationPolicy', namespace: 'default', name: 'a' }])
  t.same(await asked(both), [
    [403, 200],
    [403, 200],
  ])
  const policies = sent.filter((message) => message.kind === 'policy').map(({ policy }) => policy)
  t.same(
    policies.map(({ changed, removed }) => [changed.map(([key]) => key), removed]),
    [
      [['AuthorizationPolicy/default/b'], []],
      [['AuthorizationPolicy/default/b'], []],
      [[], ['AuthorizationPolicy/default/a']],
      [[], ['AuthorizationPolicy/default/a']],
    ],
    'to each of the two, no more than that',
  )

  // It has lost one on the way: it ends rather than to enforce what nobody has sent.
  const policy = { order: 9, base: 8, changed: [], removed: [], tables: new Map() }
  group.threads[0]!.postMessage({ kind: 'policy', policy } satisfies ToWorker)
  const told = await group.lines.take(({ level, error }) => level === 'error' && error !== undefined)
  t.match(told, { error: { message: /policy 9 changes 8, not 2/ } })
  await group.apply([path('a')])
  await eventually(() => {
    group.clock.advance(1_000)
    return group.group.notReady === undefined
  }, 'the worker is replaced')
  t.same(await asked(await callers(t, group)), [
    [200, 200],
    [200, 200],
  ])
})
