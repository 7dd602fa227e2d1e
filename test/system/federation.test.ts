import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { request } from 'node:https'
import { join } from 'node:path'
import { connect } from 'node:tls'
import t, { type Test } from 'tap'
import { startApp } from '../fixtures/app.ts'
import { documentOf } from '../fixtures/bundle-endpoint.ts'
import { makeTestCa, type TestCa } from '../fixtures/ca.ts'
import { TestClock } from '../fixtures/clock.ts'
import { joinMesh } from '../fixtures/control.ts'
import { goProgram } from '../fixtures/foreign.ts'
import { checkLeaks } from '../fixtures/leaks.ts'
import { ask, idOf, resource, type SidecarProcess, startMesh, type TestMesh, TRUST_DOMAIN } from '../fixtures/mesh.ts'
import { type Ended, runProgram, startProgram, temporaryFolder, until } from '../fixtures/process.ts'
import { exchange, type Reply } from '../fixtures/sidecar.ts'

checkLeaks(t)

const PARTNER = 'partner.test'
const partnerId = (name: string): string => `spiffe://${PARTNER}/ns/default/sa/${name}`

/** A mesh whose root the test has too. */
async function startHome(t: Test): Promise<{ mesh: TestMesh; ca: TestCa }> {
  const ca = makeTestCa(TRUST_DOMAIN)
  const folder = temporaryFolder(t)
  const files = { certificates: join(folder, 'ca.pem'), key: join(folder, 'ca.key') }
  writeFileSync(files.certificates, ca.pem)
  writeFileSync(files.key, ca.privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 })
  const mesh = await startMesh(t, ['--ca-certificates-file', files.certificates, '--ca-key-file', files.key])
  return { mesh, ca }
}

async function startPartner(t: Test): Promise<{ mesh: TestMesh; endpoint: string }> {
  const mesh = await startMesh(t, ['--trust-domain', PARTNER, '--bundle-endpoint', '127.0.0.1:0'])
  const { bundleEndpoint }: { bundleEndpoint: string } = JSON.parse(await mesh.control.line(/"ready":"control"/))
  await mesh.apply(
    ['web', 'other'].map((name) => resource('Workload', name, { spiffeId: partnerId(name) })).join('\n---\n'),
  )
  return { mesh, endpoint: `https://${bundleEndpoint}/` }
}

interface Shown {
  readonly cert: string
  readonly key: string | Buffer
}

/** What a sidecar of the partner has to show. */
async function identityOf({ control, token }: TestMesh, workload: string): Promise<Shown> {
  const controlId = `spiffe://${PARTNER}/outrider/control`
  const joined = await joinMesh(control.grpc, await token(workload), new TestClock(Date.now()), controlId)
  joined.close()
  const { chainPem, privateKey } = joined.svid.current!
  return { cert: chainPem, key: privateKey.export({ type: 'pkcs8', format: 'pem' }) }
}

function call(to: SidecarProcess, identity: Shown, path: string): Promise<Reply> {
  const tls = { ...identity, rejectUnauthorized: false, servername: '' }
  return exchange(request, to.inbound[0]!, { path, headers: { host: 'orders' }, ...tls })
}

/** How many roots of the partner a sidecar believes. */
async function rootsIn({ admin }: SidecarProcess): Promise<number> {
  const { bundles } = JSON.parse((await ask(admin, '/certs')).text)
  const known: readonly { trustDomain: string; authorities: readonly unknown[] }[] = bundles
  return known.find(({ trustDomain }) => trustDomain === PARTNER)?.authorities.length ?? 0
}

