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

t.test('a star in place of a segment', async (t) => {
  t.ok(matches('spiffe://td/ns/*/sa/web', 'spiffe://td/ns/a/sa/web'))
  t.notOk(matches('spiffe://td/ns/*/sa/web', 'spiffe://td/ns/a/b/sa/web'), 'it never crosses a slash')
  t.notOk(matches('spiffe://td/ns/*/sa/web', 'spiffe://td/ns/sa/web'))
  t.notOk(matches('spiffe://td/ns/*/sa/web', 'spiffe://td/ns/a/sa/web/x'))
  t.notOk(matches('spiffe://td/ns/*/sa/web', 'spiffe://td/ns/a/sa/web2'))
  t.notOk(matches('spiffe://td/ns/*/sa/web', 'spiffe://td2/ns/a/sa/web'))
  t.ok(matches('spiffe://td/*/x', 'spiffe://td/a/x'))
  t.ok(matches('spiffe://td/*/*/x', 'spiffe://td/a/b/x'))
  t.ok(matches('spiffe://td/ns/*/sa/*', 'spiffe://td/ns/a/sa/b/c'), 'at the end it is everything below')
  t.notOk(matches('spiffe://td/ns/*/sa/*', 'spiffe://td/ns/a/sa'))
})

t.test('what is not a pattern', async (t) => {
  for (const text of [
    '*',
    'spiffe://*',
    'spiffe://*/a',
    'spiffe://td/a*',
    'spiffe://td/*a/b',
    'spiffe://td*',
    'spiffe://td/**',
    'spiffe://td/**/a',
    'spiffe*://td/a',
    'spiffe:*/td/a',
    '*/a/b/c',
  ])
    t.throws(() => parseIdPattern(text), { code: 'id-pattern-star' }, text)
  t.throws(() => parseIdPattern('spiffe://td/*/../a'), { code: 'spiffe-id-path-dot-segment' })
  t.throws(() => parseIdPattern('spiffe://td/*//a'), { code: 'spiffe-id-path-empty-segment' })
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

t.test('a pattern with stars matches segment by segment', async (t) => {
  const segments = fc.array(fc.constantFrom('a', 'b', 'ab', 'ns'), { minLength: 1, maxLength: 5 })
  const pattern = fc.array(fc.constantFrom('a', 'b', '*'), { minLength: 1, maxLength: 5 })
  fc.assert(
    fc.property(pattern, segments, (parts, path) => {
      const below = parts.at(-1) === '*'
      const above = below ? parts.slice(0, -1) : parts
      const expected =
        (below ? path.length > above.length : path.length === above.length) &&
        above.every((part, index) => part === '*' || part === path[index])
      return matches(`spiffe://td/${parts.join('/')}`, `spiffe://td/${path.join('/')}`) === expected
    }),
  )
  t.pass()
})
