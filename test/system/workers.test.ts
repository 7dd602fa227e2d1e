import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import t from 'tap'
import { boundAddress } from '../fixtures/app.ts'
import { checkLeaks } from '../fixtures/leaks.ts'
import {
  ask,
  load,
  ordersPolicy,
  ordersResources,
  resource,
  startMesh,
  startPair,
  svidSerial,
} from '../fixtures/mesh.ts'
import { until } from '../fixtures/process.ts'

checkLeaks(t)

const WORKERS = ['--workers', '2']
const PATHS = ['/always', '/held', '/limited']

t.test('a sidecar of two threads is one sidecar', async (t) => {
  const held: ServerResponse[] = []
  const server = createServer((request, response) => {
    if (request.url === '/held') held.push(response)
    else response.end('done')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.close()
    server.closeAllConnections()
  })
  const mesh = await startMesh(t, ['--svid-ttl-ms', '10s'])
  const limit = { name: 'five', key: 'identity', requests: 5, per: '1h', to: [{ paths: ['/limited'] }] }
  const resources = [
    ordersResources(boundAddress(server).port, { paths: PATHS }),
    resource('RateLimit', 'orders', { workloads: ['orders'], limits: [limit] }),
  ]
  await mesh.apply(resources.join('\n---\n'))
  const { web, orders, send } = await startPair(mesh, boundAddress(server).port, { web: WORKERS, orders: WORKERS })

  // Each request on a connection of its own: both threads of web get some, and speak to orders on connections of theirs.
  const limited = await Promise.all(Array.from({ length: 40 }, () => send('/limited')))
  t.equal(limited.filter(({ status }) => status === 200).length, 5)
  t.equal(limited.filter(({ status }) => status === 429).length, 35)
  const metrics = (await ask(orders.admin, '/metrics')).text
  t.match(metrics, /^outrider_rate_limited_total\{limit="RateLimit\/default\/orders\/five"\} 35$/m)
  t.match(await ask(orders.admin, '/live'), { status: 200 })
  const peers: readonly { peer: string }[] = JSON.parse((await ask(orders.admin, '/connections')).text)
  t.equal(peers.length, 2, 'one for each thread of web')

  const serials = [new Set<string>(), new Set<string>()]
  const times: number[] = []
  const { requests, failures } = await load(web, '/always', async () => {
    for (let round = 0; round < 6; round += 1) {
      const status = round % 2 === 0 ? 200 : 403
      const started = performance.now()
      const paths = status === 200 ? [...PATHS, '/sometimes'] : PATHS
      await mesh.admin.apply({ documents: [ordersPolicy({ paths })] })
      await until(`${status}`, async () => (await send('/sometimes')).status === status)
      times.push(Math.round(performance.now() - started))
    }
    await until(
      'two renewals of both sides',
      async () => {
        const now = await Promise.all([svidSerial(web), svidSerial(orders)])
        for (const [index, serial] of now.entries()) serials[index]!.add(serial)
        return serials.every(({ size }) => size >= 3)
      },
      60_000,
    )
  })
  t.comment(`${requests} requests; from apply to enforcement ${times.join(', ')} ms`)
  t.same(failures, {})
  t.ok(Math.max(...times) < 1000, `${Math.max(...times)} ms`)

  const reply = send('/held')
  await until('the request is at the application', () => held.length === 1)
  const ended = orders.stop('SIGTERM')
  await until('not ready', async () => (await ask(orders.admin, '/ready')).status === 503)
  held[0]!.end('done')
  t.match(await reply, { status: 200, text: 'done' })
  t.match(await ended, { code: 0, signal: null })
  t.match(await web.stop('SIGTERM'), { code: 0, signal: null })
})
