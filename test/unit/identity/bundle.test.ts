import t from 'tap'
import { parseBundle } from '../../../src/identity/bundle.ts'
import { emptyName } from '../../../src/identity/x509.ts'
import { makeTestCa, type Overrides } from '../../fixtures/ca.ts'

const ca = makeTestCa('td.example')
const root = (overrides: Overrides): Buffer => makeTestCa('td.example', overrides).der

t.test('a bundle', async (t) => {
  const bundle = parseBundle('td.example', [ca.der, ca.der, ca.intermediate().der], 7)
  t.equal(bundle.trustDomain, 'td.example')
  t.equal(bundle.sequence, 7)
  t.equal(bundle.authorities.length, 2, 'the same certificate counts once')
  t.ok(Object.isFrozen(bundle) && Object.isFrozen(bundle.authorities))
  t.same(parseBundle('td.example', [], 0).authorities, [], 'one that trusts nobody')
})

t.test('what is not a bundle', async (t) => {
  const notAuthorities = [
    ca.issue('/a').chainDer[0]!,
    root({ ca: false }),
    root({ keyUsage: 'none' }),
    root({ keyUsage: 0x80 }),
    root({ subject: emptyName, altNamesCritical: true }),
    root({ uris: ['spiffe://other.example'] }),
    root({ uris: ['spiffe://td.example/a'] }),
    makeTestCa('other.example').der,
  ]
  for (const [index, der] of notAuthorities.entries())
    t.throws(
      () => parseBundle('td.example', [ca.der, der], 1),
      { code: 'bundle-not-authority', place: 'x509_authorities[1]' },
      `certificate ${index}`,
    )
  t.throws(() => parseBundle('td.example', [Buffer.of(1)], 1), { code: 'certificate-malformed' })
  t.throws(() => parseBundle('TD.example', [ca.der], 1), { code: 'spiffe-id-trust-domain-character' })
  t.throws(() => parseBundle('td.example', [ca.der], -1), { code: 'bundle-sequence' })
  t.throws(() => parseBundle('td.example', [ca.der], 0.5), { code: 'bundle-sequence' })
  t.throws(
    () =>
      parseBundle(
        'td.example',
        Array.from({ length: 65 }, () => ca.der),
        1,
      ),
    {
      code: 'bundle-too-many-authorities',
    },
  )
})
