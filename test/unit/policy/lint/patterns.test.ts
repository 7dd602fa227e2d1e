import * as fc from 'fast-check'
import t from 'tap'
import { parseSpiffeId } from '../../../../src/identity/spiffe-id.ts'
import { matchesId, parseIdPattern } from '../../../../src/identity/match.ts'
import { coversId, coversIpBlock, coversPath, coversValue } from '../../../../src/policy/lint/patterns.ts'
import { matchesIpBlock, parseIp, parseIpBlock } from '../../../../src/policy/match/ip.ts'
import { matchesPath, parsePath } from '../../../../src/policy/match/path.ts'
import { inValueSet, valueSetOf } from '../../../../src/policy/match/value.ts'
import { path, pathPattern } from '../reference.ts'

const seed = Number(process.env['FUZZ_SEED'] ?? Date.now() % 2 ** 31)
console.log(`seed ${seed}`)
const runs = { seed, numRuns: 20_000 }

t.test('paths', async (t) => {
  const cases: readonly [wide: string, narrow: string, covers: boolean][] = [
    ['*', '/a', true],
    ['/a', '/a', true],
    ['/a*', '/a', true],
    ['/a*', '/ab/{*}', true],
    ['/a/*', '/a', false],
    ['/a/{**}', '/a', true],
    ['/a/{**}', '/a/', true],
    ['/a/{**}', '/a/*', true],
    ['/a/{**}', '/a*', false],
    ['/a/{**}', '/a/b/{*}', true],
    ['/a/{*}', '/a/b', true],
    ['/a/{*}', '/a/', false],
    ['/a/{*}', '/a/{**}', false],
    ['/{*}/{**}', '/a/{**}', true],
    ['/a/{**}/x', '/a/b/{**}/x', true],
    ['/a/{**}/x', '/a/b/{**}/y', false],
    ['/a/{*}/', '/a/b/', true],
    ['/a', '/a/{**}', false],
  ]
  for (const [wide, narrow, covers] of cases) t.equal(coversPath(wide, narrow), covers, `${wide} covers ${narrow}`)
})

/** Whatever is said to be covered must be matched; `found` counts how often that was put to the test. */
function proven<P, V>(
  pattern: fc.Arbitrary<P>,
  value: fc.Arbitrary<V>,
  covers: (wide: P, narrow: P) => boolean,
  matches: (pattern: P, value: V) => boolean,
): number {
  let found = 0
  fc.assert(
    fc.property(pattern, pattern, value, (wide, narrow, value) => {
      if (!covers(wide, narrow) || !matches(narrow, value)) return true
      found += 1
      return matches(wide, value)
    }),
    runs,
  )
  return found
}

t.test('what is covered is matched', async (t) => {
  const paths = proven(pathPattern, path, coversPath, (pattern, text) => matchesPath(parsePath(pattern), text))
  t.ok(paths > 200, `${paths} paths`)

  const segment = fc.constantFrom('a', 'b', '*')
  const idPattern = fc
    .array(segment, { minLength: 1, maxLength: 4 })
    .map((segments) => `spiffe://td/${segments.join('/')}`)
  const id = fc
    .array(fc.constantFrom('a', 'b'), { minLength: 1, maxLength: 5 })
    .map((segments) => parseSpiffeId(`spiffe://td/${segments.join('/')}`))
  const ids = proven(idPattern, id, coversId, (pattern, text) => matchesId(parseIdPattern(pattern), text))
  t.ok(ids > 200, `${ids} IDs`)

  const word = fc.string({ unit: fc.constantFrom('a', 'b'), maxLength: 3 })
  const valuePattern = fc
    .tuple(word, fc.constantFrom('', 'start', 'end'))
    .map(([text, star]) => (star === '' ? text : star === 'end' ? `${text}*` : `*${text}`))
  const values = proven(valuePattern, word, coversValue, (pattern, text) => inValueSet(valueSetOf([pattern]), text))
  t.ok(values > 200, `${values} values`)

  const byte = fc.constantFrom(0, 1, 255)
  const address = fc.tuple(byte, byte).map(([a, b]) => `10.0.${a}.${b}`)
  const block = fc.constantFrom(
    '0.0.0.0/0',
    '10.0.0.0/16',
    '10.0.0.0/24',
    '10.0.1.0/24',
    '10.0.1.1',
    '10.0.255.128/25',
    '::/0',
  )
  const blocks = proven(block, address, coversIpBlock, (text, ip) => matchesIpBlock(parseIpBlock(text), parseIp(ip)!))
  t.ok(blocks > 200, `${blocks} addresses`)
})
