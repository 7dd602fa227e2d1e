// Certification requests, good, bad and random, to the CA: a refusal has a code, and what is signed is ours to the last byte.
import { createPublicKey } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { CertificateAuthority } from '../../src/control/ca/certificate-authority.ts'
import { context, contextConstructed, encode, oid, sequence } from '../../src/identity/asn1.ts'
import { buildCsr, parseCsr } from '../../src/identity/csr.ts'
import {
  authorityKeyIdentifier,
  basicConstraints,
  extendedKeyUsage,
  extension,
  keyUsage,
  keyUsageBits,
  oids,
  subjectKeyIdentifier,
  uriAltNames,
} from '../../src/identity/extension.ts'
import { parseSpiffeId, parseTrustDomain, type SpiffeId } from '../../src/identity/spiffe-id.ts'
import {
  buildCertificate,
  type Certificate,
  emptyName,
  encodeName,
  parseCertificate,
  serialText,
  subjectKeyOf,
} from '../../src/identity/x509.ts'
import { OutriderError } from '../../src/lib/errors.ts'
import { makeKey } from '../fixtures/ca.ts'
import { TestClock } from '../fixtures/clock.ts'
import { altNames, attribute, dnsName, makeCsr, type Request, uriName } from '../fixtures/csr.ts'
import { beginCase, below, pick, seconds, seed, Tally } from '../fixtures/fuzz.ts'

console.log(`seed ${seed}`)

const TRUST_DOMAIN = 'td.example'
const HOUR_MS = 3_600_000
/** Far more than any of it takes, on a machine that others use. */
const SLOW_MS = 2000
const keys = [makeKey('p256'), makeKey('p256'), makeKey('p384'), makeKey('rsa2048')] as const
const letters = [
  'a',
  'B',
  '0',
  '-',
  '_',
  '.',
  '/',
  '//',
  '..',
  '%41',
  '\0',
  ' ',
  '?',
  '#',
  '@',
  ':',
  '\u00e9',
  'x'.repeat(300),
]

function text(): string {
  let all = ''
  for (let count = below(6); count >= 0; count -= 1) all += pick(...letters)
  return all
}

function someId(): string {
  return pick(
    `spiffe://${TRUST_DOMAIN}/ns/default/sa/web`,
    `spiffe://${TRUST_DOMAIN}/${'a'.repeat(1 + below(2100))}`,
    `spiffe://${TRUST_DOMAIN}/${text()}`,
    `spiffe://${TRUST_DOMAIN}`,
    `spiffe://${text()}/web`,
    'spiffe://other.example/web',
    text(),
  )
}

function someExtension(): Buffer {
  return pick(
    () => altNames(uriName(someId())),
    () => altNames(uriName(someId()), pick(dnsName('web'), uriName(someId()), encode(context(7), Buffer.alloc(4)))),
    () => altNames(),
    () => basicConstraints({ ca: true, pathLength: below(3) }),
    () => keyUsage(1 << below(8)),
    () => extendedKeyUsage([oids.anyExtendedKeyUsage]),
    () => extension(oids.nameConstraints, true, sequence(encode(contextConstructed(0)))),
    () => extension(pick('2a0301', '551d11', '550403'), below(2) === 0, bytes(30)),
  )()
}

function bytes(most: number): Buffer {
  return Buffer.from(Array.from({ length: below(most + 1) }, () => below(256)))
}

function listOf<T>(most: number, make: () => T): T[] {
  return Array.from({ length: below(most + 1) }, make)
}

/** Well formed, and signed as it should be, most of the time. */
function someRequest(): Buffer {
  const key = pick(keys[0], keys[0], keys[0], ...keys)
  const one = (): Buffer[] => [altNames(uriName(someId()))]
  const request: Request = {
    key,
    extensions: pick(one, one, () => listOf(3, someExtension))(),
    ...(below(8) === 0 && {
      attributes: listOf(3, () =>
        attribute(listOf(2, someExtension), pick('2a864886f70d01090e', '2a864886f70d010907')),
      ),
    }),
    ...(below(8) === 0 && { version: pick(Buffer.from('020101', 'hex'), bytes(8)) }),
    ...(below(8) === 0 && { subject: pick(encodeName('o', text()), sequence(oid('550403')), bytes(8)) }),
    ...(below(8) === 0 && { signWith: keys[1] }),
  }
  return makeCsr(request)
}

