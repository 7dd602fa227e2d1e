import * as fc from 'fast-check'
import t from 'tap'
import { normalisePath } from '../../../src/policy/normalise.ts'

t.test('one spelling for each path', async (t) => {
  const cases: readonly (readonly [string, string, string])[] = [
    ['/', '/', ''],
    ['*', '*', ''],
    ['/a/b.c', '/a/b.c', ''],
    ['/a?b=%2F/../c', '/a', '?b=%2F/../c'],
    ['/?', '/', '?'],
    ['/%61%7e%2D%5f%2E', '/a~-_.', ''],
    ['/%3a%c3%a9', '/%3A%C3%A9', ''],
    ['/a:b', '/a:b', ''],
    ['//a///b//', '/a/b/', ''],
    ['/a/./b/.', '/a/b/', ''],
    ['/a/b/../c', '/a/c', ''],
    ['/a/b/..', '/a/', ''],
    ['/a/..', '/', ''],
    ['/.', '/', ''],
    ['/a//../b', '/b', ''],
    ['/a/%2e%2E/b', '/b', ''],
    ['/%252e%252e/a', '/%252e%252e/a', ''],
    ['/.well-known/...', '/.well-known/...', ''],
    ['/%E9t%E9', '/%E9t%E9', ''],
    ['/%C0x', '/%C0x', ''],
  ]
  for (const [target, path, query] of cases) t.strictSame(normalisePath(target), { ok: true, path, query }, target)
})

t.test('what is refused, and why', async (t) => {
  const cases: readonly (readonly [string, string])[] = [
    ['', 'path-form'],
    ['a', 'path-form'],
    ['http://a/', 'path-form'],
    ['**', 'path-form'],
    ['/a b', 'path-character'],
    ['/a\n', 'path-character'],
    ['/a?b\r', 'path-character'],
    ['/a#b', 'path-character'],
    ['/a?b#c', 'path-character'],
    ['/é', 'path-character'],
    ['/%00', 'path-character'],
    ['/%0d%0a', 'path-character'],
    ['/%7F', 'path-character'],
    ['/a\\b', 'path-backslash'],
    ['/a%5cb', 'path-backslash'],
    ['/a%2fb', 'path-encoded-slash'],
    ['/a%2', 'path-escape'],
    ['/%', 'path-escape'],
    ['/%zz', 'path-escape'],
    ['/%c0%af', 'path-overlong-utf8'],
    ['/%C1%81', 'path-overlong-utf8'],
    ['/%e0%80%af', 'path-overlong-utf8'],
    ['/%F0%8F%80%80', 'path-overlong-utf8'],
    ['/..', 'path-above-root'],
    ['/a/../..', 'path-above-root'],
    ['/%2e%2e/', 'path-above-root'],
    ['/a/..;x/b', 'path-dot-parameters'],
    ['/a/.;/b', 'path-dot-parameters'],
    ['/a/%2e.;x', 'path-dot-parameters'],
  ]
  for (const [target, code] of cases) t.strictSame(normalisePath(target), { ok: false, code }, JSON.stringify(target))
})

t.test('every byte in a path', async (t) => {
  const refused: string[] = []
  for (let code = 0; code < 256; code += 1) {
    const character = String.fromCharCode(code)
    const result = normalisePath(`/a${character}`)
    if (!result.ok) refused.push(character)
    else if (character !== '?' && character !== '%') t.equal(result.path, `/a${character}`)
  }
  const wanted = Array.from({ length: 256 }, (_, code) => String.fromCharCode(code)).filter((character) =>
    /[\0-\x20\x7f-\xff#%\\]/.test(character),
  )
  t.strictSame(refused, wanted)
})

t.test('normal paths stay as they are, and results are normal', async () => {
  const piece = fc.constantFrom('/', '.', '..', 'a', '%2e', '%2E', '%61', '%C3', '?', ';', '//', ':', '~', '%25')
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
      const result = normalisePath(`/${pieces.join('')}`)
      if (!result.ok) return
      const again = normalisePath(result.path + result.query)
      if (!again.ok || again.path !== result.path || again.query !== result.query) throw new Error('not idempotent')
      if (/\/\/|\/\.\.?(\/|$)|%(?![0-9A-F]{2})|%(4[1-9A-F]|2E|7E)/.test(result.path)) throw new Error('not normal')
    }),
    { numRuns: 2000 },
  )
})
