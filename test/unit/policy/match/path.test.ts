import t from 'tap'
import { matchesPath, parsePath } from '../../../../src/policy/match/path.ts'

t.test('patterns match what they say', async (t) => {
  const cases: readonly (readonly [pattern: string, yes: readonly string[], no: readonly string[]])[] = [
    ['*', ['/', '/a', '*', ''], []],
    ['/a', ['/a'], ['/', '/a/', '/ab', '/A', '']],
    ['/a/*', ['/a/', '/a/b', '/a/b/c'], ['/a', '/ab']],
    ['/a*', ['/a', '/a/b', '/ab'], ['/b', '/']],
    ['/*', ['/', '/a'], ['*', '']],
    ['/a/{*}', ['/a/b', '/a/..b'], ['/a', '/a/', '/a/b/', '/a/b/c']],
    ['/{*}/b', ['/a/b'], ['//b', '/b', '/a/b/']],
    ['/{*}/', ['/a/'], ['/a', '//', '/']],
    ['/a/{**}', ['/a', '/a/', '/a/b', '/a/b/c/'], ['/ab', '/']],
    ['/{**}', ['/', '/a/b'], ['*', '']],
    ['/a/{**}/b', ['/a/b', '/a/x/b', '/a/x/y/b'], ['/a/b/', '/a', '/ab', '/a/xb']],
    ['/a/{**}/', ['/a/', '/a/b/'], ['/a', '/a/b']],
    ['/a/{*}/b/{**}', ['/a/x/b', '/a/x/b/', '/a/x/b/y/z'], ['/a/b', '/a//b', '/a/x/c']],
  ]
  for (const [text, yes, no] of cases) {
    const pattern = parsePath(text)
    for (const path of yes) t.ok(matchesPath(pattern, path), `${text} matches ${path}`)
    for (const path of no) t.notOk(matchesPath(pattern, path), `${text} does not match ${path}`)
  }
})

t.test('patterns that could not match, or not as meant, are refused', async (t) => {
  const cases: readonly (readonly [pattern: string, code: string])[] = [
    ['', 'path-pattern-form'],
    ['a', 'path-pattern-form'],
    ['**', 'path-pattern-form'],
    ['*.html', 'path-pattern-form'],
    ['/a/*/b', 'path-pattern-star'],
    ['/a/**', 'path-pattern-star'],
    ['/a/{x}', 'path-pattern-operator'],
    ['/a/{*}.txt', 'path-pattern-operator'],
    ['/a/{*}*', 'path-pattern-operator'],
    ['/{*}/a*', 'path-pattern-operator'],
    ['/{**}/{*}', 'path-pattern-order'],
    ['/{**}/a/{**}', 'path-pattern-order'],
    ['/a//b', 'path-pattern-not-normal'],
    ['/a/../b', 'path-pattern-not-normal'],
    ['/a/../{*}', 'path-pattern-not-normal'],
    ['/%61', 'path-pattern-not-normal'],
    ['/%3a', 'path-pattern-not-normal'],
    ['/a%2Fb', 'path-pattern-not-normal'],
    ['/a?b', 'path-pattern-not-normal'],
    ['/a b', 'path-pattern-not-normal'],
    ['/a%2*', 'path-pattern-not-normal'],
  ]
  for (const [text, code] of cases) t.throws(() => parsePath(text), { name: 'OutriderError', code }, text)
})
