import t from 'tap'
import { noRevocations, type Revocations } from '../../../src/identity/revocation.ts'
import { parseSpiffeId } from '../../../src/identity/spiffe-id.ts'
import { verifyPeer } from '../../../src/identity/verify.ts'
import { WatchCell } from '../../../src/lib/watch.ts'
import { anyDistrust, revokedSvids, withdrawnAuthorities } from '../../../src/mtls/distrust.ts'
import { makeTestCa } from '../../fixtures/ca.ts'
import { credentialsOf } from '../../fixtures/sidecar.ts'

const ca = makeTestCa('td.example')
const peer = verifyPeer(ca.issue('/web').chainDer, ca.bundles(), Date.now())
if (peer.kind === 'refused') throw new Error(peer.message)

t.test('each reason ends the belief, and says why; the first one counts', async (t) => {
  const credentials = new WatchCell(credentialsOf(ca.issue('/api'), ca.bundles()))
  const policy = new WatchCell<{ readonly revocations: Revocations }>({ revocations: noRevocations })
  const distrust = anyDistrust(withdrawnAuthorities(credentials), revokedSvids(policy))
  let changes = 0
  const stop = distrust.subscribe(() => (changes += 1))
  t.equal(distrust.of(peer), undefined)
  policy.set({ revocations: { serials: new Map([[peer.serial, 'Revocation/default/a']]), ids: new Map() } })
  t.match(distrust.of(peer), { code: 'svid-revoked', message: / is revoked$/, expected: /Revocation\/default\/a/ })
  t.notMatch(distrust.of(peer)?.message, /default/, 'the peer is not told by what')
  credentials.set({ ...credentials.current, bundles: makeTestCa('td.example').bundles() })
  t.match(distrust.of(peer), { code: 'authority-withdrawn' })
  credentials.set({ ...credentials.current, bundles: ca.bundles() })
  policy.set({ revocations: { serials: new Map([['00', 'x']]), ids: new Map([[parseSpiffeId(`${peer.id}2`), 'y']]) } })
  t.equal(distrust.of(peer), undefined, 'others are none of its business')
  policy.set({ revocations: { serials: new Map(), ids: new Map([[peer.id, 'Revocation/default/b']]) } })
  t.match(distrust.of(peer), { code: 'svid-revoked', expected: /default\/b/ })
  t.equal(changes, 5)
  stop()
  policy.set({ revocations: noRevocations })
  credentials.set({ ...credentials.current })
  t.equal(changes, 5)
})
