import type { Socket } from 'node:net'
import t from 'tap'
import { checkLeaks } from '../../fixtures/leaks.ts'
import { startApp, type TestApp } from '../../fixtures/app.ts'
import { eventually, policyOf, send, service, startHop, type TestSidecar, wireTcp } from '../../fixtures/sidecar.ts'

checkLeaks(t)

/** Answers the first request of each connection, and hangs up on the second. */
function hangUpOnSecond(app: TestApp): void {
  const used = new WeakSet<Socket>()
  app.answer((_request, response) => {
    const { socket } = response
    if (socket === null) return
    if (used.has(socket)) socket.destroy()
    else response.end('ok')
    used.add(socket)
  })
}

const retried = (sidecar: TestSidecar): Promise<number> => sidecar.metric('outrider_upstream_requests_retried_total')

t.test('a request that met a dead connection is sent again, when that cannot do harm', async (t) => {
  const { web, api, app } = await startHop(t)
  hangUpOnSecond(app)
  let sent = 0
  for (const method of ['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE']) {
    t.equal((await send(web.outbound, { method: 'POST' })).status, 200, 'on a new connection')
    t.equal((await send(web.outbound, { method })).status, 200, method)
    t.equal(await retried(api), (sent += 1), method)
    // The connection that took it has answered once: the next request would meet it dead.
    t.equal((await send(web.outbound, { method: 'POST' })).status, 502, 'POST is not sent twice')
    t.equal(await retried(api), sent)
  }
  t.equal((await send(web.outbound)).status, 200)
  const withBody = await send(web.outbound, { method: 'PUT', body: 'x' })
  t.equal(withBody.headers['x-outrider-refusal'], 'upstream-gone', 'a body is not sent twice')
  t.equal(await retried(api), sent)
})

t.test('a request is sent again once', async (t) => {
  const { web, api, app } = await startHop(t)
  t.equal((await send(web.outbound)).status, 200)
  app.answer((_request, response) => response.destroy())
  const before = app.seen.length
  t.equal((await send(web.outbound)).status, 502)
  t.equal(app.seen.length, before + 2)
  t.equal(await retried(api), 1)
})

t.test('connections that the application closes while they are idle are not used', async (t) => {
  const { web, api, app } = await startHop(t)
  t.equal((await send(web.outbound)).status, 200)
  for (const socket of app.sockets) socket.end()
  await eventually(
    async () => (await api.metric('outrider_upstream_connections_active', { service: 'application' })) === 0,
    'the pool forgets it',
  )
  t.equal((await send(web.outbound, { method: 'POST' })).status, 200)
  t.equal(await retried(api), 0)
})

t.test('the pool to the application is bounded, and who waits too long is refused', async (t) => {
  const { web, api, app } = await startHop(t, {
    api: { config: { maxUpstreamConnections: 2, upstreamQueueTimeoutMs: 100 } },
  })
  const finish: (() => void)[] = []
  const full = Promise.withResolvers<void>()
  app.answer((_request, response) => {
    if (finish.push(() => response.end('late')) === 2) full.resolve()
  })
  const first = [send(web.outbound), send(web.outbound)]
  await full.promise
  const busy = await send(web.outbound)
  t.equal(busy.status, 503)
  t.equal(busy.headers['x-outrider-refusal'], 'upstream-busy')
  for (const end of finish) end()
  t.same(
    (await Promise.all(first)).map(({ text }) => text),
    ['late', 'late'],
  )
  t.equal(app.accepted, 2)
  t.equal(api.runtime.load.inFlight, 0)
})

t.test('a client that gives up takes its request with it', async (t) => {
  const { web, api, app } = await startHop(t)
  const arrived = Promise.withResolvers<void>()
  app.answer(() => arrived.resolve())
  const client = wireTcp(t, web.outbound)
  client.socket.write('GET / HTTP/1.1\r\nhost: api\r\n\r\n')
  await arrived.promise
  client.socket.destroy()
  await eventually(() => app.sockets.size === 0, 'the application learns of it')
  t.match(await api.records.take(), { status: 0, code: 'client-gone' })
  t.match(await web.records.take(), { status: 0, code: 'client-gone' })
  t.equal(api.runtime.load.inFlight, 0)
  t.equal(web.runtime.load.inFlight, 0)
  app.answer((_request, response) => void response.end('ok'))
  t.equal((await send(web.outbound)).status, 200)
})

t.test('an endpoint that cannot be reached is passed over, and avoided for a while', async (t) => {
  const { web, api, app } = await startHop(t)
  const gone = await startApp(t)
  await gone.close()
  const { port } = app.address
  web.policy.set(policyOf({ workload: 'web', services: [service('api', port, [gone.address, api.inbound])] }))
  for (let round = 0; round < 8; round += 1) t.equal((await send(web.outbound)).status, 200)
  const failures = await web.metric('outrider_upstream_failures_total', { reason: 'upstream-unreachable' })
  t.ok(failures <= 1, `${failures} attempts at the endpoint that is gone`)

  web.policy.set(policyOf({ workload: 'web', services: [service('api', port, [gone.address])] }))
  const refused = await send(web.outbound)
  t.equal(refused.status, 503)
  t.equal(refused.headers['x-outrider-refusal'], 'upstream-unreachable')
})

t.test('an endpoint that is withdrawn finishes what it carries', async (t) => {
  const { web, api, app } = await startHop(t)
  const arrived = Promise.withResolvers<() => void>()
  app.answer((_request, response) => arrived.resolve(() => response.end('late')))
  const reply = send(web.outbound)
  const finish = await arrived.promise
  web.policy.set(policyOf({ workload: 'web', services: [service('api', app.address.port, [])] }))
  t.equal((await send(web.outbound)).headers['x-outrider-refusal'], 'no-endpoint')
  finish()
  t.match(await reply, { status: 200, text: 'late' })
  await eventually(
    async () => (await api.metric('outrider_connections_active', { listener: 'inbound' })) === 0,
    'its connections close',
  )
})

t.test('who waits for an endpoint that is withdrawn goes to its successor', async (t) => {
  const { web, api, app } = await startHop(t)
  const { port } = app.address
  // Accepts and never answers the handshake.
  const mute = await startApp(t)
  mute.server.removeAllListeners('connection')
  const accepted = new Promise<void>((resolve) => {
    mute.server.on('connection', (socket: Socket) => {
      socket.on('error', () => {}).resume()
      t.teardown(() => socket.destroy())
      resolve()
    })
  })
  web.policy.set(policyOf({ workload: 'web', services: [service('api', port, [mute.address])] }))
  const reply = send(web.outbound)
  await accepted
  web.policy.set(policyOf({ workload: 'web', services: [service('api', port, [api.inbound])] }))
  t.equal((await reply).status, 200)
})
