import t from 'tap'
import { parseBundle } from '../../../src/identity/bundle.ts'
import { describePresented, expectedRoots, listed } from '../../../src/identity/presented.ts'
import { makeTestCa } from '../../fixtures/ca.ts'

const ca = makeTestCa('td.example')
const intermediate = ca.intermediate()

t.test('what is read of a chain', async (t) => {
  const { chainDer } = intermediate.issue('/web')
  const below = describePresented(chainDer)
  t.match(below, {
    ids: ['spiffe://td.example/web'],
    serial: /^[0-9a-f]+$/,
    fingerprint: /^[0-9a-f]{64}$/,
    certificates: 2,
    issuerKeyId: ca.bundle().authorities[0]?.subjectKeyId?.toString('hex'),
  })
  t.equal(below?.rootFingerprint, undefined)
  const withRoot = describePresented([...chainDer, ca.der])
  t.equal(withRoot?.rootFingerprint, ca.bundle().authorities[0]?.fingerprint)
  t.equal(describePresented([]), undefined)
  t.equal(describePresented([Buffer.of(1)]), undefined)
  t.match(describePresented([chainDer[0]!, Buffer.of(1)]), { certificates: 2 })
})

t.test('what a stranger wrote into its certificate is cut and cannot forge a line', async (t) => {
  const uris = [
    `spiffe://td.example/${'x'.repeat(3000)}`,
    'spiffe://td.example/\n\u001b[2J',
    'spiffe://td.example/third',
  ]
  const ids = describePresented(ca.issue('/web', { uris }).chainDer)?.ids ?? []
  t.equal(ids.length, 2)
  for (const id of ids) t.match(id, /^[ -~]{1,256}$/)
})

t.test('what would have been accepted', async (t) => {
  const bundles = new Map([...ca.bundles(), ...makeTestCa('partner.example').bundles()])
  const of = (id: string): string => expectedRoots(describePresented(ca.issue(id).chainDer), bundles)
  const [root] = ca.bundle().authorities
  t.equal(
    of('/web'),
    `one of the roots of td.example: ${root?.fingerprint.slice(0, 16)} (key ${root?.subjectKeyId?.toString('hex')})`,
  )
  t.equal(of('spiffe://foreign.example/web'), 'one of the trust domains td.example, partner.example')
  t.equal(expectedRoots(undefined, bundles), 'one of the trust domains td.example, partner.example')
  const empty = parseBundle({ trustDomain: 'td.example', authorities: [], sequence: 1 })
  t.equal(
    expectedRoots(describePresented(ca.issue('/web').chainDer), new Map([[empty.trustDomain, empty]])),
    'one of the roots of td.example: none',
  )
  t.equal(listed(['a', 'b', 'c', 'd', 'e', 'f']), 'a, b, c, d and 2 more')
})
