import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { loadSidecarConfig } from '../../../src/config/sidecar.ts'
import { systemClock } from '../../../src/lib/clock.ts'
import { type Sidecar, startSidecar } from '../../../src/sidecar/sidecar.ts'
import { createLogger } from '../../../src/telemetry/log.ts'
import { startApp } from '../../fixtures/app.ts'
import {
  allow,
  document,
  service,
  startTestControl,
  temporaryFolder,
  type TestControl,
  workload,
} from '../../fixtures/control.ts'
import { checkLeaks } from '../../fixtures/leaks.ts'
import { ask } from '../../fixtures/mesh.ts'
import { until } from '../../fixtures/process.ts'
import { send, sumOf } from '../../fixtures/sidecar.ts'

checkLeaks(t)

interface Running extends Sidecar {
  readonly lines: readonly Readonly<Record<string, unknown>>[]
  page(path: string): Promise<Record<string, unknown>>
  stop(): Promise<void>
}

interface Start {
  readonly stateDir: string
  readonly token?: string
  readonly flags?: Readonly<Record<string, string>>
  readonly signal?: AbortSignal
  readonly onLine?: (line: string) => void
}

/** A sidecar of this process that is ready. */
async function start(
  t: Test,
  control: string,
  { stateDir, token, flags = {}, signal, onLine }: Start,
): Promise<Running> {
  const lines: Readonly<Record<string, unknown>>[] = []
  const sink = {
    write: (line: string): void => {
      lines.push(JSON.parse(line))
      onLine?.(line)
    },
  }
  const config = loadSidecarConfig({
    env: { OUTRIDER_SIDECAR_ID: 'one', ...(token === undefined ? {} : { OUTRIDER_JOIN_TOKEN: token }) },
    flags: {
      'control-address': control,
      admin: '127.0.0.1:0',
      outbound: '127.0.0.1:0',
      'state-dir': stateDir,
      'last-good-wait-ms': '50',
      'access-log': 'off',
      ...flags,
    },
  })
  const log = createLogger({ name: 'sidecar', level: 'info', clock: systemClock, sink })
  const sidecar = await startSidecar({
    config,
    clock: systemClock,
    random: () => 0.5,
    log,
    programVersion: '0',
    signal: signal ?? new AbortController().signal,
  })
  let stopped = false
  const stop = async (): Promise<void> => {
    if (!stopped) await sidecar.drain()
    stopped = true
  }
  t.teardown(stop)
  return { ...sidecar, lines, page: async (path) => JSON.parse((await ask(sidecar.admin, path)).text), stop }
}

/** `web` may call `orders` but for `/admin`. */
async function mesh(t: Test, appPort: number): Promise<TestControl> {
  const control = await startTestControl(t)
  await control.apply(
    workload('web'),
    workload('orders'),
    service('orders', { ports: [{ port: 80, targetPort: appPort }] }),
    allow('all'),
    document('AuthorizationPolicy', 'admin', { action: 'DENY', rules: [{ to: [{ paths: ['/admin'] }] }] }),
  )
  return control
}

async function statusOf(web: Running, path: string): Promise<number> {
  return (await send(web.outbound!, { path, headers: { host: 'orders' } })).status
}

for (const workers of ['1', '2']) {
  t.test(`both ends start without a control server (workers: ${workers})`, async (t) => {
    const app = await startApp(t)
    const control = await mesh(t, app.address.port)
    const address = control.server.grpcAddress
    const folder = temporaryFolder(t)
    const [webDir, ordersDir] = [join(folder, 'web'), join(folder, 'orders')]
    const inbound = { inbound: `127.0.0.1:0=127.0.0.1:${app.address.port}`, outbound: '', workers }
    let orders = await start(t, address, { stateDir: ordersDir, token: await control.token('orders'), flags: inbound })
    let web = await start(t, address, { stateDir: webDir, token: await control.token('web'), flags: { workers } })
    // The endpoint of `orders` has to be in what is kept.
    const endpoint = `127.0.0.1:${orders.inbound[0]!.port}`
    control.clock.advance(30_000)
    await until('web knows the endpoint', async () =>
      JSON.stringify(await web.page('/policy')).includes(`"port":${orders.inbound[0]!.port}`),
    )
    t.equal(await statusOf(web, '/x'), 200)
    t.match(await web.page('/policy'), { source: 'control', connected: true, ageSeconds: 0, until: null })
    const { svid } = await web.page('/certs')
    await Promise.all([web.stop(), orders.stop()])
    t.same(readdirSync(webDir).toSorted(), ['identity.json', 'lock', 'policy.sealed', 'policy.seen'])
    await control.close()

    orders = await start(t, address, {
      stateDir: ordersDir,
      flags: { ...inbound, inbound: `${endpoint}=127.0.0.1:${app.address.port}` },
    })
    web = await start(t, address, { stateDir: webDir, flags: { workers } })
    t.equal(await statusOf(web, '/x'), 200, 'over mutual TLS with the identities of before')
    t.equal(await statusOf(web, '/admin'), 403)
    t.same(await web.page('/certs').then((page) => page['svid']), svid)
    t.match(await web.page('/policy'), { source: 'last-good', connected: false, expired: false, until: /^20/ })
    t.equal((await ask(web.admin, '/ready')).status, 200)
    const { text } = await ask(web.admin, '/metrics')
    t.equal(sumOf(text, 'outrider_policy_source', { source: 'last-good' }), 1)
    t.ok(sumOf(text, 'outrider_policy_age_seconds', {}) > 0)
    t.ok(web.lines.some(({ message }) => String(message).includes('identity of the last run')))

    await control.close()
    const back = await startTestControl(t, { data: control.data, listen: address })
    await until(
      'the control server has taken over',
      async () => (await web.page('/policy'))['source'] === 'control',
      20_000,
    )
    await until('the SVID is renewed', async () => (await web.page('/certs'))['svid'] !== svid)
    t.ok(web.lines.some(({ message }) => String(message).includes('has taken over')))
    await Promise.all([web.stop(), orders.stop()])
    await back.close()
  })
}

