import t from 'tap'
import { buildCsr } from '../../../src/identity/csr.ts'
import { bundlesOf } from '../../../src/rpc/bundles.ts'
import type { TrustReport } from '../../../src/wire/outrider/policy/v1/TrustReport.ts'
import {
  document,
  openStream,
  startTestControl,
  svidOf,
  type TestControl,
  type TestSidecar,
  type TestStream,
  TRUST_DOMAIN,
  workload,
} from '../../fixtures/control.ts'
import { checkLeaks } from '../../fixtures/leaks.ts'

checkLeaks(t)

/** What a sidecar with this SVID says of itself. */
function report(sidecar: TestSidecar, sequence: number, uses: Readonly<Record<string, number>> = {}): TrustReport {
  return {
    bundles: [{ trustDomain: TRUST_DOMAIN, sequence }],
    svidAuthority: Buffer.from(sidecar.svid.current!.authorityFingerprint, 'hex'),
    uses: Object.entries(uses).map(([authority, connections]) => ({
      authority: Buffer.from(authority, 'hex'),
      connections,
    })),
  }
}

/** Sends a report, and waits until the server has read it: an answer to a stale nonce changes nothing else. */
async function tell(control: TestControl, stream: TestStream, trustReport: TrustReport): Promise<void> {
  const known = control.lines.length
  stream.call.send({ trustReport })
  stream.call.send({ ack: { nonce: 'none', revision: 0 } })
  const isAnswer = ({ message }: TestControl['lines'][number]): boolean => message.startsWith('an answer to no update')
  while (!control.lines.slice(known).some(isAnswer)) await new Promise(setImmediate)
}

async function renew(control: TestControl, sidecar: TestSidecar): Promise<void> {
  const issued = await sidecar.client.renew({ csr: buildCsr(sidecar.privateKey, sidecar.id) })
  sidecar.bundles.set(bundlesOf(issued.bundles))
  sidecar.svid.set(svidOf(issued, sidecar.privateKey, control.clock))
}

t.test('a step is taken when nobody stands in its way, and shows who does', async (t) => {
  const control = await startTestControl(t)
  const { admin } = control
  await control.apply(workload('web'), workload('late'))
  const sidecar = await control.join('web')
  const stream = openStream(sidecar)
  stream.ack(await stream.next())
  const [first] = (await admin.getAuthorities({})).authorities
  const old = first!.fingerprint
  t.match(first, { state: 'STATE_ACTIVE', sidecars: 1, connections: 0, control: true, keyElsewhere: false })
  await t.rejects(admin.revokeAuthority({ id: old, force: true }), { code: 'ca-state' }, 'the one that signs')

  const prepared = await admin.prepareAuthority({})
  t.match(prepared, { sequence: 2, connectedSidecars: 1, behindCount: 1, behind: [`${sidecar.id} one`] })
  await t.rejects(admin.activateAuthority({}), { code: 'ca-in-use', message: /1 sidecar may not believe .* one/ })
  await tell(control, stream, report(sidecar, 2))
  t.match(await admin.getAuthorities({}), { behindCount: 0, behind: [] })
  t.same(
    (await admin.activateAuthority({})).authorities.map(({ state }) => state),
    ['STATE_RETIRED', 'STATE_ACTIVE'],
  )
  const late = await control.join('late')
  t.not(late.svid.current?.authorityFingerprint, old, 'with a token that pins the old root')

  const tainted = await admin.taintAuthority({})
  t.match(tainted.authorities, [
    { state: 'STATE_TAINTED', sidecars: 1, dependents: [`${sidecar.id} one`], control: false },
    { state: 'STATE_ACTIVE', sidecars: 0, control: true },
  ])
  await renew(control, sidecar)
  t.same([...sidecar.bundles.current.get(sidecar.bundles.current.keys().next().value!)!.tainted], [old])
  const second = openStream(sidecar)
  second.ack(await second.next())
  await t.rejects(stream.ended, { code: 'stream-replaced' })
  await tell(control, second, report(sidecar, 4, { [old]: 3 }))
  await t.rejects(admin.revokeAuthority({}), { code: 'ca-in-use', message: /is what 3 open connections ends at/ })
  await tell(control, second, report(sidecar, 4))
  const revoked = await admin.revokeAuthority({})
  t.match(revoked, { sequence: 5, authorities: [{ state: 'STATE_ACTIVE', sidecars: 1 }] })
  t.equal(revoked.authorities.length, 1)
  second.call.cancel()
  await t.resolves(control.join('web'), 'the mesh goes on')
})

