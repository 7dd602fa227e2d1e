// Mutated tokens and bundle documents: refused with a code, or the very text that was signed.
import { createPublicKey } from 'node:crypto'
import t from 'tap'
import { bundleParts, parseBundle } from '../../src/identity/bundle.ts'
import { formatBundleDocument, parseBundleDocument } from '../../src/identity/bundle-document.ts'
import { signJwtSvid, verifyJwtSvid } from '../../src/identity/jwt-svid.ts'
import { parseSpiffeId } from '../../src/identity/spiffe-id.ts'
import { OutriderError } from '../../src/lib/errors.ts'
import { makeTestCa } from '../fixtures/ca.ts'
import { beginCase, below, pick, seconds, seed, Tally } from '../fixtures/fuzz.ts'
import { makeJwtAuthority, signCompact } from '../fixtures/jwt.ts'

console.log(`seed ${seed}`)
const now = Date.UTC(2026, 0, 1)
const audience = 'spiffe://td.example/b'
const authority = makeJwtAuthority('td.example', 'key-1')
const ca = makeTestCa('td.example')
const bundles = new Map([[authority.bundle.trustDomain, authority.bundle]])
const header = '{"alg":"ES256","kid":"key-1","typ":"JWT"}'
const claims = `{"sub":"spiffe://td.example/a","aud":["${audience}"],"exp":${now / 1000 + 60},"iat":${now / 1000}}`
const words = [
  '"alg":"none",',
  '"kid":',
  '"sub":"spiffe://td.example/admin",',
  '"exp":1e99',
  '\\u0061',
  '[[',
  '}',
  '{"a":{',
  ',',
  '"',
  '\\',
  'null',
  '-0',
  '\ud800',
  '\0',
  '=',
  '.',
  ' ',
]

function mutate(text: string): string {
  let mutant = text
  for (let round = below(3); round >= 0; round -= 1) {
    const at = below(mutant.length + 1)
    const removed = pick(0, 0, 1, 1, 2, 8)
    const inserted = pick(
      '',
      pick(...words),
      String.fromCharCode(below(128)),
      mutant.slice(below(mutant.length + 1)).slice(0, below(40)),
    )
    mutant = mutant.slice(0, at) + inserted + mutant.slice(at + removed)
  }
  return mutant
}

t.test('mutants of tokens', async (t) => {
  const { token } = signJwtSvid({
    id: parseSpiffeId('spiffe://td.example/a'),
    audience: [audience],
    keyId: authority.keyId,
    privateKey: authority.privateKey,
    ttlMs: 60_000,
    nowMs: now,
  })
  const tally = new Tally()
  for (const end = performance.now() + seconds * 500; performance.now() < end; ) {
    beginCase()
    const mutant = mutate(token)
    const svid = verifyJwtSvid(mutant, audience, bundles, now)
    if (svid.kind === 'verified' && mutant !== token) t.fail(`verified: ${mutant}`)

    // Signed by the authority after all: what is verified says in plain JSON what we read in it.
    const [itsHeader, itsClaims] = [pick(header, mutate(header)), mutate(claims)]
    const signed = verifyJwtSvid(signCompact(itsHeader, itsClaims, authority.privateKey), audience, bundles, now)
    tally.add(signed.kind === 'refused' ? signed.code : signed.kind)
    if (signed.kind === 'refused') {
      if (!/^the token [ -~]{1,1500}$/.test(signed.message)) t.fail(`a message for no log: ${signed.message}`)
      continue
    }
    const { sub, exp }: { sub: unknown; exp: unknown } = JSON.parse(Buffer.from(itsClaims).toString())
    if (sub !== signed.id || Math.floor(Number(exp) * 1000) !== signed.expiresAtMs)
      t.fail(`read as something else: ${itsClaims}`)
  }
  t.pass(tally.text)
  console.log(`note: ${tally.text}`)
})

t.test('mutants of bundle documents', async (t) => {
  const parts = { ...bundleParts(authority.bundle), authorities: [ca.der] }
  const document = formatBundleDocument(parseBundle(parts), 60_000)
  const tally = new Tally()
  for (const end = performance.now() + seconds * 500; performance.now() < end; ) {
    beginCase()
    const mutant = mutate(document)
    try {
      const { bundle } = parseBundleDocument(Buffer.from(mutant), 'td.example')
      tally.add('read')
      // The signature of a root is nobody's to check: its key is what is believed.
      for (const { publicKey } of bundle.authorities)
        if (!publicKey.key.equals(createPublicKey(ca.privateKey))) t.fail(`another authority: ${mutant}`)
      for (const key of bundle.jwtAuthorities.values())
        if (!key.equals(authority.publicKey)) t.fail(`another key: ${mutant}`)
    } catch (thrown) {
      if (!(thrown instanceof OutriderError)) throw thrown
      tally.add(thrown.code)
    }
  }
  t.pass(tally.text)
  console.log(`note: ${tally.text}`)
})
