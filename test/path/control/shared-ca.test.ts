import { createHash } from 'node:crypto'
import { connect as connectTls } from 'node:tls'
import { once } from 'node:events'
import { chmodSync, cpSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { connect, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { configMapType, readTrustConfigMap } from '../../../src/control/kubernetes/trust-config-map.ts'
import { secretType } from '../../../src/control/kubernetes/kept-secret.ts'
import { leases } from '../../../src/control/kubernetes/types.ts'
import { parseReport, type ServerReport } from '../../../src/control/server-report.ts'
import { OutriderError } from '../../../src/lib/errors.ts'
import { parseAddress } from '../../../src/lib/address.ts'
import { loadSidecarConfig } from '../../../src/config/sidecar.ts'
import { establishIdentity } from '../../../src/enrolment/identity.ts'
import { parseBundleDocument } from '../../../src/identity/bundle-document.ts'
import { toPem } from '../../../src/identity/x509.ts'
import { sidecarMetrics } from '../../../src/telemetry/names.ts'
import { createMetrics } from '../../../src/telemetry/registry.ts'
import { TestClock } from '../../fixtures/clock.ts'
import { startTestControl, temporaryFolder, type TestControl, TRUST_DOMAIN, workload } from '../../fixtures/control.ts'
import { claimsOf, clusterKey, ISSUER, tokenOf } from '../../fixtures/kubernetes.ts'
import { startKubernetes, type TestKubernetes } from '../../fixtures/kubernetes-api.ts'
import { checkLeaks } from '../../fixtures/leaks.ts'
import { until } from '../../fixtures/process.ts'
import { CONTROL_NAMESPACE, installSecret, secretData, testLog } from '../../fixtures/shared-ca.ts'

checkLeaks(t)

function joinControls(t: Test, api: TestKubernetes, more: Readonly<Record<string, string>> = {}): Promise<TestControl> {
  return startTestControl(t, {
    store: 'kubernetes',
    'kubernetes-api': api.address,
    'kubernetes-ca-file': api.caFile,
    'kubernetes-token-file': api.tokenFile,
    ...more,
  })
}

/** SHA-256 of the root that a server shows its certificate with. */
async function shownRoot({ server }: TestControl): Promise<string> {
  const { host, port } = parseAddress(server.grpcAddress)!
  const socket = connectTls({ host, port, rejectUnauthorized: false })
  await once(socket, 'secureConnect')
  let certificate = socket.getPeerCertificate(true)
  while (certificate.issuerCertificate.fingerprint256 !== certificate.fingerprint256)
    certificate = certificate.issuerCertificate
  socket.destroy()
  return createHash('sha256').update(certificate.raw).digest('hex')
}

const documentOf = async ({ admin }: TestControl): Promise<unknown> => JSON.parse((await admin.getBundle({})).document)

t.test('control servers with one CA: what an operator does at one, all do', async (t) => {
  const api = await startKubernetes(t)
  await t.rejects(joinControls(t, api), { code: 'ca-secret-missing', message: /outrider install/ })
  installSecret(api)
  const one = await joinControls(t, api, { 'kubernetes-server-name': 'control-a' })
  const two = await joinControls(t, api, { 'kubernetes-server-name': 'control-b' })
  t.equal(await shownRoot(one), await shownRoot(two))
  const old = await shownRoot(one)
  const steps = [
    () => one.admin.prepareAuthority({}),
    () => two.admin.activateAuthority({}),
    () => one.admin.taintAuthority({}),
    () => two.admin.revokeAuthority({}),
  ]
  let sequence = 1
  for (const step of steps) {
    const done = await untilFree(step)
    sequence += 1
    t.equal(done.sequence, sequence)
    for (const { admin } of [one, two])
      await until('followed', async () => (await admin.getAuthorities({})).sequence === sequence)
    t.same(await documentOf(two), await documentOf(one), 'X.509 and JWT')
  }
  const [next] = (await one.admin.getAuthorities({})).authorities
  t.not(next?.fingerprint, old)
  t.same([await shownRoot(one), await shownRoot(two)], Array(2).fill(next?.fingerprint), 'shown by all of them')
  await t.rejects(two.admin.activateAuthority({}), { code: 'ca-state' })

  for (const { data } of [one, two]) {
    t.notOk(existsSync(join(data, 'ca')))
    const files = readdirSync(data, { recursive: true, encoding: 'utf8' }).filter((name) => !name.endsWith('.sock'))
    for (const file of files) t.notMatch(readFileSync(join(data, file), 'latin1'), /PRIVATE KEY/, file)
  }
  await until('published', () => {
    for (const { clock } of [one, two]) clock.advance(25)
    return api.all(configMapType).some((object) => readTrustConfigMap(object).sequence === 5)
  })
})

/** Tries until nobody is in the way, as `--wait` does. */
async function untilFree<T>(step: () => Promise<T>): Promise<T> {
  let done: { readonly value: T } | undefined
  await until('nobody in the way', async () => {
    try {
      done = { value: await step() }
    } catch (error) {
      if (!(error instanceof OutriderError && error.code === 'ca-in-use')) throw error
    }
    return done !== undefined
  })
  return done!.value
}

t.test('sidecars of another server stand in the way of a step as its own do', async (t) => {
  const api = await startKubernetes(t)
  installSecret(api)
  const one = await joinControls(t, api, { 'kubernetes-server-name': 'control-a' })
  const two = await joinControls(t, api, { 'kubernetes-server-name': 'control-b' })
  const tell = (name: string, report: Partial<ServerReport>): void => {
    const [secret] = api.all(secretType)
    const use = { sidecars: 0, connections: 0, control: false }
    const whole = { server: name, atMs: one.clock.now(), sequence: 1, connected: 0, behind: 0, names: [], roots: {} }
    const text = JSON.stringify({ ...whole, ...report, roots: report.roots ?? { unknown: use } })
    const annotations = { ...secret!.metadata.annotations, [`outrider.mesh/sidecars.${name}`]: text }
    api.put(secretType, { ...secret!, metadata: { ...secret!.metadata, annotations } })
  }
  api.put(leases, {
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    metadata: { name: 'c', namespace: CONTROL_NAMESPACE, labels: { 'outrider.mesh/control-server': 'true' } },
    spec: { holderIdentity: 'c', renewTime: new Date(one.clock.now()).toISOString() },
  })
  await one.admin.prepareAuthority({})
  tell('c', { sequence: 1 })
  tell('crashed', { sequence: 1 })
  await t.rejects(two.admin.activateAuthority({}), { code: 'ca-in-use', message: /control server/ }, 'not heard of it')
  tell('c', { sequence: 2, connected: 5, behind: 3, names: ['spiffe://test.local/web web-1'] })
  // Of who has no Lease nothing counts.
  await until('heard', async () => (await two.admin.getAuthorities({})).behindCount === 3)
  t.match(await two.admin.getAuthorities({}), { connectedSidecars: 5, behind: ['spiffe://test.local/web web-1'] })
  await t.rejects(two.admin.activateAuthority({}), { code: 'ca-in-use', message: /^3 sidecars may not .* web-1/ })
  tell('c', { sequence: 2, connected: 5 })
  await untilFree(() => two.admin.activateAuthority({}))
  const { authorities } = await untilFree(() => one.admin.taintAuthority({}))
  const old = authorities.find(({ state }) => state === 'STATE_TAINTED')!.fingerprint
  tell('c', { sequence: 4, connected: 5, roots: { [old]: { sidecars: 2, connections: 7, control: true } } })
  await t.rejects(one.admin.revokeAuthority({}), {
    code: 'ca-in-use',
    message:
      /SVIDs of 2 sidecars of the control server c and 7 open connections .* and the certificate of the control server c /,
  })
  t.match((await one.admin.getAuthorities({})).authorities, [{ sidecars: 2, connections: 7 }, { sidecars: 0 }])
  const forced = await one.admin.revokeAuthority({ force: true })
  t.equal(forced.authorities.length, 1)

  const servers = (): readonly string[] =>
    Object.values(api.all(secretType)[0]?.metadata.annotations ?? {}).flatMap((text) => parseReport(text)?.server ?? [])
  await until('all have told', () => servers().length === 4)
  t.same(servers().toSorted(), ['c', 'control-a', 'control-b', 'crashed'])
  await two.close()
  t.same(servers().toSorted(), ['c', 'control-a', 'crashed'], 'who leaves takes it back')
  one.clock.advance(17 * 60_000)
  await until('who is gone is forgotten', () => {
    one.clock.advance(2000)
    return servers().join() === 'control-a'
  })
})

t.test('a control server that is there and has told nothing that can be read stands in the way', async (t) => {
  const api = await startKubernetes(t)
  installSecret(api)
  api.put(leases, {
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    metadata: { name: 'c', namespace: CONTROL_NAMESPACE, labels: { 'outrider.mesh/control-server': 'true' } },
    spec: { holderIdentity: 'c', renewTime: '2026-01-01T00:00:00.000000Z' },
  })
  const { admin } = await joinControls(t, api, { 'kubernetes-server-name': 'control-a' })
  await until('the Leases are listed', () =>
    api.asked.some(({ path }) => path.includes('/leases?') && path.includes('watch=true')),
  )
  await admin.prepareAuthority({})
  const [secret] = api.all(secretType)
  const note = JSON.stringify({ server: 'c', of: 'a later version' })
  const annotations = { ...secret!.metadata.annotations, 'outrider.mesh/sidecars.c': note }
  api.put(secretType, { ...secret!, metadata: { ...secret!.metadata, annotations } })
  await t.rejects(admin.activateAuthority({}), { code: 'ca-in-use', message: / control server .*: c$/ })
  await t.rejects(admin.revokeAuthority({}), {
    code: 'ca-in-use',
    message: /what the control server c has not told of/,
  })
  api.remove(leases, 'c', CONTROL_NAMESPACE)
  await untilFree(() => admin.activateAuthority({}))
})

t.test('a server that begins anew finds the CA, and none is made where one was', async (t) => {
  const api = await startKubernetes(t)
  installSecret(api)
  const data = join(temporaryFolder(t), 'data')
  const one = await joinControls(t, api, { data })
  const root = await shownRoot(one)
  await until('published', () => api.all(configMapType).length === 1)
  await one.close()
  const kept = secretData(api)
  installSecret(api, {})
  await t.rejects(joinControls(t, api), { code: 'ca-secret-empty' }, 'another server')
  await t.rejects(joinControls(t, api, { data }), { code: 'ca-secret-empty' }, 'the same one')
  installSecret(api, kept)
  t.equal(await shownRoot(await joinControls(t, api)), root)
})

t.test('a sidecar whose SVID has expired comes to a server that has no record of it, and attests again', async (t) => {
  const folder = temporaryFolder(t)
  const file = (name: string, text: string): string => {
    writeFileSync(join(folder, name), text)
    return join(folder, name)
  }
  const key = clusterKey('ES256', 'one')
  const clock = new TestClock(Date.now())
  const flags = {
    kubernetes: 'jwks',
    'kubernetes-issuer': ISSUER,
    'kubernetes-jwks': file('jwks.json', JSON.stringify({ keys: [key.jwk] })),
  }
  // Of the same CA, as it is with the Secret; each with a record of its own of what it has issued.
  const data = join(folder, 'two')
  const one = await startTestControl(t, flags, clock)
  cpSync(join(one.data, 'ca'), join(data, 'ca'), { recursive: true })
  chmodSync(data, 0o700)
  const two = await startTestControl(t, { ...flags, data }, clock)
  for (const server of [one, two])
    await server.apply(workload('web', { ttl: '1h', selectors: ['k8s:ns:shop', 'k8s:sa:web'] }))

  let target: TestControl | undefined = one
  const service = await forwarder(t, () => target?.server.grpcAddress)
  const writeToken = (): string => file('token', tokenOf(key, claimsOf('shop', 'web', clock.now())))
  const { log, lines } = testLog(clock)
  const registry = createMetrics(sidecarMetrics, clock)
  t.teardown(() => registry.destroy())
  const config = loadSidecarConfig({
    env: {},
    flags: {
      'control-address': service,
      'sidecar-id': 'web-1',
      attestation: 'kubernetes',
      'kubernetes-token-file': writeToken(),
      'spiffe-id': `spiffe://${TRUST_DOMAIN}/ns/default/sa/web`,
      'trust-bundle-file': file('roots.pem', toPem(await rootsOf(one))),
    },
  })
  const signal = new AbortController().signal
  const identity = await establishIdentity({ config, clock, random: () => 0.5, log, metrics: registry.metrics, signal })
  t.teardown(() => identity.close())
  const first = identity.source.credentials.current.svid

  target = undefined
  await one.close()
  clock.advance(3_600_000 + 1000)
  writeToken()
  target = two
  await until('another SVID', () => {
    clock.advance(200)
    return identity.source.credentials.current.svid.serial !== first.serial
  })
  const { svid } = identity.source.credentials.current
  t.ok(svid.notAfterMs > clock.now())
  t.equal(svid.id, first.id)
  const audit = readFileSync(join(two.data, 'audit.log'), 'utf8')
  t.match(audit, new RegExp(`"how":"attest".*${svid.serial}`), 'by its evidence, not by the old SVID')
  t.ok(lines.some(({ message }) => message === 'SVID renewed'))
})

async function rootsOf({ admin }: TestControl): Promise<readonly Buffer[]> {
  const { trustDomain, document } = await admin.getBundle({})
  const { authorities } = parseBundleDocument(Buffer.from(document), trustDomain).bundle
  return authorities.map(({ der }) => der)
}

/** One address, behind which is now one server and now another, as with a Service. */
async function forwarder(t: Test, target: () => string | undefined): Promise<string> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    const address = parseAddress(target() ?? '')
    if (address === undefined) {
      socket.destroy()
      return
    }
    const upstream = connect(address.port, address.host)
    for (const end of [socket, upstream]) {
      sockets.add(end)
      end.on('error', () => {})
      end.once('close', () => {
        sockets.delete(end)
        socket.destroy()
        upstream.destroy()
      })
    }
    socket.pipe(upstream).pipe(socket)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  const bound = server.address()
  return `127.0.0.1:${typeof bound === 'object' ? bound?.port : 0}`
}
