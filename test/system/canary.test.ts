// Four sidecars of one workload under real requests: a change goes to one of them first.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { startApp } from '../fixtures/app.ts'
import {
  ask,
  beginSidecar,
  knowsEndpoints,
  load,
  ordersResources,
  readySidecar,
  resource,
  type SidecarProcess,
  startMesh,
  type TestMesh,
} from '../fixtures/mesh.ts'
import { launcher, startProgram, temporaryFolder, until } from '../fixtures/process.ts'
import { sumOf } from '../fixtures/sidecar.ts'

const SIDECARS = 4
const DENY = { workloads: ['orders'], action: 'DENY', rules: [{ name: 'all', to: [{ paths: ['/list'] }] }] }
const HARMLESS = { ...DENY, rules: [{ name: 'secrets', to: [{ paths: ['/secrets/{**}'] }] }] }

interface Bench {
  readonly mesh: TestMesh
  readonly web: SidecarProcess
  readonly orders: readonly SidecarProcess[]
  /** Applies `spec` as the policy `change` with these options. */
  readonly canary: (spec: object, ...options: readonly string[]) => ReturnType<TestMesh['command']>
}

async function setUp(t: Test): Promise<Bench> {
  const app = await startApp(t)
  const mesh = await startMesh(t)
  await mesh.apply(ordersResources(app.address.port))
  const orders = await Promise.all(
    Array.from({ length: SIDECARS }, async (_, index) =>
      readySidecar(
        beginSidecar(t, mesh.control.grpc, await mesh.token('orders'), [
          '--sidecar-id',
          `orders-${index}`,
          '--outbound',
          '',
          '--inbound',
          `127.0.0.1:0=127.0.0.1:${app.address.port}`,
          // What threads have counted is reported as well.
          '--workers',
          index < 2 ? '2' : '1',
        ]),
      ),
    ),
  )
  const web = await mesh.sidecar('web', ['--outbound', '127.0.0.1:0'])
  await knowsEndpoints(web, SIDECARS)
  return {
    mesh,
    web,
    orders,
    canary: (spec, ...options) =>
      mesh.command(
        ['apply', '-f', '-', '--canary', '25%', '--watch', '6s', ...options],
        resource('AuthorizationPolicy', 'change', spec),
      ),
  }
}

/** Requests that each of the sidecars has denied by a rule. */
function denials(orders: readonly SidecarProcess[]): Promise<number[]> {
  return Promise.all(
    orders.map(async ({ admin }) =>
      sumOf((await ask(admin, '/metrics')).text, 'outrider_requests_total', { refusal: 'denied-by-rule' }),
    ),
  )
}

async function hasChange({ admin }: SidecarProcess): Promise<boolean> {
  const { resources } = JSON.parse((await ask(admin, '/policy')).text)
  const all: readonly { metadata?: { name?: string } }[] = resources
  return all.some(({ metadata }) => metadata?.name === 'change')
}

async function having(orders: readonly SidecarProcess[]): Promise<number> {
  return (await Promise.all(orders.map(hasChange))).filter(Boolean).length
}

t.test('a policy that denies real requests is taken back by itself; a harmless one is stored', async (t) => {
  const { mesh, web, orders, canary } = await setUp(t)
  let taken: Awaited<ReturnType<typeof canary>> | undefined
  const { requests, failures } = await load(web, '/list', async () => {
    taken = await canary(DENY)
  })
  const { code, stderr } = taken!
  t.equal(code, 7, stderr)
  t.match(stderr, /canary \d+: sidecars that have it first: 1\n/)
  t.match(stderr, /\d+ of \d+ requests denied \(.*\) \(canary-denials\)\n/)
  t.match(stderr, /rolled back: nothing was stored, and the canaries run what is stored\n/)
  const denied = await denials(orders)
  t.equal(denied.filter((count) => count > 0).length, 1, 'one sidecar has denied requests, the others none')
  console.log(
    `note: of ${requests} requests ${denied.reduce((a, b) => a + b)} were denied; ${JSON.stringify(failures)}`,
  )
  t.equal(await having(orders), 0)
  t.match(await mesh.command(['get', 'AuthorizationPolicy', 'change']), { code: 4 })

  const calm = await load(web, '/list', async () => {
    taken = await canary(HARMLESS)
  })
  t.equal(taken!.code, 0, taken!.stderr)
  t.match(taken!.stderr, /promoted: revision \d+, for all sidecars\n/)
  t.match(taken!.stdout, /AuthorizationPolicy +default +change +created/)
  t.same(calm.failures, {})
  t.match(await mesh.command(['status', '--wait', '10s']), { code: 0, stdout: /synced 5\n/ })
  t.equal(await having(orders), SIDECARS)
  t.same(await denials(orders), denied)
})

t.test('without requests, interrupted, or with a control server that dies: the change is gone', async (t) => {
  const { mesh, orders, canary } = await setUp(t)
  const quiet = await canary(HARMLESS)
  t.match(quiet, { code: 7, stderr: /0 requests at the canaries.*\(canary-quiet\)/ })
  t.equal(await having(orders), 0)

  const file = join(temporaryFolder(t), 'change.yaml')
  writeFileSync(file, resource('AuthorizationPolicy', 'change', HARMLESS))
  const args = ['apply', '-f', file, '--canary', '25%', '--watch', '10m', '--socket', mesh.control.socket]
  const begin = async (): Promise<ReturnType<typeof startProgram>> => {
    const program = startProgram(t, process.execPath, [launcher, ...args])
    await until('one has it', async () => (await having(orders)) === 1, 40_000)
    return program
  }
  const interrupted = await begin()
  t.match(await mesh.command(['apply', '-f', file]), { code: 6, stderr: /canary-running/ })
  t.match(await mesh.command(['status']), { code: 0, stdout: /orders-\d .*\(canary\)/ })
  await interrupted.stop('SIGINT')
  t.match(await interrupted.ended, { code: 130, stderr: /interrupted \(canary-aborted\)\nrolled back/ })
  await until('nobody has it', async () => (await having(orders)) === 0)

  await begin()
  await mesh.crash(async () => {
    t.equal(await having(orders), 1, 'while there is no control server a sidecar keeps what it has')
  })
  await until('nobody has it', async () => (await having(orders)) === 0)
  t.match(await mesh.command(['get', 'AuthorizationPolicy', 'change']), { code: 4 })
})
