import type { ServerResponse } from 'node:http'
import t from 'tap'
import type { ToWorker } from '../../../src/sidecar/workers/messages.ts'
import { startApp } from '../../fixtures/app.ts'
import { checkLeaks } from '../../fixtures/leaks.ts'
import { allow, eventually, workloadOf } from '../../fixtures/sidecar.ts'
import { type Caller, callers, startTestGroup } from '../../fixtures/workers.ts'

checkLeaks(t)

const api = workloadOf('api')

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
