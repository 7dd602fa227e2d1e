import t from 'tap'
import { errorCodes } from '../../../src/http/h2/frame.ts'
import { farewellText } from '../../../src/mtls/farewell.ts'
import { refusalByPeer } from '../../../src/sidecar/refused-by-peer.ts'
import { makeTestCa } from '../../fixtures/ca.ts'
import { credentialsOf } from '../../fixtures/sidecar.ts'

const NOW = Date.UTC(2026, 0, 1)
const ca = makeTestCa('td.example')
const { svid } = credentialsOf(ca.issue('/web'), ca.bundles())
const text = farewellText({ code: 'expired', message: 'the leaf expired 3 h ago' }, NOW)

t.test('a GOAWAY that says why the peer does not accept us', async (t) => {
  t.match(refusalByPeer(errorCodes.INADEQUATE_SECURITY, text, svid, NOW), {
    reason: 'peer-refused-us',
    theirs: 'expired',
    detail: /^the leaf expired 3 h ago$/,
    presented: { ids: ['spiffe://td.example/web'], serial: svid.serial },
  })
  const skewed = refusalByPeer(errorCodes.INADEQUATE_SECURITY, text, svid, NOW - 3_600_000)
  t.match(skewed?.detail, /^the leaf expired 3 h ago; our clock is 1 h behind the peer's/)
})

t.test('any other GOAWAY', async (t) => {
  t.equal(refusalByPeer(errorCodes.NO_ERROR, text, svid, NOW), undefined)
  t.equal(refusalByPeer(errorCodes.INADEQUATE_SECURITY, '', svid, NOW), undefined)
  t.equal(refusalByPeer(errorCodes.INADEQUATE_SECURITY, 'TLS 1.2 is not enough', svid, NOW), undefined)
})
