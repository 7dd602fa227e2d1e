import t from 'tap'
import { verifyJwtSvid } from '../../../src/identity/jwt-svid.ts'
import { WatchCell } from '../../../src/lib/watch.ts'
import { parseAddress } from '../../../src/lib/address.ts'
import { bundlesOf } from '../../../src/rpc/bundles.ts'
import { connectControl } from '../../../src/rpc/client.ts'
import { millisecondsOf } from '../../../src/lib/protobuf-time.ts'
import { CONTROL_ID, document, startTestControl, workload } from '../../fixtures/control.ts'
import { checkLeaks } from '../../fixtures/leaks.ts'

checkLeaks(t)

t.test('a sidecar gets tokens for its own identity, which the bundle verifies', async (t) => {
  const control = await startTestControl(t)
  await control.apply(workload('web'))
  const sidecar = await control.join('web')
  const { spiffeId, token, expiresAt } = await sidecar.client.issueJwtSvid({ audience: ['db', 'cache'] })
  t.equal(spiffeId, sidecar.id)
  const now = control.clock.now()
  const left = (millisecondsOf(expiresAt) ?? 0) - now
  t.ok(left > 298_000 && left <= 300_000, `${left} ms`)
  const bundles = sidecar.bundles.current
  t.same(
    [...bundles.values()].flatMap(({ jwtAuthorities }) => [...jwtAuthorities]).length,
    0,
    'the pinned one has no keys',
  )

  const stream = sidecar.client.watchTrustBundles()
  const told = await new Promise<Parameters<typeof bundlesOf>[0]>((resolve) => stream.onMessage(resolve))
  stream.onEnd(() => {})
  stream.cancel()
  t.match(verifyJwtSvid(token, 'cache', bundlesOf(told), now), {
    kind: 'verified',
    id: sidecar.id,
    audience: ['db', 'cache'],
  })
  t.match(verifyJwtSvid(token, 'web', bundlesOf(told), now), { kind: 'refused', code: 'jwt-svid-audience-mismatch' })
  t.match(
    control.lines.find(({ message }) => message === 'JWT-SVID issued'),
    { spiffeId, audience: ['db', 'cache'] },
  )
  t.notOk(
    control.lines.some((line) => JSON.stringify(line).includes(token)),
    'no token in the log',
  )
})

t.test('what is refused', async (t) => {
  const control = await startTestControl(t)
  await control.apply(workload('web'))
  const sidecar = await control.join('web')
  await t.rejects(sidecar.client.issueJwtSvid({ audience: [] }), { code: 'jwt-svid-audience-missing' })
  await t.rejects(sidecar.client.issueJwtSvid({ audience: [''] }), { code: 'jwt-svid-audience-malformed' })
  await t.rejects(sidecar.client.issueJwtSvid({ audience: Array.from({ length: 17 }, (_, i) => `a${i}`) }), {
    code: 'jwt-svid-audience-malformed',
  })

  const stranger = connectControl({
    address: parseAddress(control.server.grpcAddress)!,
    bundles: sidecar.bundles,
    svid: new WatchCell(undefined),
    serverId: CONTROL_ID,
    clock: control.clock,
  })
  t.teardown(() => stranger.close())
  await t.rejects(stranger.issueJwtSvid({ audience: ['db'] }), { code: 'peer-unauthenticated' })

  await control.apply(document('Revocation', 'web', { spiffeIds: [sidecar.id] }))
  await t.rejects(sidecar.client.issueJwtSvid({ audience: ['db'] }), { code: 'identity-revoked' })
  await control.admin.delete({ ref: { kind: 'Revocation', namespace: 'default', name: 'web' } })
  await control.admin.delete({ ref: { kind: 'Workload', namespace: 'default', name: 'web' } })
  await t.rejects(sidecar.client.issueJwtSvid({ audience: ['db'] }), { code: 'workload-unknown' })
  t.equal(control.lines.filter(({ message }) => message === 'JWT-SVID refused').length, 5)
})
