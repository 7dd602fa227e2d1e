import { hash } from 'node:crypto'
import t from 'tap'
import { x509Attestor } from '../../../../../src/control/identity/attest/x509.ts'
import { buildCsr } from '../../../../../src/identity/csr.ts'
import { oids } from '../../../../../src/identity/extension.ts'
import { signProof } from '../../../../../src/identity/proof.ts'
import { parseSpiffeId } from '../../../../../src/identity/spiffe-id.ts'
import { encodeName, parseCertificate } from '../../../../../src/identity/x509.ts'
import { makeKey, makeTestCa, type Overrides, type TestLeaf } from '../../../../fixtures/ca.ts'

const wanted = parseSpiffeId('spiffe://test.local/ns/default/sa/web')
const csr = buildCsr(makeKey('p256'), wanted)
const machines = makeTestCa('machines.test')
const below = machines.intermediate()
const attestor = x509Attestor([parseCertificate(machines.der)])
const request = { csr, wanted, nowMs: Date.now() }
const subject = encodeName('Machines', 'host-1')
const machine: Overrides = { uris: ['urn:host:1'], dnsNames: ['host-1.example.org'], subject }

function attest({ chainDer: chain, privateKey }: TestLeaf, signature = signProof(privateKey, csr)): unknown {
  return attestor.attest({ kind: 'x509', chain, signature }, request)
}

t.test('the certificate of a machine proves its names', async (t) => {
  for (const key of ['p256', 'p384', 'rsa2048'] as const) {
    const leaf = below.issue('/machine', { ...machine, key })
    const fingerprint = hash('sha256', leaf.chainDer[0]!, 'hex')
    t.strictSame(
      attest(leaf),
      {
        source: `x509:${fingerprint}`,
        selectors: new Set([
          `x509:subject-sha256:${hash('sha256', subject, 'hex')}`,
          `x509:cert-sha256:${fingerprint}`,
          `x509:root-sha256:${hash('sha256', machines.der, 'hex')}`,
          'x509:dns:host-1.example.org',
          'x509:uri:urn:host:1',
        ]),
      },
      key,
    )
  }
})

const leaf = below.issue('/machine', machine)
const other = makeTestCa('machines.test')
const otherCsr = buildCsr(makeKey('p256'), wanted)

const forged: Readonly<Record<string, () => unknown>> = {
  'a chain to another root of the same name': () => attest(other.intermediate().issue('/machine', machine)),
  'a chain without its intermediate': () => attest({ ...leaf, chainDer: leaf.chainDer.slice(0, 1) }),
  'the root of the stranger comes along': () => {
    const made = other.issue('/machine', machine)
    return attest({ ...made, chainDer: [...made.chainDer, other.der] })
  },
  'an expired certificate': () => attest(below.issue('/machine', { ...machine, notAfterMs: request.nowMs - 1000 })),
  'a certificate of tomorrow': () =>
    attest(below.issue('/machine', { ...machine, notBeforeMs: Date.now() + 86_400_000, ttlMs: 2 * 86_400_000 })),
  'a CA certificate': () =>
    attest({ chainDer: [below.der], privateKey: below.privateKey, chainPem: below.pem, keyPem: '' }),
  'a leaf that is a CA': () => attest(below.issue('/machine', { ...machine, ca: true, keyUsage: 0x84 })),
  'a leaf that signs a leaf': () => {
    const parent = below.issue('/machine', machine)
    return attest(
      below.issue('/machine', { ...machine, issuer: subject, signWith: parent.privateKey, authorityKeyId: 'none' }),
    )
  },
  'a certificate for servers alone': () => attest(below.issue('/machine', { ...machine, eku: [oids.serverAuth] })),
  'a key that may not sign': () => attest(below.issue('/machine', { ...machine, keyUsage: 0x20 })),
  'a small RSA key': () => attest(below.issue('/machine', { ...machine, key: 'rsa1024' })),
  'a proof for another CSR': () => attest(leaf, signProof(leaf.privateKey, otherCsr)),
  'a proof by another key': () => attest(leaf, signProof(makeKey('p256'), csr)),
  'a proof by a key of another kind': () => attest(leaf, signProof(makeKey('rsa2048'), csr)),
  'no proof': () => attest(leaf, Buffer.alloc(0)),
  'no certificate': () => attest({ ...leaf, chainDer: [] }),
  'too many certificates': () => attest({ ...leaf, chainDer: Array.from({ length: 6 }, () => leaf.chainDer[0]!) }),
  'no DER': () => attest({ ...leaf, chainDer: [Buffer.from('hello')] }),
}

t.test(`${Object.keys(forged).length} proofs that are none`, async (t) => {
  for (const [what, show] of Object.entries(forged)) t.throws(show, { code: 'attestation-refused' }, what)
  t.ok(attest(leaf))
})

t.test('without roots nobody is believed', async (t) => {
  const { chainDer: chain, privateKey } = leaf
  const evidence = { kind: 'x509', chain, signature: signProof(privateKey, csr) } as const
  t.throws(() => x509Attestor([]).attest(evidence, request), { code: 'attestation-refused' })
})
