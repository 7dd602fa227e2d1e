import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { formatAddress } from '../../src/lib/address.ts'
import { IdentityFile } from '../../src/sidecar/last-good/identity-file.ts'
import { PolicyFile } from '../../src/sidecar/last-good/policy-file.ts'
import { decodeResources, SentMessages } from '../../src/sidecar/last-good/resources.ts'
import { sealingIdentity } from '../../src/sidecar/last-good/sealed.ts'
import { startApp } from '../fixtures/app.ts'
import { checkLeaks } from '../fixtures/leaks.ts'
import {
  ask,
  knowsEndpoints,
  ordersResources,
  readySidecar,
  resource,
  sendToOrders,
  type SidecarProcess,
  startMesh,
  svidSerial,
} from '../fixtures/mesh.ts'
import { freePort } from '../fixtures/web-server.ts'
import { launcher, outrider, type Program, startProgram, temporaryFolder, until } from '../fixtures/process.ts'

checkLeaks(t)

/** A mesh whose control server is gone for good: killed, its disk wiped, nobody at its address. */
interface Lost {
  readonly serials: Readonly<Record<'web' | 'orders', string>>
  folder(name: 'web' | 'orders'): string
  /** Starts a sidecar without a token, and without waiting for it. */
  begin(name: 'web' | 'orders', ...flags: readonly string[]): Program
}

/** What is in the copy on disk. */
function kept(folder: string): ReturnType<typeof decodeResources> {
  const svid = new IdentityFile(folder).read(Date.now())?.svid
  const copy = svid && new PolicyFile(folder, new SentMessages()).read(sealingIdentity(svid), () => {})
  return copy === undefined ? [] : decodeResources(copy.body)
}

async function lose(t: Test, more: readonly string[] = []): Promise<Lost> {
  const app = await startApp(t)
  const root = temporaryFolder(t)
  const folder = (name: string): string => join(root, name)
  const mesh = await startMesh(t)
  const rule = { name: 'admin', to: [{ paths: ['/admin'] }] }
  await mesh.apply(
    [
      ordersResources(app.address.port),
      resource('AuthorizationPolicy', 'no-admin', { workloads: ['orders'], action: 'DENY', rules: [rule] }),
    ].join('\n---\n'),
  )
  const { grpc } = mesh.control
  const own = {
    web: ['--state-dir', folder('web'), '--outbound', '127.0.0.1:0', ...more],
    orders: ['--state-dir', folder('orders'), '--outbound', '', ...more],
  }
  const inbound = (listen: string): string[] => ['--inbound', `${listen}=127.0.0.1:${app.address.port}`]
  const [web, orders] = await Promise.all([
    mesh.sidecar('web', own.web),
    mesh.sidecar('orders', [...own.orders, ...inbound('127.0.0.1:0')]),
  ])
  const listen = formatAddress(orders.inbound[0]!)
  await knowsEndpoints(web, 1)
  t.equal((await sendToOrders(web, '/x')).status, 200)
  await until('the endpoint is on disk', () =>
    kept(folder('web')).some(({ service }) => service?.endpoints.length === 1),
  )
  await until('the policy of orders is on disk', () => kept(folder('orders')).length >= 3)
  const serials = { web: await svidSerial(web), orders: await svidSerial(orders) }

  await mesh.control.stop('SIGKILL')
  rmSync(mesh.data, { recursive: true })
  await Promise.all([web.stop('SIGKILL'), orders.stop('SIGKILL')])
  return {
    serials,
    folder,
    begin: (name, ...flags) =>
      startProgram(t, process.execPath, [
        launcher,
        'sidecar',
        '--control-address',
        grpc,
        '--sidecar-id',
        name,
        '--last-good-wait-ms',
        '300ms',
        ...own[name],
        ...(name === 'orders' ? inbound(listen) : []),
        ...(flags.includes('--admin') ? [] : ['--admin', '127.0.0.1:0']),
        ...flags,
      ]),
  }
}

async function page({ admin }: SidecarProcess, path = '/policy'): Promise<Record<string, unknown>> {
  return JSON.parse((await ask(admin, path)).text)
}

async function status(t: Test, { admin }: SidecarProcess): Promise<string> {
  const { code, stdout, stderr } = await outrider(t, ['sidecar', 'status', '--admin', formatAddress(admin)])
  if (code !== 0) throw new Error(stderr)
  return stdout
}

