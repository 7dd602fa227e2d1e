import { Agent } from 'node:http'
import t from 'tap'
import type { PolicyParts } from '../../fixtures/sidecar.ts'
import { checkLeaks } from '../../fixtures/leaks.ts'
import {
  allow,
  credentialsOf,
  deny,
  eventually,
  idOf,
  keptAgent,
  policyOf,
  send,
  sendTls,
  service,
  startHop,
  clientTls,
  wireTcp,
  wireTls,
} from '../../fixtures/sidecar.ts'
import { makeTestCa } from '../../fixtures/ca.ts'

checkLeaks(t)

const parts = (...paths: readonly string[]): PolicyParts => ({ policies: [allow('paths', { to: [{ paths }] })] })

t.test('the next request on a connection is decided by the new policy', async (t) => {
  const { web, api, ca } = await startHop(t, { policy: parts('/a') })
  const client = wireTls(t, api.inbound, clientTls(ca, ca.issue('/ns/default/sa/web')))
  const ask = async (path: string, status: number): Promise<void> => {
    const from = client.text.length
    client.socket.write(`GET ${path} HTTP/1.1\r\nhost: api\r\n\r\n`)
    await client.match(new RegExp(`^[^]{${from}}HTTP/1\\.1 ${status} [^]*\\n?(?:ok|\\n)$`))
  }
  await ask('/a', 200)
  await ask('/b', 403)
  api.policy.set(policyOf(parts('/b')))
  await ask('/a', 403)
  await ask('/b', 200)
  t.equal(await api.metric('outrider_connections_total', { listener: 'inbound' }), 1)
  t.equal(web.runtime.load.inFlight, 0)
})

t.test('a request that is under way is decided on anew', async (t) => {
  const { web, api, app } = await startHop(t, { policy: parts('/a', '/b') })
  const arrived: (() => void)[] = []
  app.answer((_request, response) => arrived.push(() => response.end('late')))
  const replies = [send(web.outbound, { path: '/a' }), send(web.outbound, { path: '/b' })]
  await eventually(() => arrived.length === 2, 'both are at the application')
  api.policy.set(policyOf(parts('/b')))
  const [withdrawn] = await Promise.all(replies.slice(0, 1))
  t.match(withdrawn, { status: 403, headers: { 'x-outrider-refusal': 'permission-withdrawn' } })
  for (const finish of arrived) finish()
  t.match(await replies[1], { status: 200, text: 'late' })
})

t.test('a policy is never half in force', async (t) => {
  const { web, api, app } = await startHop(t)
  // Each of the two denies everything; the ALLOW of the first without its DENY would let everything in.
  const first = policyOf({ policies: [allow('all'), deny('none', { to: [{ paths: ['*'] }] })] })
  const second = policyOf({})
  const agent = keptAgent(t, new Agent({ keepAlive: true, maxSockets: 8 }))
  let asking = true
  let swaps = 0
  const swap = (): void => {
    if (!asking) return
    api.policy.set((swaps += 1) % 2 === 0 ? first : second)
    setImmediate(swap)
  }
  swap()
  const refusals = await Promise.all(
    Array.from({ length: 400 }, async () => (await send(web.outbound, { agent })).headers['x-outrider-refusal']),
  )
  asking = false
  t.ok(swaps > 10, `${swaps} swaps`)
  t.same(new Set(refusals), new Set(['denied-by-rule', 'no-allow-rule']))
  t.same(app.seen, [])
})

