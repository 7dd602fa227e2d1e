import { createPublicKey, X509Certificate } from 'node:crypto'
import t from 'tap'
import { loadSvid, validateLeaf } from '../../../src/identity/svid.ts'
import { parseCertificate } from '../../../src/identity/x509.ts'
import { makeKey, makeTestCa } from '../../fixtures/ca.ts'

const ca = makeTestCa('td.example')
const NOW = Date.UTC(2026, 5, 1)

t.test('our own certificate is loaded by the rules that peers apply', async (t) => {
  const { chainDer, chainPem, privateKey } = ca.intermediate().issue('/web', { notAfterMs: NOW + 1000 })
  const svid = loadSvid(chainDer, privateKey, ca.bundles(), NOW)
  t.match(svid, { id: 'spiffe://td.example/web', chainPem, notAfterMs: NOW + 1000, notBeforeMs: Date.UTC(2020, 0, 1) })
  t.equal(svid.serial, new X509Certificate(chainDer[0]!).serialNumber.toLowerCase())
  t.same(svid.chainDer, chainDer)
  t.ok(Object.isFrozen(svid))
  t.equal(validateLeaf(parseCertificate(chainDer[0]!)), svid.id)
})

t.test('what is refused', async (t) => {
  const { chainDer, privateKey } = ca.issue('/web', { notAfterMs: NOW + 1000 })
  t.throws(() => loadSvid(chainDer, makeKey('p256'), ca.bundles(), NOW), { code: 'svid-key-mismatch' })
  t.throws(() => loadSvid(chainDer, createPublicKey(privateKey), ca.bundles(), NOW), { code: 'svid-key-mismatch' })
  t.throws(() => loadSvid(chainDer, privateKey, ca.bundles(), NOW + 2000), { code: 'expired', place: 'X.509-SVID' })
  t.throws(() => loadSvid(chainDer, privateKey, new Map(), NOW), { code: 'trust-domain-unknown' })
  t.throws(() => loadSvid([], privateKey, ca.bundles(), NOW), { code: 'chain-empty' })
})
