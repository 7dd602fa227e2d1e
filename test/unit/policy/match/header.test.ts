import t from 'tap'
import { matchesHeader, parseHeaderName } from '../../../../src/policy/match/header.ts'
import { valueMatcherOf } from '../../../../src/policy/match/value.ts'
import type { ValueMatch } from '../../../../src/policy/model.ts'

const truth = (name: string, match: ValueMatch, ...headers: readonly string[]): unknown =>
  matchesHeader(name, valueMatcherOf(match, undefined), headers)

t.test('names are in lower case', async (t) => {
  t.equal(parseHeaderName('x-a_b'), 'x-a_b')
  for (const name of ['', 'X-A', 'a b', ':path', 'a:', 'é'])
    t.throws(() => parseHeaderName(name), { code: 'header-malformed' }, JSON.stringify(name))
})

t.test('one value', async (t) => {
  t.equal(truth('x', { values: ['a'] }, 'x', 'a'), true)
  t.equal(truth('x', { values: ['a'] }, 'y', 'a', 'x', 'b'), false)
  t.equal(truth('x', { notValues: ['a'] }, 'x', 'b'), true)
  t.equal(truth('x', { values: ['x'] }, 'y', 'x'), false, 'a value is no name')
  t.equal(truth('x', { values: ['*'] }), false)
  t.equal(truth('x', { notValues: ['a'] }), 'unknown')
  t.equal(truth('x', { values: [''] }, 'x', ''), true)
})

t.test('of several values each has to match; when they differ nobody knows', async (t) => {
  t.equal(truth('x', { values: ['a', 'b'] }, 'x', 'a', 'x', 'b'), true)
  t.equal(truth('x', { values: ['a'] }, 'x', 'b', 'x', 'c'), false)
  t.equal(truth('x', { values: ['evil'] }, 'x', 'evil', 'x', 'good'), 'unknown')
  t.equal(truth('x', { values: ['evil'] }, 'x', 'good', 'x', 'evil'), 'unknown')
  t.equal(truth('x', { notValues: ['evil'] }, 'x', 'evil', 'x', 'good'), 'unknown')
  t.equal(truth('x', { notValues: ['evil'] }, 'x', 'evil', 'x', 'evil'), false)
})

t.test('cookies are a list of pairs', async (t) => {
  t.equal(truth('cookie', { values: ['a=1'] }, 'cookie', 'b=2; a=1'), true)
  t.equal(truth('cookie', { values: ['a=1'] }, 'cookie', 'b=2', 'cookie', 'a=1'), true, 'in fields of their own')
  t.equal(truth('cookie', { values: ['a=*'] }, 'cookie', 'b=2;c=3'), false)
  t.equal(truth('cookie', { notValues: ['a=1'] }, 'cookie', 'b=2; a=1'), false)
  t.equal(truth('cookie', { notValues: ['a=1'] }, 'cookie', 'b=2'), true)
  t.equal(truth('cookie', { values: ['a=1'] }, 'cookie', 'a=1; a=2'), 'unknown')
  t.equal(truth('cookie', { values: ['a=1'] }, 'cookie', 'a=1; a=1'), true)
  t.equal(truth('cookie', { values: ['a=1', 'b=2'] }, 'cookie', 'a=1; a=2; b=2'), true)
  t.equal(truth('cookie', { values: ['*'] }, 'cookie', ' ; '), false)
})