t.test('a new SVID under load fails no request, and every connection changes to it', async (t) => {
  const { web, api, app, ca } = await startHop(t)
  const agent = keptAgent(t, new Agent({ keepAlive: true, maxSockets: 16 }))
  const serials = new Set<string>()
  app.answer(({ headers }, response) => {
    serials.add(/Hash=([0-9a-f]+)/.exec(String(headers['x-forwarded-client-cert']))?.[1] ?? '')
    response.end('ok')
  })
  let rotations = 0
  const rotate = (): void => {
    for (const [sidecar, name] of [
      [web, 'web'],
      [api, 'api'],
    ] as const)
      sidecar.credentials.set(credentialsOf(ca.issue(`/ns/default/sa/${name}`), ca.bundles()))
    rotations += 1
  }
  const statuses: number[] = []
  const worker = async (): Promise<void> => {
    for (let round = 0; round < 40; round += 1) {
      statuses.push((await send(web.outbound, { agent, method: round % 2 === 0 ? 'GET' : 'POST' })).status)
      if (statuses.length % 100 === 0) rotate()
    }
  }
  await Promise.all(Array.from({ length: 16 }, worker))
  t.equal(statuses.length, 640)
  t.ok(statuses.every((status) => status === 200))
  t.equal(rotations, 6)
  t.ok(serials.size >= 6, `${serials.size} certificates of web were seen`)
  rotate()
  await eventually(
    async () => (await web.metric('outrider_upstream_connections_active', { service: 'default/api' })) === 0,
    'idle connections of the older SVID close',
  )
})

t.test('a connection is cut when a certificate of it expires', async (t) => {
  const { web, api, app, ca } = await startHop(t, { web: { leaf: { ttlMs: 2500 } } })
  app.answer((_request, response) => void response.writeHead(200).write('begun'))
  const { notAfterMs } = web.credentials.current.svid
  const through = wireTcp(t, web.outbound)
  const direct = wireTls(t, api.inbound, clientTls(ca, ca.issue('/ns/default/sa/web', { notAfterMs })))
  for (const client of [through, direct]) {
    client.socket.write('GET / HTTP/1.1\r\nhost: api\r\n\r\n')
    await client.match(/begun/)
  }
  await Promise.all([through.closed, direct.closed])
  t.ok(Date.now() >= notAfterMs - 100, 'not before')
  t.ok(Date.now() <= notAfterMs + 500, 'at once')
  t.match(await api.lines.take(({ level }) => level === 'info'), { message: /^connection cut/, peer: idOf('web') })
  // With what has expired nothing is opened any more; with a new SVID it is.
  app.answer((_request, response) => void response.end('ok'))
  t.not((await send(web.outbound)).status, 200)
  web.credentials.set(credentialsOf(ca.issue('/ns/default/sa/web'), ca.bundles()))
  t.equal((await send(web.outbound)).status, 200)
})

t.test('connections of a root that is withdrawn are cut', async (t) => {
  const { api, ca } = await startHop(t)
  const other = makeTestCa('partner.example')
  const own = api.credentials.current
  api.credentials.set({ ...own, bundles: new Map([...ca.bundles(), ...other.bundles()]) })
  const partner = wireTls(t, api.inbound, clientTls(ca, other.issue('/ns/default/sa/web')))
  const friend = wireTls(t, api.inbound, clientTls(ca, ca.issue('/ns/default/sa/web')))
  for (const client of [partner, friend]) {
    client.socket.write('GET / HTTP/1.1\r\nhost: api\r\n\r\n')
    await client.match(/ok$/)
  }
  api.credentials.set({ ...own, bundles: ca.bundles() })
  await partner.closed
  t.match(await api.lines.take(({ level }) => level === 'warn'), { peer: 'spiffe://partner.example/ns/default/sa/web' })
  friend.socket.write('GET / HTTP/1.1\r\nhost: api\r\n\r\n')
  await friend.match(/ok[^]*ok$/)
  await t.rejects(sendTls(api.inbound, ca, other.issue('/ns/default/sa/web')))
})

t.test('who may serve a service can change while connections are open', async (t) => {
  const { web, api, app } = await startHop(t)
  t.equal((await send(web.outbound)).status, 200)
  const { port } = app.address
  web.policy.set(policyOf({ workload: 'web', services: [service('api', port, [api.inbound], [idOf('new')])] }))
  const refused = await send(web.outbound)
  t.equal(refused.headers['x-outrider-refusal'], 'upstream-identity')
  web.policy.set(
    policyOf({ workload: 'web', services: [service('api', port, [api.inbound], [idOf('new'), idOf('api')])] }),
  )
  t.equal((await send(web.outbound)).status, 200)
})
