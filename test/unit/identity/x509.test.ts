import { execFileSync } from 'node:child_process'
import { createPublicKey, X509Certificate } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { basicConstraints, keyUsage, keyUsageBits, uriAltNames } from '../../../src/identity/extension.ts'
import {
  buildCertificate,
  ecdsaSigner,
  emptyName,
  encodeName,
  fromPem,
  isEmptyName,
  parseCertificate,
  serialText,
  splitDer,
  subjectKeyOf,
  toPem,
} from '../../../src/identity/x509.ts'
import { makeKey, makeTestCa } from '../../fixtures/ca.ts'

const key = makeKey('p256')

function build(notBeforeMs: number, notAfterMs: number): Buffer {
  return buildCertificate(
    {
      serial: Buffer.from('80ff', 'hex'),
      issuer: encodeName('td.example', 'issuer'),
      subject: emptyName,
      notBeforeMs,
      notAfterMs,
      spki: subjectKeyOf(createPublicKey(key)).spki,
      extensions: [
        basicConstraints({ ca: true, pathLength: 3 }),
        keyUsage(keyUsageBits.keyCertSign | keyUsageBits.crlSign),
        uriAltNames(['spiffe://td.example/a'], true),
      ],
    },
    ecdsaSigner(key),
  )
}

t.test('what is built is read again, by us and by OpenSSL', async (t) => {
  const notBeforeMs = Date.UTC(2049, 11, 31, 23, 59, 59)
  const notAfterMs = Date.UTC(2050, 0, 1)
  const der = build(notBeforeMs, notAfterMs)
  const certificate = parseCertificate(der)
  t.match(certificate, {
    serial: '80ff',
    notBeforeMs,
    notAfterMs,
    basicConstraints: { critical: true, ca: true, pathLength: 3 },
    keyUsage: { critical: true, digitalSignature: false, keyCertSign: true, crlSign: true },
    altNames: { critical: true, uris: ['spiffe://td.example/a'], dnsNames: [], others: 0 },
    unknownCritical: [],
    signatureAlgorithm: { name: 'ecdsa-sha256' },
    publicKey: { kind: 'p256', bits: 256 },
  })
  t.ok(isEmptyName(certificate.subject))
  t.same(certificate.der, der)

  const openssl = new X509Certificate(der)
  t.ok(openssl.verify(createPublicKey(key)))
  t.equal(openssl.serialNumber.toLowerCase(), certificate.serial)
  t.equal(openssl.subjectAltName, 'URI:spiffe://td.example/a')
  t.equal(openssl.validFromDate.getTime(), notBeforeMs)
  t.equal(openssl.validToDate.getTime(), notAfterMs)
  t.equal(openssl.fingerprint256.replaceAll(':', '').toLowerCase(), certificate.fingerprint)
  t.equal(openssl.ca, true)
})

t.test('times are cut to whole seconds', async (t) => {
  const certificate = parseCertificate(
    build(Date.UTC(1999, 0, 1, 0, 0, 0, 999), Date.UTC(9999, 11, 31, 23, 59, 59, 999)),
  )
  t.equal(certificate.notBeforeMs, Date.UTC(1999, 0, 1))
  t.equal(certificate.notAfterMs, Date.UTC(9999, 11, 31, 23, 59, 59))
})

t.test('serial numbers as text', async (t) => {
  t.equal(serialText(Buffer.of(0, 0x80, 0)), '8000')
  t.equal(serialText(Buffer.of(0, 0, 1)), '01')
  t.equal(serialText(Buffer.of(0)), '00')
})

t.test('key identifiers are those of RFC 7093 method 1', async (t) => {
  const ca = makeTestCa('td.example')
  const certificate = parseCertificate(ca.der)
  t.same(certificate.subjectKeyId, subjectKeyOf(certificate.publicKey.key).keyId)
  t.equal(certificate.subjectKeyId?.length, 20)
})

t.test('PEM', async (t) => {
  const ca = makeTestCa('td.example')
  const { chainDer, chainPem } = ca.intermediate().issue('/a')
  t.same(fromPem(chainPem), chainDer)
  t.equal(toPem(fromPem(chainPem)), chainPem)
  t.same(fromPem(chainPem.replaceAll('\n', '\r\n')), chainDer)
  t.ok(new X509Certificate(chainPem).checkIssued(new X509Certificate(toPem(chainDer.slice(1)))))
  for (const text of ['', 'noise', `noise\n${chainPem}`, `${chainPem}noise`, chainPem.slice(0, -30)])
    t.throws(() => fromPem(text), { code: 'certificate-malformed' })
})

t.test('openssl verify -x509_strict accepts our chains', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'outrider-x509-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const root = makeTestCa('td.example')
  const [leaf, ...intermediates] = root.intermediate().intermediate().issue('/ns/default/sa/web').chainDer
  writeFileSync(join(folder, 'root.pem'), root.pem)
  writeFileSync(join(folder, 'intermediates.pem'), toPem(intermediates))
  writeFileSync(join(folder, 'leaf.pem'), toPem([leaf!]))
  const args = ['verify', '-x509_strict', '-CAfile', 'root.pem', '-untrusted', 'intermediates.pem', 'leaf.pem']
  try {
    const said = execFileSync('openssl', args, { cwd: folder, encoding: 'utf8', stdio: 'pipe' })
    t.equal(said, 'leaf.pem: OK\n')
  } catch (thrown) {
    if (!(thrown instanceof Error && 'code' in thrown && thrown.code === 'ENOENT')) throw thrown
    t.pass('not run: there is no openssl program')
  }
})

t.test('certificates that stand one after the other are taken apart by their lengths', async (t) => {
  const one = makeTestCa('one.test').der
  const two = makeTestCa('two.test').der
  t.same(splitDer(Buffer.concat([one, two])), [one, two])
  t.same(splitDer(Buffer.alloc(0)), [])
  t.same(splitDer(Buffer.from('3000', 'hex')), [Buffer.from('3000', 'hex')])
  for (const broken of ['30', '3001', '300100ff', '31003000', '3080', '308400000000', '3081', '308203']) {
    t.throws(() => splitDer(Buffer.from(broken, 'hex')), { code: 'certificate-malformed' }, broken)
  }
  t.throws(() => splitDer(one.subarray(0, -1)), { code: 'certificate-malformed' })
  t.throws(() => splitDer(Buffer.from('3000'.repeat(65), 'hex')), { code: 'certificate-malformed', message: /64/ })
})
