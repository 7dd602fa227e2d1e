import { generateKeyPairSync } from 'node:crypto'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { CertificateAuthority } from '../../../src/control/ca/certificate-authority.ts'
import { buildCsr } from '../../../src/identity/csr.ts'
import { parseSpiffeId, parseTrustDomain, type SpiffeId } from '../../../src/identity/spiffe-id.ts'
import type { Svid } from '../../../src/identity/svid.ts'
import { parseCertificate, toPem } from '../../../src/identity/x509.ts'
import { parseAddress } from '../../../src/lib/address.ts'
import { WatchCell } from '../../../src/lib/watch.ts'
import { connectControl, type ControlClient } from '../../../src/rpc/client.ts'
import { makeTestCa } from '../../fixtures/ca.ts'
import { TestClock } from '../../fixtures/clock.ts'
import {
  CONTROL_ID,
  document,
  openStream,
  startTestControl,
  svidOf,
  temporaryFolder,
  type TestControl,
  type TestSidecar,
  TRUST_DOMAIN,
  workload,
} from '../../fixtures/control.ts'
import { checkLeaks } from '../../fixtures/leaks.ts'

checkLeaks(t)

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS

function csrFor(id: string): { csr: Buffer; privateKey: ReturnType<typeof generateKeyPairSync>['privateKey'] } {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  return { privateKey, csr: buildCsr(privateKey, parseSpiffeId(id)) }
}

/** A client that shows this chain, on a connection of its own. */
function clientWith(
  t: Test,
  { server, clock }: TestControl,
  sidecar: TestSidecar,
  shown: Pick<Svid, 'chainDer' | 'privateKey'>,
): ControlClient {
  const svid: Svid = { ...sidecar.svid.current!, ...shown, chainPem: toPem(shown.chainDer) }
  const client = connectControl({
    address: parseAddress(server.grpcAddress)!,
    bundles: sidecar.bundles,
    svid: new WatchCell<Svid | undefined>(svid),
    serverId: CONTROL_ID,
    clock,
  })
  t.teardown(() => client.close())
  return client
}

async function expiredSidecar(
  t: Test,
  flags: Readonly<Record<string, string>> = {},
): Promise<{
  control: TestControl
  sidecar: TestSidecar
}> {
  const control = await startTestControl(t, flags)
  await control.apply(workload('web', { ttl: '1h' }), workload('api'))
  const sidecar = await control.join('web')
  control.clock.advance(HOUR_MS + 1000)
  return { control, sidecar }
}

t.test('an SVID that has expired gets another one, and nothing else', async (t) => {
  const { control, sidecar } = await expiredSidecar(t)
  await t.rejects(openStream(sidecar).ended, { code: 'peer-unauthenticated', message: /expired/ })
  const { csr, privateKey } = csrFor(sidecar.id)
  const fresh = svidOf(await sidecar.client.renew({ csr }), privateKey, control.clock)
  t.equal(fresh.id, sidecar.id)
  const elsewhere = clientWith(t, control, sidecar, sidecar.svid.current!)
  await elsewhere.renew({ csr })
  await t.rejects(
    elsewhere.renew({ csr: csrFor('spiffe://test.local/ns/default/sa/api').csr }),
    { code: 'identity-not-allowed' },
    'not for another identity',
  )
  t.match(
    control.lines.filter(({ message }) => message === 'certificate issued').map(({ how }) => how),
    ['attest', 'renew-expired', 'renew-expired'],
  )
})

t.test('also when the intermediate was certified anew during the outage', async (t) => {
  const data = join(temporaryFolder(t), 'data')
  const at = async (daysAgo: number): Promise<TestControl> =>
    startTestControl(t, { data }, new TestClock(Date.now() - daysAgo * DAY_MS))
  const first = await at(244)
  await first.apply(workload('web', { ttl: '1h' }))
  await first.close()
  // Two thirds of the year of an intermediate are 243 days and 8 hours.
  const second = await at(0.9)
  const sidecar = await second.join('web')
  await second.close()
  const third = await at(0)
  const client = clientWith(t, third, sidecar, sidecar.svid.current!)
  const { csr, privateKey } = csrFor(sidecar.id)
  const fresh = svidOf(await client.renew({ csr }), privateKey, third.clock)
  const [before, now] = [sidecar.svid.current!, fresh].map(({ chainDer }) => parseCertificate(chainDer[1]!))
  t.ok(now!.notBeforeMs > sidecar.svid.current!.notAfterMs && now!.publicKey.key.equals(before!.publicKey.key))
})

