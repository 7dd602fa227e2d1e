import { createPublicKey, generateKeyPairSync, X509Certificate } from 'node:crypto'
import {
  chmodSync,
  copyFileSync,
  cpSync,
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
import { CertificateAuthority } from '../../../../src/control/ca/certificate-authority.ts'
import { buildCsr, parseCsr } from '../../../../src/identity/csr.ts'
import { parseSpiffeId, parseTrustDomain } from '../../../../src/identity/spiffe-id.ts'
import { verifyPeer } from '../../../../src/identity/verify.ts'
import { TestClock } from '../../../fixtures/clock.ts'
import { makeKey, makeTestCa } from '../../../fixtures/ca.ts'

const trustDomain = parseTrustDomain('td.example')
const id = parseSpiffeId('spiffe://td.example/ns/default/sa/web')
const DAY = 86_400_000
const names = ['jwt.key', 'root.key', 'root.pem', 'signer.key', 'signer.pem']

/** An empty folder for the data of a control server. */
function dataDir(t: Test): string {
  const folder = mkdtempSync(join(tmpdir(), 'outrider-ca-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** The folder of the only authority. */
function place(folder: string): string {
  return join(folder, 'ca', readdirSync(join(folder, 'ca')).find((name) => name !== 'authorities.json')!)
}

const tree = (folder: string): readonly string[] =>
  readdirSync(join(folder, 'ca'), { encoding: 'utf8', recursive: true }).toSorted()

const file = (folder: string, name: string): string => join(place(folder), name)

function issue(ca: CertificateAuthority, clock: TestClock, ttlMs: number = DAY): ReturnType<typeof ca.issue> {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  return ca.issue(parseCsr(buildCsr(privateKey, id)), ttlMs, clock.now())
}

t.test('the first start makes a CA, later ones open it', async (t) => {
  const folder = dataDir(t)
  const clock = new TestClock()
  const made = CertificateAuthority.open(folder, trustDomain, clock)
  t.same(readdirSync(join(folder, 'ca')).toSorted(), [made.active.id, 'authorities.json'].toSorted())
  t.same(readdirSync(place(folder)).toSorted(), names)
  for (const path of [join(folder, 'ca'), place(folder)]) t.equal(statSync(path).mode & 0o777, 0o700)
  for (const name of names) t.equal(statSync(file(folder, name)).mode & 0o777, 0o600, name)
  t.same(readdirSync(folder), ['ca'], 'nothing else is left')

  const root = new X509Certificate(made.active.root.der)
  const intermediate = new X509Certificate(made.active.signers[0]!.der)
  t.ok(root.ca && root.checkIssued(root) && root.verify(root.publicKey))
  t.ok(intermediate.ca && intermediate.checkIssued(root) && intermediate.verify(root.publicKey))
  for (const certificate of [root, intermediate]) t.equal(certificate.subjectAltName, 'URI:spiffe://td.example')
  t.equal(made.active.root.notAfterMs, clock.now() + 3650 * DAY)
  t.equal(made.active.signersNotAfterMs, clock.now() + 365 * DAY)
  t.equal(made.active.fingerprint, root.fingerprint256.replaceAll(':', '').toLowerCase())
  t.match(made.bundle.current, { trustDomain, sequence: 1, authorities: [{ fingerprint: made.active.fingerprint }] })

  clock.advance(DAY)
  const opened = CertificateAuthority.open(folder, trustDomain, clock)
  t.same(opened.active.root.der, made.active.root.der)
  t.same(opened.active.signers[0]!.der, made.active.signers[0]!.der)
})

t.test('what is issued', async (t) => {
  const clock = new TestClock()
  const ca = CertificateAuthority.open(dataDir(t), trustDomain, clock)
  const bundles = new Map([[trustDomain, ca.bundle.current]])
  const issued = issue(ca, clock)
  t.match(issued, { notBeforeMs: clock.now() - 20_000, notAfterMs: clock.now() + DAY })
  const peer = verifyPeer(issued.chain, bundles, clock.now())
  t.match(peer, { kind: 'verified', id, serial: issued.serial, authorityFingerprint: ca.active.fingerprint })
  t.equal(verifyPeer(issued.chain, bundles, clock.now() - 20_000).kind, 'verified', 'for a peer 20 s behind')
  const serials = Array.from({ length: 50 }, () => issue(ca, clock).serial)
  t.equal(new Set(serials).size, 50)
  t.ok(
    serials.every((serial) => serial.length > 24),
    'random numbers of 128 bits',
  )

  t.equal(issue(ca, clock, 1000 * DAY).notAfterMs, ca.active.signersNotAfterMs, 'not longer than the intermediate')
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
    const first = CertificateAuthority.open(folder, trustDomain, clock)
    clock.advance(days * DAY)
    const second = CertificateAuthority.open(folder, trustDomain, clock)
    t.same(second.active.root.der, first.active.root.der, 'the root stays')
    if (days === 243) {
      t.same(second.active.signers[0]!.der, first.active.signers[0]!.der)
      continue
    }
    t.equal(second.active.signersNotAfterMs, clock.now() + 365 * DAY)
    t.same(
      CertificateAuthority.open(folder, trustDomain, clock).active.signers[0]!.der,
      second.active.signers[0]!.der,
      'and was kept',
    )
    t.same(readdirSync(place(folder)).toSorted(), names)
    t.equal(
      verifyPeer(issue(second, clock).chain, new Map([[trustDomain, first.bundle.current]]), clock.now()).kind,
      'verified',
    )
  }
})

t.test('the intermediate ends with the root', async (t) => {
  const folder = dataDir(t)
  const clock = new TestClock()
  const rootNotAfterMs = CertificateAuthority.open(folder, trustDomain, clock).active.root.notAfterMs
  clock.advance(3649 * DAY)
  t.equal(CertificateAuthority.open(folder, trustDomain, clock).active.signersNotAfterMs, rootNotAfterMs)
  clock.advance(2 * DAY)
  t.throws(() => CertificateAuthority.open(folder, trustDomain, clock), {
    code: 'ca-expired',
    message: /expired on 20/,
  })
})

t.test('a damaged CA is refused in one line and never replaced', async (t) => {
  const clock = new TestClock()
  const whole = dataDir(t)
  CertificateAuthority.open(whole, trustDomain, clock)
  const other = dataDir(t)
  CertificateAuthority.open(other, trustDomain, clock)
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
    ['ca-key-exposed', 'the signing key is readable by all', (folder) => chmodSync(file(folder, 'signer.key'), 0o604)],
    ['ca-key-mismatch', 'the root key of another CA', (folder) => take(folder, 'root.key')],
    ['ca-key-mismatch', 'the signing key of another CA', (folder) => take(folder, 'signer.key')],
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
    cpSync(join(whole, 'ca'), join(folder, 'ca'), { recursive: true })
    t.equal(CertificateAuthority.open(folder, trustDomain, clock).active.fingerprint.length, 64)
    damage(folder)
    const left = tree(folder)
    t.throws(
      () => CertificateAuthority.open(folder, trustDomain, clock),
      { code, message: /^[^\n]{10,300}$/ },
      `${code}: ${name}`,
    )
    t.same(tree(folder), left, 'and nothing is written')
  }
  t.throws(() => CertificateAuthority.open(whole, parseTrustDomain('other.example'), clock), {
    code: 'ca-trust-domain',
  })
  clock.step(-2 * DAY)
  t.throws(() => CertificateAuthority.open(whole, trustDomain, clock), {
    code: 'ca-invalid',
    message: /not valid before/,
  })
})

t.test('a start that was cut short leaves nothing that is mistaken for a CA', async (t) => {
  const folder = dataDir(t)
  mkdirSync(join(folder, 'ca.unfinished'))
  writeFileSync(join(folder, 'ca.unfinished', 'root.key'), 'half')
  const made = CertificateAuthority.open(folder, trustDomain, new TestClock())
  t.equal(made.trustDomain, trustDomain)
  t.notOk(existsSync(join(folder, 'ca.unfinished')))
  rmSync(join(folder, 'ca'), { recursive: true })
  mkdirSync(join(folder, 'ca'))
  t.not(
    CertificateAuthority.open(folder, trustDomain, new TestClock()).active.fingerprint,
    made.active.fingerprint,
    'an empty folder is none',
  )
})

t.test('a folder that cannot be written', async (t) => {
  const folder = dataDir(t)
  writeFileSync(join(folder, 'file'), '')
  t.throws(() => CertificateAuthority.open(join(folder, 'file'), trustDomain, new TestClock()), {
    code: 'ca-write-failed',
    source: 'dependency',
  })
})

const index = (folder: string): string => join(folder, 'ca', 'authorities.json')

t.test('a damaged index is refused, too', async (t) => {
  const clock = new TestClock()
  const whole = dataDir(t)
  const { id } = CertificateAuthority.open(whole, trustDomain, clock).active
  const entry = { id, state: 'active', sinceMs: 0, keyElsewhere: false }
  const other = { ...entry, id: '0123456789abcdef' }
  const damages: readonly (readonly [string, string, unknown])[] = [
    ['ca-file-corrupt', 'no JSON', '{'],
    ['ca-file-corrupt', 'null', null],
    ['ca-file-corrupt', 'no sequence', { authorities: [entry] }],
    ['ca-file-corrupt', 'a sequence that is no count', { sequence: -1, authorities: [entry] }],
    ['ca-file-corrupt', 'no authority', { sequence: 1, authorities: [] }],
    ['ca-file-corrupt', 'two that are active', { sequence: 1, authorities: [entry, other] }],
    ['ca-file-corrupt', 'the same one twice', { sequence: 1, authorities: [entry, { ...entry, state: 'tainted' }] }],
    ['ca-file-corrupt', 'an unknown state', { sequence: 1, authorities: [entry, { ...other, state: 'ready' }] }],
    ['ca-file-corrupt', 'a path for an id', { sequence: 1, authorities: [{ ...entry, id: `../ca/${id}` }] }],
    ['ca-file-corrupt', 'too many', { sequence: 1, authorities: Array.from({ length: 9 }, () => entry) }],
    ['ca-file-missing', 'one that is not there', { sequence: 1, authorities: [entry, { ...other, state: 'tainted' }] }],
  ]
  for (const [code, name, content] of damages) {
    const folder = dataDir(t)
    cpSync(join(whole, 'ca'), join(folder, 'ca'), { recursive: true })
    writeFileSync(index(folder), typeof content === 'string' ? content : JSON.stringify(content))
    t.throws(() => CertificateAuthority.open(folder, trustDomain, clock), { code, message: /^[^\n]{10,300}$/ }, name)
    t.ok(existsSync(join(folder, 'ca', id, 'root.key')), 'and no key is destroyed')
  }
  const folder = dataDir(t)
  cpSync(join(whole, 'ca'), join(folder, 'ca'), { recursive: true })
  rmSync(index(folder))
  t.throws(() => CertificateAuthority.open(folder, trustDomain, clock), { code: 'ca-file-missing' })
  cpSync(join(whole, 'ca', id), join(folder, 'ca', other.id), { recursive: true })
  writeFileSync(index(folder), JSON.stringify({ sequence: 1, authorities: [other] }))
  t.throws(() => CertificateAuthority.open(folder, trustDomain, clock), { code: 'ca-file-corrupt' })
})

t.test('a root is replaced in four steps, each of which is on disk', async (t) => {
  const folder = dataDir(t)
  const clock = new TestClock()
  let ca = CertificateAuthority.open(folder, trustDomain, clock)
  const seen: number[] = []
  const restart = (): void => {
    ca = CertificateAuthority.open(folder, trustDomain, clock)
    ca.bundle.subscribe(({ sequence }) => seen.push(sequence))
  }
  const states = (): readonly string[] => ca.standings.map(({ state }) => state)
  const verify = (chain: readonly Buffer[]): string =>
    verifyPeer(chain, new Map([[trustDomain, ca.bundle.current]]), clock.now()).kind
  const old = ca.active
  const before = issue(ca, clock).chain
  for (const step of ['activate', 'taint', 'revoke'] as const) t.throws(() => ca[step](), { code: 'ca-state' }, step)

  restart()
  const { authority: prepared } = ca.prepare()
  t.throws(() => ca.prepare(), { code: 'ca-state', message: /prepared already/ })
  restart()
  t.same(states(), ['active', 'prepared'])
  t.equal(ca.active.id, old.id, 'the old one signs')
  t.equal(ca.elder.id, old.id)
  t.same([...ca.bundle.current.jwtAuthorities.keys()], [old.jwtKeyId, prepared.jwtKeyId])
  t.match(verifyPeer(issue(ca, clock).chain, new Map([[trustDomain, ca.bundle.current]]), clock.now()), {
    authorityFingerprint: old.fingerprint,
  })

  t.throws(() => ca.activate(old.id), { code: 'ca-state', message: /is active/ })
  for (const id of ['ffff', prepared.id.slice(0, 3), 'no hex']) t.throws(() => ca.activate(id), { code: 'ca-unknown' })
  ca.activate(prepared.id.slice(0, 6).toUpperCase())
  restart()
  t.same(states(), ['retired', 'active'])
  t.equal(ca.elder.id, old.id, 'tokens that pin the old root are good')
  t.equal(ca.jwtSigner.keyId, prepared.jwtKeyId)
  const after = issue(ca, clock).chain
  t.same([verify(before), verify(after)], ['verified', 'verified'])
  t.equal(ca.issuers.length, 2)
  t.throws(() => ca.revoke(old.id), { code: 'ca-state', message: /retired/ }, 'not before it is tainted')

  ca.taint()
  restart()
  t.same(states(), ['tainted', 'active'])
  t.same([...ca.bundle.current.tainted], [old.fingerprint])
  t.equal(ca.elder.id, prepared.id)
  t.same([verify(before), verify(after)], ['verified', 'verified'], 'still believed')

  ca.revoke()
  t.notOk(existsSync(join(folder, 'ca', old.id)), 'its keys are gone')
  restart()
  t.same(states(), ['active'])
  t.same([verify(before), verify(after)], ['refused', 'verified'])
  t.same([...ca.bundle.current.jwtAuthorities.keys()], [prepared.jwtKeyId])
  t.equal(ca.bundle.current.sequence, 5)
  t.same(seen, [2, 3, 4, 5])

  const { authority: unwanted } = ca.prepare()
  ca.revoke(unwanted.id)
  t.same(states(), ['active'], 'a prepared one can be dropped')
})

t.test('a prepared root that the index does not name is removed', async (t) => {
  const folder = dataDir(t)
  const clock = new TestClock()
  const { id } = CertificateAuthority.open(folder, trustDomain, clock).active
  const stray = join(folder, 'ca', '0123456789abcdef')
  for (const path of [stray, `${stray}.unfinished`]) {
    mkdirSync(path)
    writeFileSync(join(path, 'root.key'), 'x')
  }
  writeFileSync(join(folder, 'ca', 'note'), 'an operator wrote this')
  CertificateAuthority.open(folder, trustDomain, clock)
  t.same(readdirSync(join(folder, 'ca')).toSorted(), [id, 'authorities.json', 'note'].toSorted())
})

t.test('there is a limit to authorities', async (t) => {
  const ca = CertificateAuthority.open(dataDir(t), trustDomain, new TestClock())
  for (let more = 1; more < 8; more += 1) {
    ca.prepare()
    ca.activate()
  }
  t.throws(() => ca.prepare(), { code: 'ca-too-many', message: /8 authorities/ })
})

t.test('a write that fails changes nothing', async (t) => {
  const folder = dataDir(t)
  const ca = CertificateAuthority.open(folder, trustDomain, new TestClock())
  mkdirSync(join(folder, 'ca', 'authorities.json.unfinished', 'x'), { recursive: true })
  t.throws(() => ca.prepare(), { code: 'ca-write-failed' })
  t.same(
    ca.standings.map(({ state }) => state),
    ['active'],
  )
  t.equal(ca.bundle.current.sequence, 1)
})
