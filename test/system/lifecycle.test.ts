import { createServer, type ServerResponse } from 'node:http'
import { once } from 'node:events'
import t, { type Test } from 'tap'
import { boundAddress } from '../fixtures/app.ts'
import { checkLeaks } from '../fixtures/leaks.ts'
import {
  ask,
  beginSidecar,
  knowsEndpoints,
  load,
  ordersPolicy,
  ordersResources,
  type Pair,
  readySidecar,
  resource,
  sendToOrders,
  type SidecarProcess,
  startMesh,
  startPair,
  svidSerial,
  type TestMesh,
} from '../fixtures/mesh.ts'
import { until } from '../fixtures/process.ts'
import { freePort } from '../fixtures/web-server.ts'

checkLeaks(t)

/** Answers at once, but keeps /held until it is told. */
interface HoldingApp {
  readonly port: number
  readonly held: ServerResponse[]
  release(): void
}

async function startApp(t: Test): Promise<HoldingApp> {
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
  return {
    port: boundAddress(server).port,
    held,
    release: () => {
      for (const response of held.splice(0)) response.end('done')
    },
  }
}

interface Setting extends Pair {
  readonly app: HoldingApp
  readonly mesh: TestMesh
}

async function start(
  t: Test,
  flags: { control?: readonly string[]; sidecars?: readonly string[] } = {},
): Promise<Setting> {
  const app = await startApp(t)
  const mesh = await startMesh(t, flags.control)
  await mesh.apply(ordersResources(app.port))
  const { sidecars = [] } = flags
  return { app, mesh, ...(await startPair(mesh, app.port, { web: sidecars, orders: sidecars })) }
}

/** What `/ready` answers, or 0 when nobody does. */
async function readiness({ admin }: SidecarProcess): Promise<number> {
  return ask(admin, '/ready').then(
    ({ status }) => status,
    () => 0,
  )
}

for (const side of ['orders', 'web'] as const) {
  t.test(`SIGTERM to the sidecar of ${side}: what is in flight is finished`, async (t) => {
    const setting = await start(t)
    const { app } = setting
    const leaving = setting[side]
    const reply = setting.send('/held')
    await until('the request is at the application', () => app.held.length === 1)
    t.equal(await readiness(leaving), 200)
    const started = performance.now()
    const ended = leaving.stop('SIGTERM')
    await until('not ready', async () => (await readiness(leaving)) === 503)
    if (side === 'orders') await knowsEndpoints(setting.web, 0)
    // For a second and more the request stays in flight: past the moment at which the listeners close.
    await until('the listener is closed', () =>
      ask(side === 'web' ? leaving.outbound : leaving.inbound[0]!, '/').then(
        () => false,
        (error: NodeJS.ErrnoException) => error.code === 'ECONNREFUSED',
      ),
    )
    app.release()
    t.match(await reply, { status: 200, text: 'done' })
    t.match(await ended, { code: 0, signal: null })
    t.comment(`${side}: drained in ${Math.round(performance.now() - started)} ms`)
    if (side === 'orders') t.match(await setting.send('/x'), { status: 503 }, 'the caller is told at once')
  })
}

t.test('SIGTERM: what is not finished when the time is over is cut', async (t) => {
  const { app, orders, send } = await start(t, { sidecars: ['--drain-timeout-ms', '1s'] })
  const reply = send('/held').then(
    ({ status }) => status,
    () => 0,
  )
  await until('the request is at the application', () => app.held.length === 1)
  const aborted = once(app.held[0]!, 'close')
  const started = performance.now()
  t.match(await orders.stop('SIGTERM'), { code: 0 })
  const took = performance.now() - started
  t.ok(took > 900 && took < 3000, `cut after ${Math.round(took)} ms`)
  await aborted
  t.not(await reply, 200)
})

t.test('a sidecar that is there before the control server waits for it', async (t) => {
  const app = await startApp(t)
  const mesh = await startMesh(t)
  await mesh.apply(ordersResources(app.port))
  const [webToken, ordersToken, lateToken] = await Promise.all(['web', 'orders', 'web'].map((name) => mesh.token(name)))
  const { grpc } = mesh.control
  const orders = await mesh.crash(async () => {
    const port = await freePort()
    const serving = ['--inbound', `127.0.0.1:0=127.0.0.1:${app.port}`, '--outbound', '', '--admin', `127.0.0.1:${port}`]
    const orders = beginSidecar(t, grpc, ordersToken!, serving)
    await orders.line(/no identity yet/)
    t.match(await ask({ host: '127.0.0.1', port }, '/ready'), { status: 503, text: /no identity yet/ })

    const stopped = beginSidecar(t, grpc, lateToken!, ['--outbound', '127.0.0.1:0'])
    await stopped.line(/no identity yet/)
    t.match(await stopped.stop('SIGTERM'), { code: 130 }, 'and can be stopped while it waits')
    return orders
  })
  const ready = await readySidecar(orders)
  const web = await readySidecar(beginSidecar(t, grpc, webToken!, ['--outbound', '127.0.0.1:0']))
  await knowsEndpoints(web, 1)
  t.equal((await sendToOrders(web, '/x')).status, 200)
  t.equal(await readiness(ready), 200)
})