t.test('control server killed and its disk lost, sidecars killed: they start again and serve', async (t) => {
  const lost = await lose(t)
  const started = performance.now()
  const [web, orders] = await Promise.all([readySidecar(lost.begin('web')), readySidecar(lost.begin('orders'))])
  t.comment(`both ready after ${Math.round(performance.now() - started)} ms, 300 of them given to the control server`)
  t.equal((await sendToOrders(web, '/x')).status, 200, 'by mutual TLS')
  t.equal((await sendToOrders(web, '/admin')).status, 403, 'DENY denies')
  t.equal((await sendToOrders(web, '/x', { method: 'POST' })).status, 403, 'what was not allowed is not')
  t.same(
    { web: await svidSerial(web), orders: await svidSerial(orders) },
    lost.serials,
    'with the identities of before',
  )
  for (const sidecar of [web, orders]) {
    t.match(await page(sidecar), {
      source: 'last-good',
      connected: false,
      expired: false,
      ageSeconds: Number,
      until: String,
    })
    t.equal((await ask(sidecar.admin, '/ready')).status, 200)
  }
  const text = await status(t, orders)
  t.match(text, /^state: ready\ncontrol server: away\nsource: last-good, age \d+\w*, until 20/)
  t.comment(text.trim().replaceAll('\n', '; '))
  t.match(orders.stderr, /the last-good one is in force/)

  // Again, from a start that never saw the control server.
  await orders.stop('SIGKILL')
  await readySidecar(lost.begin('orders'))
  await until('served again', async () => (await sendToOrders(web, '/x')).status === 200)
})

t.test('a copy that was tampered with, or is too old, closes', async (t) => {
  const lost = await lose(t)
  const web = await readySidecar(lost.begin('web'))
  const path = join(lost.folder('orders'), 'policy.sealed')
  const whole = readFileSync(path)
  const port = await freePort()
  const cases: readonly (readonly [code: string, flags: readonly string[], damage: () => void])[] = [
    ['last-good-tampered', [], () => writeFileSync(path, flipped(whole, whole.length - 100))],
    ['last-good-truncated', [], () => writeFileSync(path, whole.subarray(0, whole.length / 2 + 200))],
    ['last-good-missing', [], () => rmSync(path)],
    ['last-good-too-old', ['--last-good-max-age-ms', '1ms'], () => writeFileSync(path, whole, { mode: 0o600 })],
  ]
  for (const [code, flags, damage] of cases) {
    damage()
    const orders = lost.begin('orders', '--admin', `127.0.0.1:${port}`, ...flags)
    await orders.line(/the last-good policy is not used/)
    const ready = await ask({ host: '127.0.0.1', port }, '/ready')
    t.match(ready, { status: 503, text: new RegExp(code) })
    t.match(orders.stderr, new RegExp(`"code":"${code}"`))
    t.not((await sendToOrders(web, '/x')).status, 200, 'nobody listens')
    await orders.stop('SIGKILL')
  }
  const orders = await readySidecar(lost.begin('orders'))
  await until('whole again', async () => (await sendToOrders(web, '/x')).status === 200)
  await orders.stop('SIGKILL')
})

t.test('it becomes too old while it is in force: nothing is allowed from then on', async (t) => {
  const lost = await lose(t)
  const web = await readySidecar(lost.begin('web'))
  const seenAt = Date.parse(String((await page(web))['syncedAt']))
  const maxAgeMs = Date.now() - seenAt + 8_000
  const orders = await readySidecar(lost.begin('orders', '--last-good-max-age-ms', String(maxAgeMs)))
  t.equal((await sendToOrders(web, '/x')).status, 200)
  await until('refused', async () => (await sendToOrders(web, '/x')).status === 503)
  t.match(await ask(orders.admin, '/ready'), { status: 503, text: /last-good-too-old/ })
  t.match(await page(orders), { source: 'last-good', expired: true, closed: { code: 'policy-missing' } })
  t.match(await status(t, orders), /over since/)
  t.match(orders.stderr, /"code":"last-good-too-old".*nothing is allowed/)
})

function flipped(bytes: Buffer, at: number): Buffer {
  const changed = Buffer.from(bytes)
  changed[at]! ^= 1
  return changed
}