t.test('a sidecar that was lost keeps its root for as long as its SVID lives', async (t) => {
  const control = await startTestControl(t, { 'svid-ttl-ms': '1h' })
  const { admin, clock } = control
  await control.apply(workload('web'))
  const sidecar = await control.join('web')
  const stream = openStream(sidecar)
  stream.ack(await stream.next())
  stream.call.cancel()
  while ((await admin.getAuthorities({})).connectedSidecars > 0) await new Promise(setImmediate)
  await admin.prepareAuthority({})
  await admin.activateAuthority({})
  await admin.taintAuthority({})
  await t.rejects(admin.revokeAuthority({}), { code: 'ca-in-use', message: /the SVIDs of 1 sidecar / })
  clock.advance(61 * 60 * 1000)
  t.equal((await admin.revokeAuthority({})).authorities.length, 1)
})

t.test('--force cuts off who depends on a root', async (t) => {
  const control = await startTestControl(t)
  await control.apply(workload('web'))
  const sidecar = await control.join('web')
  const stream = openStream(sidecar)
  stream.ack(await stream.next())
  await control.admin.prepareAuthority({})
  await control.admin.activateAuthority({ force: true })
  await control.admin.taintAuthority({})
  await control.admin.revokeAuthority({ force: true })
  await t.rejects(renew(control, sidecar))
  stream.call.cancel()
})

t.test('a report that is too large ends the stream', async (t) => {
  const control = await startTestControl(t)
  await control.apply(workload('web'))
  const sidecar = await control.join('web')
  const stream = openStream(sidecar)
  stream.ack(await stream.next())
  const bundles = Array.from({ length: 257 }, (_, index) => ({ trustDomain: `td${index}.example`, sequence: 1 }))
  stream.call.send({ trustReport: { bundles } })
  await t.rejects(stream.ended, { code: 'stream-protocol', message: /at most 256/ })
})

t.test('who is revoked loses its stream and gets nothing more', async (t) => {
  const control = await startTestControl(t)
  await control.apply(workload('web'), workload('api'))
  const [web, api] = [await control.join('web'), await control.join('api')]
  const [webStream, apiStream] = [openStream(web), openStream(api)]
  webStream.ack(await webStream.next())
  apiStream.ack(await apiStream.next())
  await control.apply(document('Revocation', 'stolen', { serials: [web.svid.current!.serial], reason: 'a test' }))
  await t.rejects(webStream.ended, { code: 'svid-revoked', message: /Revocation\/default\/stolen/ })
  control.clock.advance(100)
  const { changed } = await apiStream.next()
  t.match(changed, [
    { name: { kind: 'Revocation', name: 'stolen' }, revocation: { serials: [web.svid.current!.serial] } },
  ])
  await t.rejects(renew(control, web), { code: 'svid-revoked' })
  await t.rejects(openStream(web).ended, { code: 'svid-revoked' })
  await t.resolves(control.join('web'), 'it can attest anew')

  await control.apply(document('Revocation', 'gone', { spiffeIds: [web.id] }))
  await t.rejects(control.join('web'), { code: 'identity-revoked' })
  await control.admin.delete({ ref: { kind: 'Revocation', name: 'gone' } })
  await t.resolves(control.join('web'))
  await t.rejects(
    control.apply(document('Revocation', 'all', { spiffeIds: [`spiffe://${TRUST_DOMAIN}/outrider/control`] })),
    { code: 'resources-refused', message: /spec\.spiffeIds\[0\].*under \/outrider\// },
  )
  apiStream.call.cancel()
})
