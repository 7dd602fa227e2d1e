import { globSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { startApp } from '../fixtures/app.ts'
import { makeTestCa } from '../fixtures/ca.ts'
import { claimsOf, clusterKey, ISSUER, tokenOf } from '../fixtures/kubernetes.ts'
import { checkLeaks } from '../fixtures/leaks.ts'
import {
  ask,
  idOf,
  knowsEndpoints,
  ordersPolicy,
  ordersResources,
  readySidecar,
  resource,
  sendToOrders,
  type SidecarProcess,
  startMesh,
  startPair,
  svidSerial,
  type TestMesh,
} from '../fixtures/mesh.ts'
import { launcher, type Program, startProgram, temporaryFolder, until } from '../fixtures/process.ts'

checkLeaks(t)

/** What the sidecars may take once the control server is back. */
const RECOVERY_MS = 10_000

async function isExpired({ admin }: SidecarProcess): Promise<boolean> {
  const { svid } = JSON.parse((await ask(admin, '/certs')).text)
  return Date.parse(svid.notAfter) < Date.now()
}

/** How often a certificate was not renewed at 80 % of its lifetime, and at its end. */
async function alarms({ admin }: SidecarProcess): Promise<readonly (string | undefined)[]> {
  const { text } = await ask(admin, '/metrics')
  return ['overdue', 'expired'].map((alarm) => new RegExp(`svid_alarms_total{alarm="${alarm}"} (\\d+)`).exec(text)?.[1])
}

/** Flags, written as on a command line; no value has a space in it. */
function flags(text: string): string[] {
  return text.trim().split(/\s+/)
}

/** Kills the control server until the SVIDs have expired, and some time more; then everything must go again by itself. */
async function outage(
  t: Test,
  mesh: TestMesh,
  { web, orders }: Record<'web' | 'orders', SidecarProcess>,
  ttlMs: number,
): Promise<void> {
  t.equal((await sendToOrders(web, '/x')).status, 200)
  const serials = [await svidSerial(web), await svidSerial(orders)]
  const down = performance.now()
  await mesh.crash(async () => {
    t.equal((await sendToOrders(web, '/x')).status, 200, 'without the control server all goes on at first')
    await until('both SVIDs have expired', async () => (await isExpired(web)) && (await isExpired(orders)), 3 * ttlMs)
    for (const sidecar of [web, orders]) {
      await until('the alarms', async () => (await alarms(sidecar)).join() === '1,1')
    }
    const statuses = new Set<number>()
    const longer = async (): Promise<boolean> => {
      statuses.add((await sendToOrders(web, '/x')).status)
      return performance.now() - down > 1.5 * ttlMs
    }
    await until('away for longer than an SVID lives', longer, 2 * ttlMs)
    t.notOk(statuses.has(200), `refused while expired: ${[...statuses].join(', ')}`)
  })
  const back = performance.now()
  const took = await until(
    'requests are served again',
    async () => (await sendToOrders(web, '/x')).status === 200,
    20_000,
  )
  t.comment(`away for ${Math.round(back - down)} ms; served again after ${took} ms`)
  t.ok(took < RECOVERY_MS, `${took} ms`)
  t.not(await svidSerial(web), serials[0])
  t.not(await svidSerial(orders), serials[1])
  t.match(web.stderr, /SVID has expired/)
}

t.test('with join tokens, which were used up', async (t) => {
  const app = await startApp(t)
  const ttlMs = 30_000
  const mesh = await startMesh(t, ['--svid-ttl-ms', String(ttlMs)])
  await mesh.apply(ordersResources(app.address.port))
  const { web, orders } = await startPair(mesh, app.address.port)
  await outage(t, mesh, { web, orders }, ttlMs)
  const audit = readFileSync(join(mesh.data, 'audit.log'), 'utf8')
  t.match(audit, /"how":"renew-expired"/)
})

/** Starts a sidecar with evidence in place of a join token. */
function evidenceSidecar(t: Test, mesh: TestMesh, name: string, more: string): Program {
  const [root] = globSync(join(mesh.data, 'ca', '*', 'root.pem'))
  return startProgram(t, process.execPath, [
    launcher,
    'sidecar',
    ...flags(`--control-address ${mesh.control.grpc} --trust-bundle-file ${root} --admin 127.0.0.1:0`),
    ...flags(`--sidecar-id ${name} --spiffe-id ${idOf(name)} --outbound 127.0.0.1:0 ${more}`),
  ])
}

t.test('with evidence that can be shown again, and no renewal of what has expired', async (t) => {
  const app = await startApp(t)
  const folder = temporaryFolder(t)
  const file = (name: string, text: string): string => {
    const path = join(folder, name)
    writeFileSync(path, text)
    return path
  }
  const key = clusterKey('RS256', 'one')
  const machines = makeTestCa('machines.test')
  const machine = machines.intermediate().issue('/m', { uris: [], dnsNames: ['host-1.example.org'] })
  const jwks = file('jwks.json', JSON.stringify({ keys: [key.jwk] }))
  const roots = file('roots.pem', machines.pem)
  const ttlMs = 10_000
  const mesh = await startMesh(t, [
    ...flags(`--svid-ttl-ms ${ttlMs}`),
    ...flags('--expired-renewal-ms 0 --kubernetes jwks'),
    ...flags(`--kubernetes-issuer ${ISSUER} --kubernetes-jwks ${jwks} --x509-roots ${roots}`),
  ])
  await mesh.apply(
    [
      resource('Workload', 'web', { spiffeId: idOf('web'), selectors: ['k8s:ns:shop', 'k8s:sa:web'] }),
      resource('Workload', 'orders', { spiffeId: idOf('orders'), selectors: ['x509:dns:host-1.example.org'] }),
      resource('Service', 'orders', { ports: [{ port: 80, targetPort: app.address.port }], workloads: ['orders'] }),
      ordersPolicy({}),
    ].join('\n---\n'),
  )
  const token = file('token', `${tokenOf(key, claimsOf('shop', 'web', Date.now()))}\n`)
  const [cert, privateKey] = [file('m.pem', machine.chainPem), file('m.key', machine.keyPem)]
  const inbound = `127.0.0.1:0=127.0.0.1:${app.address.port}`
  const [web, orders] = await Promise.all([
    readySidecar(evidenceSidecar(t, mesh, 'web', `--attestation kubernetes --kubernetes-token-file ${token}`)),
    readySidecar(
      evidenceSidecar(
        t,
        mesh,
        'orders',
        `--attestation x509 --x509-cert-file ${cert} --x509-key-file ${privateKey} --inbound ${inbound}`,
      ),
    ),
  ])
  await knowsEndpoints(web, 1)
  await outage(t, mesh, { web, orders }, ttlMs)

  const stranger = clusterKey('RS256', 'one')
  const forged = file('forged', tokenOf(stranger, claimsOf('shop', 'web', Date.now())))
  const { code, stderr } = await evidenceSidecar(
    t,
    mesh,
    'web',
    `--attestation kubernetes --kubernetes-token-file ${forged}`,
  ).ended
  t.equal(code, 1)
  t.match(stderr, /attestation-refused/)
})
