// Wycheproof's vectors of JWS, JWK and JWE. JWT-SVIDs take ES256 alone, tokens of users ten algorithms; both take compact
// serialization alone.
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { parseBundle, type TrustBundleSet } from '../../src/identity/bundle.ts'
import { parseJwtBundleDocument } from '../../src/identity/bundle-document.ts'
import { parseJsonObject } from '../../src/identity/json.ts'
import { keysFor, noKeys, readJwkSet } from '../../src/identity/jwk-set.ts'
import { parseJws, verifyJws } from '../../src/identity/jws.ts'
import { jwsAlgorithms } from '../../src/identity/jws-algorithm.ts'
import { verifyJwtSvid } from '../../src/identity/jwt-svid.ts'
import { packageRoot } from '../../src/lib/package-root.ts'
import { OutriderError } from '../../src/lib/errors.ts'

const folder = process.env['OUTRIDER_VECTORS'] ?? join(packageRoot, '..', 'shared', 'vectors')

interface Vector {
  readonly name: string
  readonly token: string
  readonly valid: boolean
  /** A JWK or a JWK Set. */
  readonly key: unknown
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isList(value: unknown): value is readonly unknown[] {
  return Array.isArray(value)
}

function readVectors(path: string): readonly Vector[] {
  const file: unknown = JSON.parse(readFileSync(path, 'utf8'))
  const vectors: Vector[] = []
  for (const group of isRecord(file) && isList(file['testGroups']) ? file['testGroups'] : []) {
    if (!isRecord(group) || !isList(group['tests'])) throw new TypeError(`${path} is of another form`)
    for (const test of group['tests']) {
      const token = isRecord(test) ? (test['jws'] ?? test['jwe']) : undefined
      if (!isRecord(test) || token === undefined) throw new TypeError(`${path} is of another form`)
      vectors.push({
        name: `${String(test['tcId'])} ${String(group['comment'])}: ${String(test['comment'])}`,
        // Those in JSON serialization are objects.
        token: typeof token === 'string' ? token : JSON.stringify(token),
        valid: test['result'] === 'valid',
        key: group['public'] ?? group['private'],
      })
    }
  }
  return vectors
}

/** The private parts of keys are in the vectors for those who sign with them; `use` and all else is as it was. */
function publicSet(key: unknown): Buffer {
  const keys = isRecord(key) && isList(key['keys']) ? key['keys'] : [key]
  return Buffer.from(
    JSON.stringify({
      keys: keys.map((jwk) =>
        Object.fromEntries(Object.entries(isRecord(jwk) ? jwk : {}).filter(([name]) => name !== 'd')),
      ),
    }),
  )
}

/** The bundle that the keys of a vector make; one without keys when the document is refused. */
function bundlesOf({ key }: Vector): TrustBundleSet {
  const parts = { trustDomain: 'td.example', authorities: [], sequence: 1 }
  const bundle =
    outcome(() => parseBundle({ ...parts, ...parseJwtBundleDocument(publicSet(key)) })) ?? parseBundle(parts)
  return new Map([[bundle.trustDomain, bundle]])
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

/** Whether the signature is taken. The payloads are no claims, so that this is less than what a JWT-SVID has to pass. */
function accepts({ token }: Vector, bundles: TrustBundleSet): boolean {
  const taken = outcome(() => {
    const jws = parseJws(token, ['ES256'], 8192)
    const kid = jws.header['kid']
    const key = [...bundles.values()][0]?.jwtAuthorities.get(typeof kid === 'string' ? kid : '')
    if (key === undefined) return false
    verifyJws(jws, key)
    return true
  })
  return taken === true
}

/** As `accepts`, as a token of a user: with every algorithm that there is, and the keys of a JWK Set. */
function acceptsForUser({ token, key }: Vector): boolean {
  const keys = outcome(() => readJwkSet(parseJsonObject(publicSet(key)))) ?? noKeys
  const taken = outcome(() => {
    const jws = parseJws(token, jwsAlgorithms, 8192)
    const kid = jws.header['kid']
    const candidates = keysFor(keys, typeof kid === 'string' ? kid : undefined, jws.algorithm)
    return candidates.some((candidate) => outcome(() => verifyJws(jws, candidate.key) ?? true) === true)
  })
  return taken === true
}

function algorithmOf({ token }: Vector): string {
  const header = Buffer.from(token.split('.')[0] ?? '', 'base64url').toString()
  return /"alg" ?: ?"([^"]*)"/.exec(header)?.[1] ?? 'none that is read'
}

for (const file of ['json_web_signature_test.json', 'json_web_key_test.json', 'json_web_crypto_test.json']) {
  t.test(file, async (t) => {
    const path = join(folder, file)
    if (!existsSync(path)) {
      console.log(`note: third-party vectors ${file} not found`)
      t.pass('not run: the vectors are not there')
      return
    }
    const vectors = readVectors(path)
    t.ok(vectors.length > 0)
    const counts = { forged: 0, taken: 0 }
    const others = new Map<string, number>()
    for (const vector of vectors) {
      const bundles = bundlesOf(vector)
      const accepted = accepts(vector, bundles)
      if (verifyJwtSvid(vector.token, 'audience', bundles, 0).kind === 'verified') t.fail(`a JWT-SVID: ${vector.name}`)
      if (!vector.valid) {
        if (accepted) t.fail(`forged: ${vector.name}`)
        counts.forged += 1
      } else if (algorithmOf(vector) === 'ES256') {
        t.ok(accepted, vector.name)
        counts.taken += 1
      } else {
        if (accepted) t.fail(`another algorithm: ${vector.name}`)
        others.set(algorithmOf(vector), (others.get(algorithmOf(vector)) ?? 0) + 1)
      }
    }
    const list = [...others].map(([algorithm, count]) => `${algorithm} ${count}`).join(', ')
    console.log(
      `note: ${file}: ${counts.forged} forged refused, ${counts.taken} valid of ES256 taken; valid but refused, since ES256 is the only algorithm: ${list || 'none'}`,
    )
  })
}

for (const file of ['json_web_signature_test.json', 'json_web_key_test.json', 'json_web_crypto_test.json']) {
  t.test(`${file}, as tokens of users`, async (t) => {
    const path = join(folder, file)
    if (!existsSync(path)) {
      t.pass('not run: the vectors are not there')
      return
    }
    const counts = { forged: 0, taken: 0, otherAlgorithm: 0, keyForOther: 0 }
    for (const vector of readVectors(path)) {
      const accepted = acceptsForUser(vector)
      const algorithm = algorithmOf(vector)
      if (!vector.valid) {
        if (accepted) t.fail(`forged: ${vector.name}`)
        counts.forged += 1
      } else if (!jwsAlgorithms.some((known) => known === algorithm)) {
        if (accepted) t.fail(`another algorithm: ${vector.name}`)
        counts.otherAlgorithm += 1
      } else if (isRecord(vector.key) && 'alg' in vector.key && vector.key['alg'] !== algorithm) {
        // RFC 7517, 4.4: the key says what it is for. Some say ES521.
        if (accepted) t.fail(`a key for something else: ${vector.name}`)
        counts.keyForOther += 1
      } else {
        t.ok(accepted, vector.name)
        counts.taken += 1
      }
    }
    console.log(
      `note: ${file}, as tokens of users: ${counts.forged} forged refused, ${counts.taken} valid taken; valid but refused: ${counts.otherAlgorithm} with a shared secret or encrypted, ${counts.keyForOther} whose key is for another algorithm`,
    )
  })
}
