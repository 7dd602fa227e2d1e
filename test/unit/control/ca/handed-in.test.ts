import { createPublicKey, type KeyObject } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { CertificateAuthority } from '../../../../src/control/ca/certificate-authority.ts'
import type { HandedIn } from '../../../../src/control/ca/handed-in.ts'
import { parseSpiffeId, parseTrustDomain } from '../../../../src/identity/spiffe-id.ts'
import { verifyPeer } from '../../../../src/identity/verify.ts'
import { makeKey, makeTestCa, type Overrides, type TestCa } from '../../../fixtures/ca.ts'
import { TestClock } from '../../../fixtures/clock.ts'

const trustDomain = parseTrustDomain('td.example')
const id = parseSpiffeId('spiffe://td.example/web')
const DAY = 86_400_000

function open(t: Test, given: HandedIn, clock: TestClock = new TestClock()): CertificateAuthority {
  const folder = mkdtempSync(join(tmpdir(), 'outrider-ca-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  CertificateAuthority.open(folder, trustDomain, clock, given)
  // As it was kept.
  return CertificateAuthority.open(folder, trustDomain, clock, given)
}

/** A CA as a company has it: nothing in it names a trust domain. */
const corporate = (overrides: Overrides = {}): TestCa => makeTestCa('td.example', { uris: [], ...overrides })
const keyOf = ({ privateKey }: TestCa): string => privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()

function makePublic(): KeyObject {
  return createPublicKey(makeKey('p256'))
}

t.test('what can be handed in', async (t) => {
  const root = corporate()
  const rsaRoot = corporate({ key: 'rsa2048' })
  const sub = root.intermediate({ uris: [] })
  const subSub = sub.intermediate({ uris: [], key: 'p384', pathLength: 0 })
  const underRsa = rsaRoot.intermediate({ uris: [] })
  const pem = (...authorities: TestCa[]): string => authorities.map((authority) => authority.pem).join('')
  const cases: readonly (readonly [string, HandedIn, TestCa, number])[] = [
    ['a root with its key', { certificates: pem(root), key: keyOf(root) }, root, 2],
    ['an intermediate', { certificates: pem(sub, root), key: keyOf(sub) }, root, 2],
    ['an intermediate of an intermediate', { certificates: pem(subSub, sub, root), key: keyOf(subSub) }, root, 3],
    ['an intermediate of an RSA root', { certificates: pem(underRsa, rsaRoot), key: keyOf(underRsa) }, rsaRoot, 2],
  ]
  for (const [name, given, root, length] of cases) {
    const clock = new TestClock()
    const ca = open(t, given, clock)
    const { chain } = ca.issue({ id, publicKey: makePublic() }, DAY, clock.now())
    t.equal(chain.length, length, name)
    t.match(verifyPeer(chain, root.bundles(), clock.now()), { kind: 'verified', id }, name)
    t.same(ca.bundle.current.authorities[0]!.der, root.der)
    t.equal(ca.active.rootKey === undefined, !name.startsWith('a root'), 'whose root key we have')
  }
})

t.test('what cannot', async (t) => {
  const root = corporate()
  const sub = root.intermediate({ uris: [] })
  const other = corporate()
  const foreign = makeTestCa('other.example')
  const rsa = corporate({ key: 'rsa2048' })
  const expired = corporate({ notAfterMs: Date.UTC(2021, 0, 1) })
  const leafOnly = root.issue('/x')
  const cases: readonly (readonly [string, string, HandedIn])[] = [
    ['ca-material', 'no certificate', { certificates: '', key: keyOf(root) }],
    ['ca-material', 'no PEM', { certificates: 'hello', key: keyOf(root) }],
    ['ca-material', 'no key', { certificates: root.pem, key: '' }],
    ['ca-material', 'five certificates', { certificates: root.pem.repeat(5), key: keyOf(root) }],
    ['ca-material', 'an intermediate without its root', { certificates: sub.pem, key: keyOf(sub) }],
    ['ca-material', 'the root first', { certificates: root.pem + sub.pem, key: keyOf(root) }],
    ['ca-key-mismatch', 'the key of another', { certificates: root.pem, key: keyOf(other) }],
    ['ca-key-mismatch', "the root's key with an intermediate", { certificates: sub.pem + root.pem, key: keyOf(root) }],
    ['ca-key-unsupported', 'an RSA key that would sign', { certificates: rsa.pem, key: keyOf(rsa) }],
    ['ca-trust-domain', 'another trust domain', { certificates: foreign.pem, key: keyOf(foreign) }],
    ['ca-expired', 'an expired root', { certificates: expired.pem, key: keyOf(expired) }],
    ['ca-invalid', 'the root of another chain', { certificates: sub.pem + other.pem, key: keyOf(sub) }],
    ['ca-trust-domain', 'a leaf', { certificates: leafOnly.chainPem + root.pem, key: leafOnly.keyPem }],
  ]
  for (const [code, name, given] of cases) t.throws(() => open(t, given), { code, message: /^[^\n]{10,300}$/ }, name)
})

t.test('a later start takes what it was started with, and nothing else', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'outrider-ca-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const clock = new TestClock()
  const [first, second] = [corporate(), corporate()]
  const given = (ca: TestCa): HandedIn => ({ certificates: ca.pem, key: keyOf(ca) })
  CertificateAuthority.open(folder, trustDomain, clock, given(first))
  t.throws(() => CertificateAuthority.open(folder, trustDomain, clock, given(second)), {
    code: 'ca-state',
    message: /outrider ca prepare/,
  })
  const ca = CertificateAuthority.open(folder, trustDomain, clock)
  ca.prepare(given(second))
  t.throws(() => ca.prepare(given(second)), { code: 'ca-state' })
  ca.activate()
  t.throws(() => ca.prepare(given(first)), { code: 'ca-state', message: /an authority already/ })
  t.equal(
    CertificateAuthority.open(folder, trustDomain, clock, given(second)).active.fingerprint,
    ca.active.fingerprint,
  )
})

t.test('what was handed in and signs no more says what to do', async (t) => {
  const clock = new TestClock()
  const root = corporate()
  const sub = root.intermediate({ uris: [], notAfterMs: clock.now() + 10 * DAY })
  const ca = open(t, { certificates: sub.pem + root.pem, key: keyOf(sub) }, clock)
  clock.advance(9 * DAY)
  t.same(ca.renewSigners(), [], 'it cannot be renewed here')
  clock.advance(2 * DAY)
  t.throws(() => ca.issue({ id, publicKey: makePublic() }, DAY, clock.now()), {
    code: 'ca-expired',
    message: /outrider ca prepare/,
  })
})
