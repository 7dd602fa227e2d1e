// OpenSSL's own verifier, as strict as it gets, on what the CA makes: before, while and after the root is replaced.
import { createPrivateKey, createPublicKey } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { CertificateAuthority } from '../../src/control/ca/certificate-authority.ts'
import { parseSpiffeId, parseTrustDomain } from '../../src/identity/spiffe-id.ts'
import { toPem } from '../../src/identity/x509.ts'
import { makeKey, makeTestCa } from '../fixtures/ca.ts'
import { TestClock } from '../fixtures/clock.ts'
import { findProgram, runProgram, temporaryFolder } from '../fixtures/process.ts'

const openssl = findProgram('openssl')
const trustDomain = parseTrustDomain('td.example')
const HOUR_MS = 3_600_000

/** What OpenSSL says of the chain under these roots; `undefined` when it accepts it, for servers and for clients. */
async function complaint(t: Test, chain: readonly Buffer[], roots: readonly Buffer[]): Promise<string | undefined> {
  const folder = temporaryFolder(t)
  const file = (name: string, certificates: readonly Buffer[]): string => {
    const path = join(folder, name)
    writeFileSync(path, toPem(certificates))
    return path
  }
  const [leaf, ...issuers] = chain
  const files = [
    '-CAfile',
    file('roots.pem', roots),
    '-untrusted',
    file('issuers.pem', issuers),
    file('leaf.pem', [leaf!]),
  ]
  for (const purpose of ['sslserver', 'sslclient']) {
    const words = [
      'verify',
      '-x509_strict',
      '-check_ss_sig',
      '-no-CApath',
      '-no-CAstore',
      '-purpose',
      purpose,
      ...files,
    ]
    const { code, stdout, stderr } = await runProgram(t, openssl!, words)
    if (code !== 0) return `${purpose}: ${stdout}${stderr}`
  }
  return undefined
}

function open(t: Test, given?: Parameters<typeof CertificateAuthority.open>[3]): () => CertificateAuthority {
  const folder = temporaryFolder(t)
  const clock = new TestClock(Date.now())
  return () => CertificateAuthority.open(folder, trustDomain, clock, given)
}

function issue(
  ca: CertificateAuthority,
  path = '/ns/default/sa/web',
  dnsNames: readonly string[] = [],
): readonly Buffer[] {
  const request = {
    id: parseSpiffeId(`spiffe://${trustDomain}${path}`),
    publicKey: createPublicKey(makeKey('p256')),
    dnsNames,
  }
  return ca.issue(request, HOUR_MS, Date.now()).chain
}

const rootsOf = (ca: CertificateAuthority): readonly Buffer[] => ca.bundle.current.authorities.map(({ der }) => der)

if (openssl === undefined) {
  t.test('openssl', async (t) => {
    console.log('note: no openssl program: its verifier is not asked')
    t.pass('not run: the program is not there')
  })
} else {
  t.test('chains of the CA', async (t) => {
    const ca = open(t)()
    t.equal(await complaint(t, issue(ca), rootsOf(ca)), undefined)
    t.equal(await complaint(t, issue(ca, `/${'a'.repeat(2027)}`), rootsOf(ca)), undefined, 'the longest ID')
    t.equal(await complaint(t, issue(ca, '/web', ['web.default.svc', 'web']), rootsOf(ca)), undefined, 'with DNS names')
    const stranger = open(t)()
    t.match(await complaint(t, issue(ca), rootsOf(stranger)), /unable to get/, 'OpenSSL can say no')
  })

  t.test('while the root is replaced', async (t) => {
    const reopen = open(t)
    const ca = reopen()
    const old = ca.active.root.der
    const before = issue(ca)
    ca.prepare()
    t.equal(await complaint(t, issue(ca), [old]), undefined, 'prepared: the old root signs')
    t.equal(await complaint(t, before, rootsOf(ca)), undefined, 'and both are believed')

    const prepared = ca.standings.find(({ state }) => state === 'prepared')!.authority
    ca.activate(prepared.id)
    const next = prepared.root.der
    const after = issue(ca)
    t.equal(await complaint(t, after, [next]), undefined, 'activated: the new root alone is enough')
    t.match(await complaint(t, after, [old]), /unable to get/)
    t.equal(await complaint(t, before, rootsOf(ca)), undefined, 'what the old one signed is still good')
    t.equal(await complaint(t, after, rootsOf(ca)), undefined)

    t.equal(await complaint(t, issue(reopen()), [next]), undefined, 'and from the files')
  })

  t.test('chains of a CA that was handed in', async (t) => {
    const root = makeTestCa('td.example', { uris: [] })
    const sub = root.intermediate({ uris: [], key: 'p384', pathLength: 0 })
    const pem = (key: typeof root.privateKey): string =>
      createPrivateKey(key.export({ type: 'pkcs8', format: 'pem' }))
        .export({ type: 'pkcs8', format: 'pem' })
        .toString()
    const byRoot = open(t, { certificates: root.pem, key: pem(root.privateKey) })()
    t.equal(await complaint(t, issue(byRoot), [root.der]), undefined, 'a root')
    const bySub = open(t, { certificates: sub.pem + root.pem, key: pem(sub.privateKey) })()
    t.equal(await complaint(t, issue(bySub), [root.der]), undefined, 'an intermediate')
  })
}