t.test('not longer ago than is allowed', async (t) => {
  const { control, sidecar } = await expiredSidecar(t, { 'expired-renewal-ms': '2h' })
  const { csr } = csrFor(sidecar.id)
  control.clock.advance(2 * HOUR_MS - 2000)
  await sidecar.client.renew({ csr })
  control.clock.advance(2000)
  await t.rejects(sidecar.client.renew({ csr }), { code: 'svid-expired', message: /7200 s \(expiredRenewalMs\)/ })
})

t.test('not at all where that is wanted', async (t) => {
  const { sidecar } = await expiredSidecar(t, { 'expired-renewal-ms': '0' })
  await t.rejects(sidecar.client.renew({ csr: csrFor(sidecar.id).csr }), {
    code: 'svid-expired',
    message: /attest anew/,
  })
})

t.test('not for a workload that is not registered any more', async (t) => {
  const { control, sidecar } = await expiredSidecar(t)
  await control.admin.delete({ ref: { kind: 'Workload', name: 'web' } })
  await t.rejects(sidecar.client.renew({ csr: csrFor(sidecar.id).csr }), { code: 'workload-unknown' })
})

t.test('not for what was not issued here', async (t) => {
  const control = await startTestControl(t)
  await control.apply(workload('web', { ttl: '1h' }), workload('api'))
  const sidecar = await control.join('web')
  const { csr } = csrFor(sidecar.id)
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  // Signed with the very key of the CA, but on no record; expired for OpenSSL as well.
  const authority = CertificateAuthority.open(control.data, parseTrustDomain(TRUST_DOMAIN), control.clock)
  const unrecorded = (id: SpiffeId) => authority.issue({ id, publicKey }, 10_000, control.clock.now() - 12_000)
  const before = { chainDer: unrecorded(sidecar.id).chain, privateKey }
  await t.rejects(clientWith(t, control, sidecar, before).renew({ csr }), {
    code: 'svid-expired',
    message: /not on record/,
  })

  const stranger = makeTestCa(TRUST_DOMAIN).issue(sidecar.id, { ttlMs: -1000 })
  await t.rejects(clientWith(t, control, sidecar, stranger).renew({ csr }), {
    code: 'peer-unauthenticated',
    message: /certificate is refused/,
  })
  const { chain } = authority.issue(
    { id: parseSpiffeId('spiffe://test.local/ns/default/sa/api'), publicKey },
    HOUR_MS,
    control.clock.now(),
  )
  await t.rejects(
    clientWith(t, control, sidecar, { chainDer: chain, privateKey }).renew({ csr }),
    { code: 'identity-not-allowed' },
    'an SVID that is good, for another identity',
  )
})

t.test('the server says what time it is', async (t) => {
  const control = await startTestControl(t)
  await control.apply(workload('web'))
  const sidecar = await control.join('web')
  const { serverTime } = await sidecar.client.renew({ csr: csrFor(sidecar.id).csr })
  t.equal(serverTime?.seconds, Math.floor(control.clock.now() / 1000))
})

t.test('what is revoked is not renewed', async (t) => {
  const { control, sidecar } = await expiredSidecar(t)
  const { csr } = csrFor(sidecar.id)
  const { serial } = sidecar.svid.current!
  await control.apply(document('Revocation', 'lost', { serials: [serial] }))
  await t.rejects(sidecar.client.renew({ csr }), { code: 'svid-revoked', message: /Revocation\/default\/lost/ })
  await control.admin.delete({ ref: { kind: 'Revocation', name: 'lost' } })
  await sidecar.client.renew({ csr })
  await control.apply(document('Revocation', 'all', { spiffeIds: [sidecar.id] }))
  await t.rejects(sidecar.client.renew({ csr }), { code: 'identity-revoked' })
  await t.rejects(control.join('web'), { code: 'identity-revoked' })
})
