import { Agent } from 'node:http'
import t, { type Test } from 'tap'
import { startApp } from '../fixtures/app.ts'
import { checkLeaks } from '../fixtures/leaks.ts'
import {
  ask,
  idOf,
  knowsEndpoints,
  resource,
  sendToOrders,
  type SidecarProcess,
  startMesh,
  type TestMesh,
} from '../fixtures/mesh.ts'

checkLeaks(t)

const PAIRS = 10
const names = (role: string): readonly string[] => Array.from({ length: PAIRS }, (_, index) => `${role}-${index}`)

/** Ten sidecars that call `orders`, and ten that serve it. */
async function startSidecars(
  t: Test,
  mesh: TestMesh,
): Promise<{ callers: SidecarProcess[]; servers: SidecarProcess[] }> {
  const app = await startApp(t, (_request, response) => response.end('ok'))
  const [callers, servers] = [names('web'), names('orders')]
  await mesh.apply(
    [
      ...[...callers, ...servers].map((name) => resource('Workload', name, { spiffeId: idOf(name) })),
      resource('Service', 'orders', { ports: [{ port: 80, targetPort: app.address.port }], workloads: servers }),
      resource('AuthorizationPolicy', 'orders', { workloads: servers, action: 'ALLOW', rules: [{}] }),
    ].join('\n---\n'),
  )
  const start = (name: string, flags: readonly string[]): Promise<SidecarProcess> => mesh.sidecar(name, flags)
  const serving: SidecarProcess[] = []
  for (const name of servers) {
    serving.push(await start(name, ['--inbound', `127.0.0.1:0=127.0.0.1:${app.address.port}`, '--outbound', '']))
  }
  const calling: SidecarProcess[] = []
  for (const name of callers) calling.push(await start(name, ['--outbound', '127.0.0.1:0']))
  await Promise.all(calling.map((web) => knowsEndpoints(web, PAIRS)))
  return { callers: calling, servers: serving }
}

/** Every caller sends one request after the other until it is told to stop. */
function load(callers: readonly SidecarProcess[]): { stop(): Promise<{ sent: number; failures: string[] }> } {
  const agent = new Agent({ keepAlive: true })
  const failures: string[] = []
  let sent = 0
  let stopped = false
  const all = callers.map(async (web) => {
    while (!stopped) {
      sent += 1
      const failure = await sendToOrders(web, '/', { agent }).then(
        ({ status, text }) => (status === 200 ? undefined : `${status} ${text}`),
        (error: Error) => error.message,
      )
      if (failure !== undefined) failures.push(failure)
    }
  })
  return {
    stop: async () => {
      stopped = true
      await Promise.all(all)
      agent.destroy()
      return { sent, failures }
    },
  }
}

interface Authority {
  readonly id: string
  readonly state: string
  readonly sidecars: number
  readonly connections: number
  readonly control: boolean
}

t.test('a root is replaced under load: nothing fails, nothing restarts, every step is proven', async (t) => {
  const mesh = await startMesh(t, ['--attest-burst', '100'])
  const { callers, servers } = await startSidecars(t, mesh)
  const everybody = [...callers, ...servers]
  const step = async (...args: string[]): Promise<readonly Authority[]> => {
    const { code, stdout, stderr } = await mesh.command(['ca', ...args, '-o', 'json'])
    t.equal(code, 0, `ca ${args.join(' ')}: ${stderr}`)
    const { authorities, sequence } = JSON.parse(stdout)
    for (const { id, state, sidecars, connections, control } of authorities) {
      console.log(
        `after ${args[0]}: bundle ${sequence}, ${id} ${state}: ${sidecars} sidecars, ${connections} connections${control ? ', control server' : ''}`,
      )
    }
    return authorities
  }
  const running = load(callers)
  t.teardown(() => running.stop())
  const [first] = await step('status')
  t.match(first, { state: 'active', sidecars: 2 * PAIRS, control: true })

  t.match(await step('prepare'), [{ state: 'active' }, { state: 'prepared', sidecars: 0, connections: 0 }])
  t.match(await step('activate', '--wait', '30s'), [{ state: 'retired', sidecars: 2 * PAIRS }, { state: 'active' }])
  const refused = await mesh.command(['ca', 'revoke'])
  t.not(refused.code, 0, 'a root that is not tainted is not revoked')
  t.match(await step('taint'), [
    { state: 'tainted', control: false },
    { state: 'active', control: true },
  ])
  const tooEarly = await mesh.command(['ca', 'revoke'])
  t.match(tooEarly, { stderr: /is what the SVIDs of \d+ sidecars .*ends at \(ca-in-use\)/ })
  t.match(await step('revoke', '--wait', '60s'), [{ state: 'active', sidecars: 2 * PAIRS }])

  // One more round of requests for each, with the old root gone.
  await Promise.all(callers.map((web) => sendToOrders(web, '/')))
  const { sent, failures } = await running.stop()
  console.log(`${sent} requests of ${PAIRS} callers, ${failures.length} failed`)
  t.same(failures, [])
  t.ok(sent > 20 * PAIRS)
  const { status } = await ask(everybody[0]!.admin, '/ready')
  t.equal(status, 200)
  const { sidecars } = await mesh.admin.listSidecars({})
  t.equal(sidecars.length, 2 * PAIRS)
  t.ok(sidecars.every(({ state }) => state === 'STATE_SYNCED'))
  for (const { pid } of everybody) t.doesNotThrow(() => process.kill(pid, 0), 'the very process that was started')
})
