import * as fc from 'fast-check'
import t from 'tap'
import { compileRegex } from '../../../../src/policy/match/regex.ts'
import {
  inValueSet,
  matchesNoValue,
  matchesSomeValue,
  matchesValue,
  parseValuePattern,
  type ValueMatcher,
  valueMatcherOf,
  valueSetOf,
} from '../../../../src/policy/match/value.ts'
import type { ValueMatch } from '../../../../src/policy/model.ts'

function matcher(match: ValueMatch): ValueMatcher {
  for (const text of [...(match.values ?? []), ...(match.notValues ?? [])]) parseValuePattern(text)
  return valueMatcherOf(match, match.matches?.map(compileRegex))
}

t.test('patterns agree with what they say', async (t) => {
  const text = fc.string({ unit: fc.constantFrom('a', 'b', '*'), maxLength: 5 })
  const plain = fc.string({ unit: fc.constantFrom('a', 'b'), maxLength: 4 })
  const pattern = fc.oneof(
    plain,
    plain.map((part) => `${part}*`),
    plain.map((part) => `*${part}`),
  )
  const naive = (pattern: string, text: string): boolean =>
    new RegExp(`^${pattern.replaceAll('*', '.*')}$`, 's').test(text)
  let found = 0
  fc.assert(
    fc.property(fc.array(pattern, { minLength: 1, maxLength: 4 }), text, (patterns, text) => {
      const expected = patterns.some((one) => naive(parseValuePattern(one), text))
      if (expected) found += 1
      return inValueSet(valueSetOf(patterns), text) === expected
    }),
    { numRuns: 3000 },
  )
  t.ok(found > 300)
})

t.test('what is not a pattern', async (t) => {
  for (const text of ['**', '*a*', 'a*b', '*a*b', 'a**'])
    t.throws(() => parseValuePattern(text), { code: 'value-pattern-star' }, text)
  for (const text of ['', '*', 'a', 'a*', '*a', 'a b']) t.equal(parseValuePattern(text), text)
})

t.test('one value: in values, in no notValues, and one expression for the whole', async (t) => {
  t.equal(matchesValue(matcher({ values: ['a'] }), 'a'), true)
  t.equal(matchesValue(matcher({ notValues: ['a'] }), 'a'), false)
  t.equal(matchesValue(matcher({ notValues: ['a'] }), 'b'), true)
  t.equal(matchesValue(matcher({ values: ['a*'], notValues: ['ab'] }), 'ab'), false)
  t.equal(matchesValue(matcher({ matches: ['b', '[a-z]+'] }), 'abc'), true)
  t.equal(matchesValue(matcher({ matches: ['[a-z]+'] }), 'abc1'), false, 'as a whole')
  t.equal(matchesValue(matcher({ values: ['a*'], matches: ['.{3}'] }), 'ab'), false)
})

t.test('a list: one entry is wanted, none may be unwanted', async (t) => {
  const some = (match: ValueMatch, texts: readonly string[], whole = true): unknown =>
    matchesSomeValue(matcher(match), texts, whole)
  t.equal(some({ values: ['a'] }, ['b', 'a']), true)
  t.equal(some({ values: ['a'] }, ['b']), false)
  t.equal(some({ values: ['a'] }, []), false)
  t.equal(some({ notValues: ['a'] }, ['b', 'a']), false)
  t.equal(some({ notValues: ['a'] }, []), true)
  t.equal(some({ values: ['b'], notValues: ['a'] }, ['b', 'a']), false)
  t.equal(some({ values: ['a*'], matches: ['b'] }, ['a', 'b']), false, 'one entry has to satisfy both')
  t.equal(some({ notValues: ['a'] }, ['b'], false), 'unknown', 'an entry could not be read')
  t.equal(some({ values: ['b'] }, ['b'], false), true)
})

t.test('what is absent is in no list, and perhaps in none', async (t) => {
  t.equal(matchesNoValue(matcher({ values: ['*'] })), false)
  t.equal(matchesNoValue(matcher({ matches: ['.*'] })), false)
  t.equal(matchesNoValue(matcher({ notValues: ['a'] })), 'unknown')
  t.equal(matchesNoValue(matcher({ values: ['a'], notValues: ['a'] })), false)
})
