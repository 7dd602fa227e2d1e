import { generateKeyPairSync } from 'node:crypto'
import t from 'tap'
import { bundleParts, parseBundle } from '../../../src/identity/bundle.ts'
import { emptyName } from '../../../src/identity/x509.ts'
import { makeTestCa, type Overrides } from '../../fixtures/ca.ts'

const ca = makeTestCa('td.example')
const root = (overrides: Overrides): Buffer => makeTestCa('td.example', overrides).der

t.test('a bundle', async (t) => {
  const bundle = parseBundle({
    trustDomain: 'td.example',
    authorities: [ca.der, ca.der, ca.intermediate().der],
    sequence: 7,
  })
  t.equal(bundle.trustDomain, 'td.example')
  t.equal(bundle.sequence, 7)
  t.equal(bundle.authorities.length, 2, 'the same certificate counts once')
  t.ok(Object.isFrozen(bundle) && Object.isFrozen(bundle.authorities))
  t.same(
    parseBundle({ trustDomain: 'td.example', authorities: [], sequence: 0 }).authorities,
    [],
    'one that trusts nobody',
  )
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
      () => parseBundle({ trustDomain: 'td.example', authorities: [ca.der, der], sequence: 1 }),
      { code: 'bundle-not-authority', place: 'x509_authorities[1]' },
      `certificate ${index}`,
    )
  t.throws(() => parseBundle({ trustDomain: 'td.example', authorities: [Buffer.of(1)], sequence: 1 }), {
    code: 'certificate-malformed',
  })
  t.throws(() => parseBundle({ trustDomain: 'TD.example', authorities: [ca.der], sequence: 1 }), {
    code: 'spiffe-id-trust-domain-character',
  })
  t.throws(() => parseBundle({ trustDomain: 'td.example', authorities: [ca.der], sequence: -1 }), {
    code: 'bundle-sequence',
  })
  t.throws(() => parseBundle({ trustDomain: 'td.example', authorities: [ca.der], sequence: 0.5 }), {
    code: 'bundle-sequence',
  })
  t.throws(
    () =>
      parseBundle({ trustDomain: 'td.example', authorities: Array.from({ length: 65 }, () => ca.der), sequence: 1 }),
    {
      code: 'bundle-too-many-authorities',
    },
  )
})

const spki = (namedCurve: string): Buffer =>
  generateKeyPairSync('ec', { namedCurve }).publicKey.export({ type: 'spki', format: 'der' })

t.test('tainted authorities and JWT authorities travel', async (t) => {
  const other = makeTestCa('td.example')
  const parts = {
    trustDomain: 'td.example',
    authorities: [ca.der, other.der],
    tainted: [
      parseBundle({ trustDomain: 'td.example', authorities: [ca.der], sequence: 1 }).authorities[0]!.fingerprint,
    ],
    jwtAuthorities: [
      { keyId: 'a', publicKey: spki('P-256') },
      { keyId: 'b', publicKey: spki('P-256') },
    ],
    sequence: 3,
  }
  const bundle = parseBundle(parts)
  t.same([...bundle.tainted], parts.tainted)
  t.same([...bundle.jwtAuthorities.keys()], ['a', 'b'])
  t.same(bundleParts(bundle), parts)
})

t.test('what cannot be tainted, and what cannot sign a JWT-SVID', async (t) => {
  const parts = { trustDomain: 'td.example', authorities: [ca.der], sequence: 1 }
  const publicKey = spki('P-256')
  const twice = [
    { keyId: 'a', publicKey },
    { keyId: 'a', publicKey },
  ]
  t.throws(() => parseBundle({ ...parts, tainted: ['00'] }), { code: 'bundle-tainted-unknown' })
  t.throws(() => parseBundle({ ...parts, jwtAuthorities: twice }), {
    code: 'bundle-key-id',
    place: 'jwt_authorities[1]',
  })
  for (const keyId of ['', 'x'.repeat(257)])
    t.throws(() => parseBundle({ ...parts, jwtAuthorities: [{ keyId, publicKey }] }), { code: 'bundle-key-id' })
  t.throws(() => parseBundle({ ...parts, jwtAuthorities: [{ keyId: 'a', publicKey: spki('P-384') }] }), {
    code: 'bundle-jwt-key',
    place: 'jwt_authorities[0]',
  })
  for (const bytes of [Buffer.of(), Buffer.of(0x30), Buffer.concat([publicKey, Buffer.of(0)]), Buffer.alloc(4096)])
    t.throws(() => parseBundle({ ...parts, jwtAuthorities: [{ keyId: 'a', publicKey: bytes }] }), {
      code: 'key-invalid',
    })
})