/** Everything that the control server must not forget. */
async function state(mesh: TestMesh): Promise<object> {
  const { admin } = mesh
  const [{ resources }, { tokens }, { sidecars }, { revision, rootFingerprint }] = await Promise.all([
    admin.list({}),
    admin.listTokens({}),
    admin.listSidecars({}),
    admin.getStatus({}),
  ])
  return {
    resources,
    tokens,
    revision,
    rootFingerprint,
    sidecars: sidecars.map(({ sidecarId, spiffeId, state, appliedRevision, listeners }) => ({
      sidecarId,
      spiffeId,
      state,
      appliedRevision,
      listeners,
    })),
  }
}

t.test('the control server is killed under load and started again: nothing fails, nothing is forgotten', async (t) => {
  const { mesh, web, app } = await start(t)
  const unused = await mesh.token('orders')
  await until('both sidecars are in sync', () => inSync(mesh, 2))
  const before = await state(mesh)
  const { requests, failures } = await load(web, '/x', async () => {
    for (let round = 0; round < 3; round += 1) {
      await mesh.crash(() => until('the stream is down', async () => !(await isConnected(web))))
      await until('both sidecars are back', () => inSync(mesh, 2))
    }
  })
  t.comment(`${requests} requests while the control server was killed three times`)
  t.same(failures, {})
  t.ok(requests > 100)
  t.same(await state(mesh), before)
  const second = ['--inbound', `127.0.0.1:0=127.0.0.1:${app.port}`, '--outbound', '']
  await readySidecar(beginSidecar(t, mesh.control.grpc, unused, second))
  await knowsEndpoints(web, 2)
})

async function isConnected({ admin }: SidecarProcess): Promise<boolean> {
  return (await ask(admin, '/metrics')).text.includes('\noutrider_control_connected 1\n')
}

async function inSync(mesh: TestMesh, count: number): Promise<boolean> {
  const { sidecars } = await mesh.admin.listSidecars({})
  return sidecars.length === count && sidecars.every(({ state }) => state === 'STATE_SYNCED')
}

t.test('killed while it writes: what was acknowledged is there', async (t) => {
  const mesh = await startMesh(t)
  let acknowledged = 0
  const writing = (async () => {
    for (;;) {
      const document = resource('Workload', `w${acknowledged}`, { spiffeId: `spiffe://system.test/w${acknowledged}` })
      await mesh.admin.apply({ documents: [document] })
      acknowledged += 1
    }
  })().catch(() => {})
  await until('fifty writes', () => acknowledged >= 50)
  await mesh.crash(() => writing)
  const { resources } = await mesh.admin.list({ kind: 'Workload' })
  t.ok(
    resources.length === acknowledged || resources.length === acknowledged + 1,
    `${resources.length} of ${acknowledged}`,
  )
})

t.test('certificates are renewed under load', async (t) => {
  const { web, orders, send } = await start(t, { control: ['--svid-ttl-ms', '10s'] })
  const seen = [new Set<string>(), new Set<string>()]
  const { requests, failures } = await load(web, '/x', async () => {
    await until(
      'three renewals of both sides',
      async () => {
        const serials = await Promise.all([svidSerial(web), svidSerial(orders)])
        for (const [index, serial] of serials.entries()) seen[index]!.add(serial)
        return seen.every(({ size }) => size >= 4)
      },
      60_000,
    )
  })
  t.comment(`${requests} requests, certificates: ${seen.map(({ size }) => size).join(' and ')}`)
  t.same(failures, {})
  t.equal((await send('/x')).status, 200)
})

t.test('a policy changes under load: in force within a second, and nothing else fails', async (t) => {
  const { mesh, web, send } = await start(t)
  const times: number[] = []
  const { requests, failures } = await load(web, '/always', async () => {
    for (let round = 0; round < 10; round += 1) {
      const status = round % 2 === 0 ? 403 : 200
      const paths = status === 403 ? ['/always'] : ['/always', '/sometimes']
      const started = performance.now()
      await mesh.admin.apply({ documents: [ordersPolicy({ paths })] })
      await until(`${status}`, async () => (await send('/sometimes')).status === status)
      times.push(Math.round(performance.now() - started))
      for (let again = 0; again < 20; again += 1) {
        const { status: now } = await send('/sometimes')
        if (now !== status) t.fail(`${now} after ${status}`)
      }
    }
  })
  t.comment(`${requests} requests; from apply to enforcement ${times.join(', ')} ms`)
  t.same(failures, {})
  t.ok(Math.max(...times) < 1000, `${Math.max(...times)} ms`)
})