t.test('a copy that is damaged closes, and a folder has one sidecar', async (t) => {
  const control = await mesh(t, 8080)
  const address = control.server.grpcAddress
  const stateDir = join(temporaryFolder(t), 'state')
  const web = await start(t, address, { stateDir, token: await control.token('web') })
  await t.rejects(start(t, address, { stateDir }), { code: 'data-folder-in-use', message: /another sidecar/ })
  await web.stop()
  await control.close()
  const path = join(stateDir, 'policy.sealed')
  const bytes = readFileSync(path)
  bytes[bytes.length - 30]! ^= 1
  writeFileSync(path, bytes)
  // It waits for the control server, and has no port open but that of the administrator.
  const stopping = new AbortController()
  const onLine = (line: string): void => {
    if (line.includes('last-good-tampered')) stopping.abort(new Error('told'))
  }
  await t.rejects(start(t, address, { stateDir, signal: stopping.signal, onLine }), { message: 'told' })
})

t.test('an identity that is not wanted is left aside', async (t) => {
  const control = await mesh(t, 8080)
  const address = control.server.grpcAddress
  const stateDir = join(temporaryFolder(t), 'state')
  const web = await start(t, address, { stateDir, token: await control.token('web') })
  const idOf = async (sidecar: Running): Promise<unknown> => JSON.stringify((await sidecar.page('/certs'))['svid'])
  t.match(await idOf(web), /sa\/web/)
  await web.stop()
  await t.rejects(start(t, address, { stateDir, flags: { 'spiffe-id': 'spiffe://test.local/ns/default/sa/orders' } }), {
    code: 'join-token-missing',
  })
  const orders = await start(t, address, { stateDir, token: await control.token('orders') })
  t.match(await idOf(orders), /sa\/orders/, 'the token says who this is')
  t.ok(orders.lines.some(({ error }) => JSON.stringify(error ?? '').includes('svid-id-unexpected')))
  await orders.stop()

  // A mesh that was set up anew at the same place: the token of it counts, and the identity of the old one does not.
  await control.close()
  const anew = await startTestControl(t, { listen: address })
  await anew.apply(workload('orders'))
  const joined = await start(t, address, { stateDir, token: await anew.token('orders') })
  t.match(await joined.page('/policy'), { source: 'control' })
  await joined.stop()
})

t.test(
  'a control server that was restored from an older copy: who runs refuses it, who starts follows it',
  async (t) => {
    const control = await mesh(t, 8080)
    const address = control.server.grpcAddress
    const stateDir = join(temporaryFolder(t), 'state')
    const token = await control.token('web')
    await control.close()
    const backup = join(temporaryFolder(t), 'data')
    execFileSync('cp', ['-a', control.data, backup])

    const second = await startTestControl(t, { data: control.data, listen: address })
    const revision = await second.apply(workload('web', { upstreams: ['default/orders'] }))
    const web = await start(t, address, { stateDir, token })
    t.match(await web.page('/policy'), { revision })
    await web.stop()
    await second.close()

    const running = await start(t, address, { stateDir })
    t.match(await running.page('/policy'), { revision, source: 'last-good' })
    const restored = await startTestControl(t, { data: backup, listen: address })
    await until('refused', () => running.lines.some(({ message }) => String(message).includes('it is older')), 20_000)
    t.match(await running.page('/policy'), { revision, source: 'last-good', connected: false })
    await running.stop()

    const started = await start(t, address, { stateDir, flags: { 'last-good-wait-ms': '1m' } })
    t.match(await started.page('/policy'), { revision: revision - 1, source: 'control' })
    await started.stop()
    await restored.close()
  },
)
