// What a pod that ends does first (its preStop hook): peers choose other endpoints, and what still comes is served.
import t from 'tap'
import { startApp } from '../fixtures/app.ts'
import { checkLeaks } from '../fixtures/leaks.ts'
import { ask, knowsEndpoints, ordersResources, startMesh, startPair } from '../fixtures/mesh.ts'
import { outrider } from '../fixtures/process.ts'
import { send } from '../fixtures/sidecar.ts'

checkLeaks(t)

t.test('outrider drain', async (t) => {
  const app = await startApp(t)
  app.answer((_request, response) => response.end('ok'))
  const mesh = await startMesh(t)
  await mesh.apply(ordersResources(app.address.port))
  const health = ['--health', '127.0.0.1:0', '--probes', `http://:${app.address.port}/healthz`]
  const { web, orders, send: sendToOrders } = await startPair(mesh, app.address.port, { orders: health })
  t.equal((await sendToOrders('/')).status, 200)
  const [host = '', port] = (/"health":"([^"]+)"/.exec(orders.stdout)?.[1] ?? '').split(':')
  const kubelet = async (path: string): Promise<number> => (await send({ host, port: Number(port) }, { path })).status
  t.equal(await kubelet('/ready'), 200)
  t.equal(await kubelet(`/probe/http/${app.address.port}/healthz`), 200)

  const admin = `${orders.admin.host}:${orders.admin.port}`
  t.match(await outrider(t, ['drain', '--sidecar', admin]), { code: 0, stdout: /is draining/ })
  await knowsEndpoints(web, 0)
  t.pass('no peer chooses it any more')
  t.match(await ask(orders.admin, '/ready'), { status: 503, text: /not ready: draining/ })
  t.equal(await kubelet('/ready'), 503)
  t.equal(await kubelet('/live'), 200)
  t.equal(await kubelet(`/probe/http/${app.address.port}/healthz`), 200, 'the application is there')
  t.match(await outrider(t, ['drain', '--sidecar', admin]), { code: 0 }, 'twice is once')
  t.match(await orders.stop('SIGTERM'), { code: 0 })
})
