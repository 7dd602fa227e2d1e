import * as fc from 'fast-check'
import t from 'tap'
import { matchesId, parseIdPattern } from '../../../src/identity/match.ts'
import { parseSpiffeId } from '../../../src/identity/spiffe-id.ts'

const matches = (pattern: string, id: string): boolean => matchesId(parseIdPattern(pattern), parseSpiffeId(id))

t.test('exact', async (t) => {
  t.ok(matches('spiffe://td/a', 'spiffe://td/a'))
  t.notOk(matches('spiffe://td/a', 'spiffe://td/a/b'))
  t.notOk(matches('spiffe://td/a', 'spiffe://td/A'))
  t.notOk(matches('spiffe://td/a', 'spiffe://td2/a'))
})

t.test('below a path', async (t) => {
  t.ok(matches('spiffe://td/ns/a/*', 'spiffe://td/ns/a/sa/web'))
  t.notOk(matches('spiffe://td/ns/a/*', 'spiffe://td/ns/ab/sa/web'), 'a segment is matched whole')
  t.notOk(matches('spiffe://td/ns/a/*', 'spiffe://td/ns/a'), 'not the path itself')
  t.ok(matches('spiffe://td/*', 'spiffe://td/x'))
  t.notOk(matches('spiffe://td/*', 'spiffe://td.evil/x'))
  t.notOk(matches('spiffe://td/*', 'spiffe://td'))
})

t.test('what is not a pattern', async (t) => {
  for (const text of [
    '*',
    'spiffe://*',
    'spiffe://*/a',
    'spiffe://td/a*',
    'spiffe://td/*/a',
    'spiffe://td*',
    'spiffe://td/**',
  ])
    t.throws(() => parseIdPattern(text), { code: text === 'spiffe://*' ? /^spiffe-id-/ : 'id-pattern-star' }, text)
  t.throws(() => parseIdPattern('spiffe://td//*'), { code: 'spiffe-id-path-trailing-slash' })
  t.throws(() => parseIdPattern('spiffe://td/../*'), { code: 'spiffe-id-path-dot-segment' })
  t.throws(() => parseIdPattern(''), { code: 'spiffe-id-empty' })
})

t.test('a prefix pattern matches exactly the IDs that have more segments after its own', async (t) => {
  const segments = fc.array(fc.constantFrom('a', 'b', 'ab', 'ns'), { minLength: 1, maxLength: 4 })
  fc.assert(
    fc.property(segments, segments, (above, path) => {
      const expected = path.length > above.length && above.every((segment, index) => segment === path[index])
      return matches(`spiffe://td/${above.join('/')}/*`, `spiffe://td/${path.join('/')}`) === expected
    }),
  )
  t.pass()
})
