import { createPublicKey, generateKeyPairSync, X509Certificate } from 'node:crypto'
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { type CertificateAuthority, openAuthority } from '../../../../src/control/ca/authority.ts'
import { buildCsr, parseCsr } from '../../../../src/identity/csr.ts'
import { parseSpiffeId, parseTrustDomain } from '../../../../src/identity/spiffe-id.ts'
import { verifyPeer } from '../../../../src/identity/verify.ts'
import { TestClock } from '../../../fixtures/clock.ts'
import { makeKey, makeTestCa } from '../../../fixtures/ca.ts'

const trustDomain = parseTrustDomain('td.example')
const id = parseSpiffeId('spiffe://td.example/ns/default/sa/web')
const DAY = 86_400_000
const names = ['intermediate.key', 'intermediate.pem', 'root.key', 'root.pem']

/** An empty folder for the data of a control server. */
function dataDir(t: Test): string {
  const folder = mkdtempSync(join(tmpdir(), 'outrider-ca-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

const file = (folder: string, name: string): string => join(folder, 'ca', name)

function issue(ca: CertificateAuthority, clock: TestClock, ttlMs: number = DAY): ReturnType<typeof ca.issue> {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  return ca.issue(parseCsr(buildCsr(privateKey, id)), ttlMs, clock.now())
}

t.test('the first start makes a CA, later ones open it', async (t) => {
  const folder = dataDir(t)
  const clock = new TestClock()
  const made = openAuthority(folder, trustDomain, clock)
  t.same(readdirSync(join(folder, 'ca')).toSorted(), names)
  t.equal(statSync(join(folder, 'ca')).mode & 0o777, 0o700)
  for (const name of names) t.equal(statSync(file(folder, name)).mode & 0o777, 0o600, name)
  t.same(readdirSync(folder), ['ca'], 'nothing else is left')

  const root = new X509Certificate(made.rootDer)
  const intermediate = new X509Certificate(made.intermediateDer)
  t.ok(root.ca && root.checkIssued(root) && root.verify(root.publicKey))
  t.ok(intermediate.ca && intermediate.checkIssued(root) && intermediate.verify(root.publicKey))
  for (const certificate of [root, intermediate]) t.equal(certificate.subjectAltName, 'URI:spiffe://td.example')
  t.equal(made.rootNotAfterMs, clock.now() + 3650 * DAY)
  t.equal(made.intermediateNotAfterMs, clock.now() + 365 * DAY)
  t.equal(made.rootFingerprint, root.fingerprint256.replaceAll(':', '').toLowerCase())
  t.match(made.bundle(), { trustDomain, sequence: 1, authorities: [{ fingerprint: made.rootFingerprint }] })

  clock.advance(DAY)
  const opened = openAuthority(folder, trustDomain, clock)
  t.same(opened.rootDer, made.rootDer)
  t.same(opened.intermediateDer, made.intermediateDer)
})

t.test('what is issued', async (t) => {
  const clock = new TestClock()
  const ca = openAuthority(dataDir(t), trustDomain, clock)
  const bundles = new Map([[trustDomain, ca.bundle()]])
  const issued = issue(ca, clock)
  t.match(issued, { notBeforeMs: clock.now() - 20_000, notAfterMs: clock.now() + DAY })
  const peer = verifyPeer(issued.chain, bundles, clock.now())
  t.match(peer, { kind: 'verified', id, serial: issued.serial, authorityFingerprint: ca.rootFingerprint })
  t.equal(verifyPeer(issued.chain, bundles, clock.now() - 20_000).kind, 'verified', 'for a peer 20 s behind')
  const serials = Array.from({ length: 50 }, () => issue(ca, clock).serial)
  t.equal(new Set(serials).size, 50)
  t.ok(
    serials.every((serial) => serial.length > 24),
    'random numbers of 128 bits',
  )

  t.equal(issue(ca, clock, 1000 * DAY).notAfterMs, ca.intermediateNotAfterMs, 'not longer than the intermediate')
  const publicKey = createPublicKey(makeKey('p256'))
  const foreign = parseSpiffeId('spiffe://other.example/a')
  t.throws(() => ca.issue({ id: foreign, publicKey }, DAY, clock.now()), { code: 'ca-trust-domain' })
  t.throws(() => ca.issue({ id: parseSpiffeId('spiffe://td.example'), publicKey }, DAY, clock.now()), {
    code: 'ca-trust-domain',
  })
  for (const ttl of [0, -1, Number.NaN]) t.throws(() => issue(ca, clock, ttl), { code: 'ca-ttl' })
  clock.advance(366 * DAY)
  t.throws(() => issue(ca, clock), { code: 'ca-expired' })
})

t.test('the intermediate is signed anew in the last third of its life, and after it', async (t) => {
  for (const days of [243, 244, 400]) {
    const folder = dataDir(t)
    const clock = new TestClock()
    const first = openAuthority(folder, trustDomain, clock)
    clock.advance(days * DAY)
    const second = openAuthority(folder, trustDomain, clock)
    t.same(second.rootDer, first.rootDer, 'the root stays')
    if (days === 243) {
      t.same(second.intermediateDer, first.intermediateDer)
      continue
    }
    t.equal(second.intermediateNotAfterMs, clock.now() + 365 * DAY)
    t.same(openAuthority(folder, trustDomain, clock).intermediateDer, second.intermediateDer, 'and was kept')
    t.same(readdirSync(join(folder, 'ca')).toSorted(), names)
    t.equal(
      verifyPeer(issue(second, clock).chain, new Map([[trustDomain, first.bundle()]]), clock.now()).kind,
      'verified',
    )
  }
})

t.test('the intermediate ends with the root', async (t) => {
  const folder = dataDir(t)
  const clock = new TestClock()
  const { rootNotAfterMs } = openAuthority(folder, trustDomain, clock)
  clock.advance(3649 * DAY)
  t.equal(openAuthority(folder, trustDomain, clock).intermediateNotAfterMs, rootNotAfterMs)
  clock.advance(2 * DAY)
  t.throws(() => openAuthority(folder, trustDomain, clock), { code: 'ca-expired', message: /expired on 20/ })
})

t.test('a damaged CA is refused in one line and never replaced', async (t) => {
  const clock = new TestClock()
  const whole = dataDir(t)
  openAuthority(whole, trustDomain, clock)
  const other = dataDir(t)
  openAuthority(other, trustDomain, clock)
  const take = (folder: string, name: string): void => copyFileSync(file(other, name), file(folder, name))
  const foreignRoot = makeTestCa('other.example')

  const damages: readonly (readonly [string, string, (folder: string) => void])[] = [
    ...names.map((name) => ['ca-file-missing', `no ${name}`, (folder: string) => rmSync(file(folder, name))] as const),
    ...names.map(
      (name) =>
        ['ca-file-corrupt', `an empty ${name}`, (folder: string) => writeFileSync(file(folder, name), '')] as const,
    ),
    [
      'ca-file-corrupt',
      'half a certificate',
      (folder) => writeFileSync(file(folder, 'root.pem'), readFileSync(file(whole, 'root.pem')).subarray(0, 300)),
    ],
    [
      'ca-file-corrupt',
      'two certificates',
      (folder) => writeFileSync(file(folder, 'root.pem'), readFileSync(file(whole, 'root.pem'), 'utf8').repeat(2)),
    ],
    [
      'ca-file-corrupt',
      'half a key',
      (folder) => writeFileSync(file(folder, 'root.key'), readFileSync(file(whole, 'root.key')).subarray(0, 100)),
    ],
    [
      'ca-file-unreadable',
      'a folder in place of a file',
      (folder) => {
        rmSync(file(folder, 'root.pem'))
        mkdirSync(file(folder, 'root.pem'))
      },
    ],
    [
      'ca-file-unreadable',
      'a file that is too long',
      (folder) => writeFileSync(file(folder, 'root.pem'), 'x'.repeat(70_000)),
    ],
    ['ca-key-exposed', 'the root key is readable by the group', (folder) => chmodSync(file(folder, 'root.key'), 0o640)],
    [
      'ca-key-exposed',
      'the intermediate key is readable by all',
      (folder) => chmodSync(file(folder, 'intermediate.key'), 0o604),
    ],
    ['ca-key-mismatch', 'the root key of another CA', (folder) => take(folder, 'root.key')],
    ['ca-key-mismatch', 'the intermediate key of another CA', (folder) => take(folder, 'intermediate.key')],
    [
      'ca-invalid',
      'the root of another CA',
      (folder) => {
        take(folder, 'root.pem')
        take(folder, 'root.key')
      },
    ],
    [
      'ca-trust-domain',
      'the root of another trust domain',
      (folder) => {
        writeFileSync(file(folder, 'root.pem'), foreignRoot.pem)
        writeFileSync(file(folder, 'root.key'), foreignRoot.privateKey.export({ type: 'pkcs8', format: 'pem' }))
      },
    ],
  ]
  for (const [code, name, damage] of damages) {
    const folder = dataDir(t)
    mkdirSync(join(folder, 'ca'))
    for (const name of names) copyFileSync(file(whole, name), file(folder, name))
    t.equal(openAuthority(folder, trustDomain, clock).rootFingerprint.length, 64)
    damage(folder)
    const left = readdirSync(join(folder, 'ca')).toSorted()
    t.throws(() => openAuthority(folder, trustDomain, clock), { code, message: /^[^\n]{10,300}$/ }, `${code}: ${name}`)
    t.same(readdirSync(join(folder, 'ca')).toSorted(), left, 'and nothing is written')
  }
  t.throws(() => openAuthority(whole, parseTrustDomain('other.example'), clock), { code: 'ca-trust-domain' })
  clock.step(-2 * DAY)
  t.throws(() => openAuthority(whole, trustDomain, clock), { code: 'ca-invalid', message: /not valid before/ })
})

t.test('a start that was cut short leaves nothing that is mistaken for a CA', async (t) => {
  const folder = dataDir(t)
  mkdirSync(join(folder, 'ca.unfinished'))
  writeFileSync(join(folder, 'ca.unfinished', 'root.key'), 'half')
  const made = openAuthority(folder, trustDomain, new TestClock())
  t.equal(made.trustDomain, trustDomain)
  t.notOk(existsSync(join(folder, 'ca.unfinished')))
  rmSync(join(folder, 'ca'), { recursive: true })
  mkdirSync(join(folder, 'ca'))
  t.not(
    openAuthority(folder, trustDomain, new TestClock()).rootFingerprint,
    made.rootFingerprint,
    'an empty folder is none',
  )
})

t.test('a folder that cannot be written', async (t) => {
  const folder = dataDir(t)
  writeFileSync(join(folder, 'file'), '')
  t.throws(() => openAuthority(join(folder, 'file'), trustDomain, new TestClock()), {
    code: 'ca-write-failed',
    source: 'dependency',
  })
})