function mutant(der: Buffer): Buffer {
  const at = below(der.length + 1)
  const removed = pick(0, 0, 1, 1, 2, 16)
  const inserted = pick(Buffer.alloc(0), bytes(1), bytes(8), der.subarray(below(der.length + 1)).subarray(0, below(64)))
  return Buffer.concat([der.subarray(0, at), inserted, der.subarray(at + removed)])
}

/** The very certificate that follows from the ID, the key and the issuer, but for its serial number and its signature. */
function expected(issued: Certificate, id: SpiffeId, csr: Buffer, issuer: Certificate): Buffer {
  const { spki, keyId } = subjectKeyOf(parseCsr(csr).publicKey)
  const whole = buildCertificate(
    {
      serial: Buffer.from(issued.serial, 'hex'),
      issuer: issuer.subject,
      subject: emptyName,
      notBeforeMs: issued.notBeforeMs,
      notAfterMs: issued.notAfterMs,
      spki,
      extensions: [
        keyUsage(keyUsageBits.digitalSignature),
        extendedKeyUsage([oids.serverAuth, oids.clientAuth]),
        basicConstraints({ ca: false }),
        authorityKeyIdentifier(issuer.subjectKeyId!),
        subjectKeyIdentifier(keyId),
        uriAltNames([id], true),
      ],
    },
    () => issued.signature,
  )
  return whole
}

t.test('what is asked of the CA', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'outrider-fuzz-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const clock = new TestClock()
  const authority = CertificateAuthority.open(folder, parseTrustDomain(TRUST_DOMAIN), clock)
  const issuer = authority.active.signers[0]!
  const good = buildCsr(keys[0], parseSpiffeId(`spiffe://${TRUST_DOMAIN}/ns/default/sa/web`))
  const tally = new Tally()
  const serials = new Set<string>()
  let slowest = 0
  const heapBefore = process.memoryUsage().heapUsed
  for (const end = performance.now() + seconds * 1000; performance.now() < end; ) {
    const from = beginCase()
    const csr = pick(
      () => mutant(good),
      () => mutant(someRequest()),
      someRequest,
      someRequest,
      someRequest,
      () => bytes(pick(8, 200, 5000)),
    )()
    const start = performance.now()
    try {
      const wanted = parseCsr(csr)
      const { chain, serial } = authority.issue(wanted, HOUR_MS, clock.now())
      tally.add('signed')
      const issued = parseCertificate(chain[0]!)
      if (!issued.der.equals(expected(issued, wanted.id, csr, issuer)))
        t.fail(`seed ${from}: not made by us: ${csr.toString('hex')}`)
      if (!csr.includes(wanted.id)) t.fail(`seed ${from}: an ID that was not asked for`)
      if (
        !issued.publicKey.key.equals(createPublicKey(keys[0])) &&
        !issued.publicKey.key.equals(createPublicKey(keys[1]))
      )
        t.fail(`seed ${from}: a key that nobody proved to have`)
      if (issued.serial !== serial || serial !== serialText(Buffer.from(serial, 'hex')) || serials.has(serial))
        t.fail(`seed ${from}: a serial number that is not told, or not new`)
      if (serials.size < 100_000) serials.add(serial)
    } catch (thrown) {
      if (!(thrown instanceof OutriderError)) throw thrown
      if (!/^(?:csr|key|spiffe-id|signature-algorithm|ca-trust-domain)/.test(thrown.code))
        t.fail(`seed ${from}: ${thrown.code}`)
      if (!/^[ -~]{1,600}$/.test(thrown.message)) t.fail(`seed ${from}: a message for no log: ${thrown.message}`)
      tally.add(thrown.code)
    }
    slowest = Math.max(slowest, performance.now() - start)
  }
  t.ok(slowest < SLOW_MS, `no request takes longer than ${SLOW_MS} ms, the slowest ${slowest.toFixed(1)} ms`)
  const grownMb = (process.memoryUsage().heapUsed - heapBefore) / 1e6
  t.ok(grownMb < 200, `the heap does not grow: ${grownMb.toFixed(0)} MB`)
  console.log(`note: ${tally.text}; the slowest ${slowest.toFixed(1)} ms`)
})