t.test('a workload of one mesh calls a workload of another', async (t) => {
  const app = await startApp(t)
  const [{ mesh: home, ca }, { mesh: partner, endpoint }] = await Promise.all([startHome(t), startPartner(t)])
  const rule = {
    name: 'partner',
    from: [{ spiffeIds: [partnerId('web')] }],
    to: [{ methods: ['GET'], paths: ['/item'] }],
  }
  await home.apply(
    [
      resource('Workload', 'orders', { spiffeId: idOf('orders') }),
      resource('AuthorizationPolicy', 'orders', { workloads: ['orders'], action: 'ALLOW', rules: [rule] }),
    ].join('\n---\n'),
  )
  const orders = await home.sidecar('orders', [
    '--inbound',
    `127.0.0.1:0=127.0.0.1:${app.address.port}`,
    '--outbound',
    '',
  ])
  const web = await identityOf(partner, 'web')
  await t.rejects(call(orders, web, '/item'), 'a stranger before')

  const { stdout: bundle } = await partner.command(['bundle'])
  await home.apply(
    resource('TrustDomain', 'partner', {
      trustDomain: PARTNER,
      bundleEndpoint: { url: endpoint, profile: 'https_spiffe', spiffeId: `spiffe://${PARTNER}/outrider/control` },
      bundle: JSON.parse(bundle),
    }),
  )
  await until('the sidecar has the bundle', async () => (await rootsIn(orders)) === 1)
  t.match(await call(orders, web, '/item'), { status: 200, text: 'ok' })
  t.match(app.seen.at(-1)?.headers['x-forwarded-client-cert'], `URI=${partnerId('web')}`)
  t.match(await call(orders, web, '/other'), { status: 403 })
  t.match(await call(orders, await identityOf(partner, 'other'), '/item'), { status: 403 })
  const { chainPem: cert, keyPem: key } = ca.issue(partnerId('web'))
  await t.rejects(call(orders, { cert, key }, '/item'), 'our own root does not speak for the partner')
  await until('polled', async () => (await home.command(['status'])).stdout.includes('partner.test'))
  const { stdout } = await home.command(['status', '-o', 'json'])
  t.match(JSON.parse(stdout).control.federation, [{ trustDomain: PARTNER, believed: true, x509Authorities: 1 }])

  // The partner replaces its root. A restart of the control server stands for the next poll, which is minutes away.
  const step = async (...args: string[]): Promise<void> => {
    const { code, stderr } = await partner.command(['ca', ...args])
    t.equal(code, 0, stderr)
  }
  await step('prepare')
  await home.crash(async () => {})
  await until('the sidecar has both roots', async () => (await rootsIn(orders)) === 2)
  await step('activate')
  await step('taint')
  await step('revoke', '--force')
  const fresh = await identityOf(partner, 'web')
  t.match(await call(orders, fresh, '/item'), { status: 200 }, 'an SVID of the new root')
  await home.crash(async () => {})
  await until('the old root is gone', async () => (await rootsIn(orders)) === 1)
  t.match(await call(orders, fresh, '/item'), { status: 200 })
  await t.rejects(call(orders, web, '/item'), 'an SVID of the old root')

  await partner.control.stop('SIGKILL')
  await home.crash(async () => {})
  await until('the poll has failed', async () =>
    (await home.command(['status'])).stdout.includes('(bundle-endpoint-unreachable)'),
  )
  t.match(await call(orders, fresh, '/item'), { status: 200 }, 'the last good bundle stays')
  t.match(
    (await home.command(['check'])).stdout,
    /trust domain partner\.test +warning +fetched .* bundle-endpoint-unreachable/,
  )

  const { host, port } = orders.inbound[0]!
  const open = connect({ host, port, ...fresh, rejectUnauthorized: false, servername: '' })
  open.on('error', () => {})
  const ended = new Promise((resolve) => open.once('close', resolve))
  open.write('GET /item HTTP/1.1\r\nhost: orders\r\n\r\n')
  t.match(String((await once(open, 'data'))[0]), /^HTTP\/1.1 200/)
  t.equal((await home.command(['delete', 'TrustDomain', 'partner'])).code, 0)
  await ended
  await until('the bundle is gone', async () => (await rootsIn(orders)) === 0)
  await t.rejects(call(orders, fresh, '/item'), 'a stranger again')
})

t.test('go-spiffe fetches our bundle, and knows who publishes it', async (t) => {
  const client = await goProgram(t, 'bundle-endpoint')
  if (client.kind === 'missing') return t.comment(client.why)
  const { mesh, endpoint } = await startPartner(t)
  const file = join(temporaryFolder(t), 'bundle.json')
  writeFileSync(file, (await mesh.command(['bundle'])).stdout)
  const fetch = (id: string): Promise<Ended> => runProgram(t, client.file, ['fetch', PARTNER, endpoint, id, file])
  t.match(await fetch(`spiffe://${PARTNER}/outrider/control`), { code: 0, stdout: 'bundle 1 1 1 5m0s\n' })
  t.match(await fetch(partnerId('web')), { code: 1, stderr: /unexpected ID/ })
  await mesh.command(['ca', 'prepare'])
  t.match(await fetch(`spiffe://${PARTNER}/outrider/control`), { code: 0, stdout: 'bundle 2 2 2 5m0s\n' })
})

t.test('a bundle that go-spiffe publishes is believed', async (t) => {
  const server = await goProgram(t, 'bundle-endpoint')
  if (server.kind === 'missing') return t.comment(server.why)
  const ca = makeTestCa(PARTNER)
  const controlId = `spiffe://${PARTNER}/outrider/control`
  const { chainPem, keyPem } = ca.issue(controlId)
  const folder = temporaryFolder(t)
  const [certificate, key, bundle] = ['leaf.pem', 'leaf.key', 'bundle.json'].map((name) => join(folder, name))
  writeFileSync(certificate!, chainPem)
  writeFileSync(key!, keyPem)
  writeFileSync(bundle!, documentOf([ca, makeTestCa(PARTNER)], 7))
  const running = startProgram(t, server.file, ['serve', PARTNER, certificate!, key!, bundle!])
  const [, address = ''] = (await running.line(/^listening /)).split(' ')
  const home = await startMesh(t)
  await home.apply(
    resource('TrustDomain', 'partner', {
      trustDomain: PARTNER,
      bundleEndpoint: { url: `https://${address}`, profile: 'https_spiffe', spiffeId: controlId },
      bundle: JSON.parse(documentOf([ca], 1)),
    }),
  )
  await until('polled', async () => (await home.admin.getStatus({})).federation[0]?.fetchedAt !== null)
  t.match((await home.admin.getStatus({})).federation, [{ sequence: 7, x509Authorities: 2, failureCode: '' }])
})
