// Mutated certificates and requests: refused with a code or, where the bytes are unchanged in meaning, read the same.
import t from 'tap'
import { buildCsr, parseCsr } from '../../src/identity/csr.ts'
import { parseSpiffeId } from '../../src/identity/spiffe-id.ts'
import { verifyPeer } from '../../src/identity/verify.ts'
import { parseCertificate } from '../../src/identity/x509.ts'
import { OutriderError } from '../../src/lib/errors.ts'
import { makeKey, makeTestCa } from '../fixtures/ca.ts'

const seed = Number(process.env['FUZZ_SEED'] ?? Date.now() % 2 ** 31)
const seconds = Number(process.env['FUZZ_SECONDS'] ?? 5)
console.log(`seed ${seed}`)

/** mulberry32 */
let state = seed
function below(limit: number): number {
  state = (state + 0x6d2b79f5) | 0
  let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
  mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
  return ((mixed ^ (mixed >>> 14)) >>> 0) % limit
}

function mutate(der: Buffer): Buffer {
  let bytes = Buffer.from(der)
  for (let round = below(3); round >= 0; round -= 1) {
    const at = below(bytes.length)
    const kind = below(5)
    if (kind === 0) bytes[at]! ^= 1 << below(8)
    else if (kind === 1) bytes[at] = below(256)
    else if (kind === 2) bytes = Buffer.concat([bytes.subarray(0, at), Buffer.of(below(256)), bytes.subarray(at)])
    else if (kind === 3 && bytes.length > 1) bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1)])
    else bytes = Buffer.concat([bytes, bytes.subarray(at, at + below(8))])
  }
  return bytes
}

/** Undefined when `read` refuses with a code. Anything else that is thrown is a bug. */
function outcome<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch (thrown) {
    if (thrown instanceof OutriderError) return undefined
    throw thrown
  }
}

t.test('mutants', async (t) => {
  const ca = makeTestCa('td.example')
  const now = Date.now()
  const [leaf, intermediate] = ca.intermediate().issue('/ns/default/sa/web').chainDer
  const csr = buildCsr(makeKey('p256'), parseSpiffeId('spiffe://td.example/ns/default/sa/web'))
  const bundles = ca.bundles()
  let runs = 0
  let refused = 0
  for (const end = performance.now() + seconds * 1000; performance.now() < end; runs += 1) {
    const mutantLeaf = mutate(leaf!)
    const mutantIntermediate = mutate(intermediate!)
    const mutantCsr = mutate(csr)

    const parsed = outcome(() => parseCertificate(mutantLeaf))
    if (parsed !== undefined && !parsed.der.equals(mutantLeaf))
      t.fail(`read as something else: ${mutantLeaf.toString('hex')}`)
    if (parsed === undefined) refused += 1

    // ECDSA signatures have a twin, and the signature is not signed: only what is signed has to be the same.
    for (const chain of [
      [mutantLeaf, intermediate!],
      [leaf!, mutantIntermediate],
    ]) {
      const peer = verifyPeer(chain, bundles, now)
      const same = chain.every((der, index) => {
        const original = [leaf!, intermediate!][index]!
        return der.equals(original) || outcome(() => parseCertificate(der))?.tbs.equals(parseCertificate(original).tbs)
      })
      if (peer.kind === 'verified' && !same) t.fail(`verified: ${chain.map((der) => der.toString('hex')).join(' ')}`)
    }

    const request = outcome(() => parseCsr(mutantCsr))
    if (request !== undefined && !mutantCsr.equals(csr)) t.fail(`a request with proof: ${mutantCsr.toString('hex')}`)
  }
  t.ok(runs > 0, `${runs} mutants of each, ${refused} leaves did not parse`)
})
