// Bundles as they come off the wire, mutated: refused with a code, or read as what was sent.
import t from 'tap'
import { type BundleParts, bundleParts, parseBundle } from '../../src/identity/bundle.ts'
import { OutriderError } from '../../src/lib/errors.ts'
import { bundlesOf, wireBundles } from '../../src/rpc/bundles.ts'
import { protocols } from '../../src/rpc/load.ts'
import { makeTestCa } from '../fixtures/ca.ts'
import { beginCase, below, pick, seconds, seed, Tally } from '../fixtures/fuzz.ts'
import { makeJwtAuthority } from '../fixtures/jwt.ts'

console.log(`seed ${seed}`)

const roots = [makeTestCa('td.example'), makeTestCa('td.example', { key: 'p384' }), makeTestCa('td.example')]
const leaf = makeTestCa('td.example').issue('/web').chainDer[0]!
const jwt = bundleParts(makeJwtAuthority('td.example', 'key-1').bundle).jwtAuthorities
const fingerprints = roots.map((root) => root.bundle().authorities[0]!.fingerprint)
const good: Required<BundleParts> = {
  trustDomain: 'td.example',
  authorities: roots.map(({ der }) => der),
  tainted: [fingerprints[1]!],
  jwtAuthorities: jwt,
  sequence: 7,
}

function mutate(bytes: Uint8Array): Buffer {
  const at = below(bytes.length + 1)
  const inserted = Buffer.from(Array.from({ length: pick(0, 1, 1, 9) }, () => below(256)))
  return Buffer.concat([bytes.subarray(0, at), inserted, bytes.subarray(at + pick(0, 1, 1, 9))])
}

function someParts(): BundleParts {
  const change = pick<() => Partial<BundleParts>>(
    () => ({ authorities: good.authorities.map((der, index) => (index === below(3) ? mutate(der) : der)) }),
    () => ({ authorities: [...good.authorities, leaf] }),
    () => ({ authorities: Array.from({ length: below(100) }, () => pick(...good.authorities)) }),
    () => ({
      tainted: [pick(fingerprints[0]!, 'ff'.repeat(32), '', mutate(Buffer.from(fingerprints[0]!)).toString('latin1'))],
    }),
    () => ({ jwtAuthorities: jwt.map((authority) => ({ ...authority, publicKey: mutate(authority.publicKey) })) }),
    () => ({
      jwtAuthorities: [...jwt, { keyId: pick('key-1', '', 'x'.repeat(300), '\0'), publicKey: jwt[0]!.publicKey }],
    }),
    () => ({ sequence: pick(-1, 0.5, Number.NaN, 2 ** 53, 8) }),
    () => ({ trustDomain: pick('TD.example', '', 'td.example/', 'x'.repeat(300), 'other.example') }),
  )
  return { ...good, ...change() }
}

const tally = new Tally()

/** The outcome of `read`, which is held to what was sent. */
function tried(read: () => BundleParts): Required<BundleParts> | undefined {
  try {
    const bundle = parseBundle(read())
    tally.add('read')
    return bundleParts(bundle)
  } catch (thrown) {
    if (!(thrown instanceof OutriderError)) throw thrown
    tally.add(thrown.code)
    return undefined
  }
}

t.test('mutants of bundles', async (t) => {
  let slowest = 0
  for (const end = performance.now() + seconds * 500; performance.now() < end; ) {
    const from = beginCase()
    const parts = someParts()
    const start = performance.now()
    const read = tried(() => parts)
    slowest = Math.max(slowest, performance.now() - start)
    if (read === undefined) continue
    const sent = new Set(parts.authorities.map((der) => Buffer.from(der).toString('hex')))
    if (!read.authorities.every((der) => sent.has(Buffer.from(der).toString('hex'))))
      t.fail(`seed ${from}: another authority`)
    if (new Set(read.authorities.map((der) => Buffer.from(der).toString('hex'))).size !== sent.size)
      t.fail(`seed ${from}: an authority is missing`)
    if (!read.tainted.every((fingerprint) => parts.tainted?.includes(fingerprint)))
      t.fail(`seed ${from}: another taint`)
    for (const [index, { publicKey }] of read.jwtAuthorities.entries())
      if (!Buffer.from(publicKey).equals(parts.jwtAuthorities![index]!.publicKey)) t.fail(`seed ${from}: another key`)
  }
  t.ok(slowest < 2000, `none takes longer than 2 s, the slowest ${slowest.toFixed(1)} ms`)
  console.log(`note: ${tally.text}`)
})

t.test('mutants of the message', async (t) => {
  const { responseSerialize, responseDeserialize } = protocols().identity.IdentityService.service.WatchTrustBundles
  const bundle = parseBundle(good)
  const message = responseSerialize(wireBundles(new Map([[bundle.trustDomain, bundle]])))
  const known = new Set(good.authorities.map((der) => Buffer.from(der).toString('hex')))
  let read = 0
  let refused = 0
  for (const end = performance.now() + seconds * 500; performance.now() < end; ) {
    const from = beginCase()
    let decoded: ReturnType<typeof responseDeserialize>
    try {
      decoded = responseDeserialize(mutate(message))
    } catch {
      // It is no message: gRPC ends the call.
      refused += 1
      continue
    }
    try {
      for (const { authorities } of bundlesOf(decoded).values())
        for (const { der, publicKey } of authorities)
          if (
            !known.has(der.toString('hex')) &&
            !roots.some((root) => root.bundle().authorities[0]!.publicKey.key.equals(publicKey.key))
          )
            t.fail(`seed ${from}: another key`)
      read += 1
    } catch (thrown) {
      if (!(thrown instanceof OutriderError)) throw thrown
      refused += 1
    }
  }
  t.ok(read > 0 && refused > 0, `${read} read, ${refused} refused`)
})
