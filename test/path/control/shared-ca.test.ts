import { createHash } from 'node:crypto'
import { connect as connectTls } from 'node:tls'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { configMapType, readTrustConfigMap } from '../../../src/control/kubernetes/trust-config-map.ts'
import { parseAddress } from '../../../src/lib/address.ts'
import { startTestControl, type TestControl, temporaryFolder } from '../../fixtures/control.ts'
import { startKubernetes, type TestKubernetes } from '../../fixtures/kubernetes-api.ts'
import { checkLeaks } from '../../fixtures/leaks.ts'
import { installSecret, secretData, until } from '../../fixtures/shared-ca.ts'

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
  const [one, two] = [await joinControls(t, api), await joinControls(t, api)]
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
    const done = await step()
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
