import t from 'tap'
import {
  readTrustConfigMap,
  SEQUENCE_ANNOTATION,
  trustConfigMap,
  trustContentOf,
} from '../../../../src/control/kubernetes/trust-config-map.ts'
import { CertificateAuthority } from '../../../../src/control/ca/certificate-authority.ts'
import { TextStorage } from '../../../../src/control/ca/text-storage.ts'
import { fromPem } from '../../../../src/identity/x509.ts'
import { parseTrustDomain } from '../../../../src/identity/spiffe-id.ts'
import { TestClock } from '../../../fixtures/clock.ts'

const metadata = { name: 'outrider-trust', namespace: 'shop' }

t.test('it holds the roots that a control server may show itself under', async (t) => {
  const ca = CertificateAuthority.openIn(new TextStorage('memory'), parseTrustDomain('td.example'), new TestClock())
  const old = ca.active.root.der
  const roots = (): readonly Buffer[] => fromPem(trustContentOf(ca).roots)
  t.same(roots(), [old])
  const next = ca.prepare().authority.root.der
  t.same(roots(), [old, next], 'the next one before it signs')
  ca.activate()
  t.same(roots(), [old, next])
  ca.taint()
  t.same(roots(), [next], 'none that was given up')
  ca.revoke()
  t.same(trustContentOf(ca).sequence, 5)
})

t.test('what is written is read', async (t) => {
  const content = { roots: 'PEM', sequence: 7 }
  t.same(readTrustConfigMap(trustConfigMap(content, 'shop')), content)
})

t.test('anything else counts as nothing', async (t) => {
  const nothing = { roots: '', sequence: 0 }
  const annotated = (text: string): object => ({
    metadata: { ...metadata, annotations: { [SEQUENCE_ANNOTATION]: text } },
  })
  for (const more of [
    {},
    { data: null },
    { data: { 'bundle.pem': 7 } },
    { data: ['x'] },
    annotated('many'),
    annotated('1.5'),
  ])
    t.same(readTrustConfigMap({ metadata, ...more }), nothing)
})
