import t from 'tap'
import type { JsonObject } from '../../../../src/identity/json.ts'
import { claimOf, matchesClaim, parseClaimPath } from '../../../../src/policy/match/claim.ts'
import { valueMatcherOf } from '../../../../src/policy/match/value.ts'
import type { ValueMatch } from '../../../../src/policy/model.ts'

t.test('paths', async (t) => {
  const cases: readonly [text: string, path: readonly string[]][] = [
    ['sub', ['sub']],
    ['realm_access.roles', ['realm_access', 'roles']],
    ['["https://example.org/groups"].admin', ['https://example.org/groups', 'admin']],
    ['a["b.c"]', ['a', 'b.c']],
    ['a.["b"]', ['a', 'b']],
    ['a["b"]["c"].d', ['a', 'b', 'c', 'd']],
    [String.raw`["a\"b\u0041"]`, ['a"bA']],
    ['urn:x:y', ['urn:x:y']],
  ]
  for (const [text, path] of cases) t.strictSame(parseClaimPath(text), path, text)
  for (const text of [
    '',
    '.',
    '.a',
    'a.',
    'a..b',
    'a[b]',
    'a[0]',
    '[""',
    '["a]',
    'a["b"]c',
    'a b',
    'a"b',
    ']',
    String.raw`["\x"]`,
    '.["a"]',
  ])
    t.throws(() => parseClaimPath(text), { code: 'claim-path-malformed' }, JSON.stringify(text))
  t.throws(() => parseClaimPath(Array.from({ length: 17 }, () => 'a').join('.')), {
    code: 'claim-path-malformed',
    message: /MAX_CLAIM_DEPTH/,
  })
})

t.test('only what a token says itself is a claim', async (t) => {
  const claims: JsonObject = JSON.parse('{"a":{"b":1},"l":[{"x":1}],"__proto__":{"p":2}}')
  t.equal(claimOf(['a', 'b'], claims), 1)
  t.equal(claimOf(['a', 'constructor'], claims), undefined)
  t.equal(claimOf(['constructor', 'name'], claims), undefined)
  t.equal(claimOf(['toString'], claims), undefined)
  t.equal(claimOf(['__proto__', 'p'], claims), 2)
  t.equal(claimOf(['l', '0'], claims), undefined, 'lists are not gone into')
  t.equal(claimOf(['l', 'length'], claims), undefined)
  t.equal(claimOf(['a', 'b', 'c'], claims), undefined)
})

t.test('values of all types', async (t) => {
  const claims: JsonObject = {
    sub: 'alice',
    level: 3,
    ok: true,
    roles: ['admin', 'dev', 7],
    none: null,
    deep: { roles: ['x'] },
    mixed: ['a', {}],
    empty: [],
    scope: 'read  write:all',
    scopes: 'read write',
  }
  const truth = (claim: string, match: ValueMatch): unknown =>
    matchesClaim(parseClaimPath(claim), valueMatcherOf(match, undefined), claims)
  const cases: readonly [claim: string, match: ValueMatch, expected: unknown][] = [
    ['sub', { values: ['alice'] }, true],
    ['sub', { values: ['al*'], notValues: ['alice'] }, false],
    ['level', { values: ['3'] }, true],
    ['ok', { values: ['true'] }, true],
    ['ok', { values: ['false'] }, false],
    ['roles', { values: ['dev'] }, true],
    ['roles', { values: ['7'] }, true],
    ['roles', { values: ['d'] }, false],
    ['roles', { notValues: ['dev'] }, false],
    ['roles', { notValues: ['ops'] }, true],
    ['deep.roles', { values: ['x'] }, true],
    ['scope', { values: ['write:all'] }, true],
    ['scope', { values: ['read  write:all'] }, false],
    ['scope', { values: ['rea'] }, false],
    ['scopes', { values: ['read'] }, false],
    ['scopes', { values: ['read write'] }, true],
    ['mixed', { values: ['a'] }, true],
    ['mixed', { notValues: ['b'] }, 'unknown'],
    ['empty', { values: ['*'] }, false],
    ['empty', { notValues: ['b'] }, true],
    ['none', { values: ['*'] }, false],
    ['none', { values: ['null'] }, false],
    ['none', { notValues: ['a'] }, 'unknown'],
    ['deep', { values: ['*'] }, false],
    ['deep', { notValues: ['a'] }, 'unknown'],
    ['missing', { values: ['*'] }, false],
    ['missing', { notValues: ['a'] }, 'unknown'],
  ]
  for (const [claim, match, expected] of cases)
    t.equal(truth(claim, match), expected, `${claim} ${JSON.stringify(match)}`)
  t.equal(matchesClaim(['sub'], valueMatcherOf({ notValues: ['a'] }, undefined), undefined), 'unknown', 'no token')
})
