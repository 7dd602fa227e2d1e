import * as fc from 'fast-check'
import t from 'tap'
import { type Normalisation, normalisations } from '../../../src/lib/normalisation.ts'
import { normalisePath } from '../../../src/policy/normalise.ts'
import { normaliserOf } from '../../../src/policy/normalise-as.ts'
import { pathVectors } from '../../fixtures/path-vectors.ts'

/** `seed` prints with a failure, and is set to repeat one. */
const runs = { numRuns: 3000, seed: Number(process.env['FUZZ_SEED'] ?? Date.now() % 2 ** 31) }
console.log(`seed ${runs.seed}`)

function outcome(mode: Normalisation, target: string): string {
  const result = normaliserOf(mode)(target)
  return result.ok ? result.path + result.query : result.code
}

t.test('strict is what it was', async (t) => t.equal(normaliserOf('strict'), normalisePath))

t.test('what each mode makes of a path', async (t) => {
  const table: readonly [target: string, none: string, base: string, merged: string, decoded: string][] = [
    ['/', '/', '/', '/', '/'],
    ['*', '*', '*', '*', '*'],
    ['/a/b?c=d', '/a/b?c=d', '/a/b?c=d', '/a/b?c=d', '/a/b?c=d'],
    ['/a#b?c', '/a', '/a', '/a', '/a'],
    ['/a?b#c', '/a?b', '/a?b', '/a?b', '/a?b'],
    ['//a//b//', '//a//b//', '//a//b//', '/a/b/', '/a/b/'],
    ['/a/./b/../c', '/a/./b/../c', '/a/c', '/a/c', '/a/c'],
    ['/a//../b', '/a//../b', '/a/b', '/a/b', '/a/b'],
    ['/../..', '/../..', '/', '/', '/'],
    ['/a/..', '/a/..', '/', '/', '/'],
    ['/a/b/.', '/a/b/.', '/a/b/', '/a/b/', '/a/b/'],
    ['/a/%2E%2e/b', '/a/%2E%2e/b', '/b', '/b', '/b'],
    ['/a\\..\\b', '/a\\..\\b', '/b', '/b', '/b'],
    ['/a%2f..%5Cb', '/a%2f..%5Cb', '/a%2f..%5Cb', '/a%2f..%5Cb', '/b'],
    ['/%41%7e%c3%A9', '/%41%7e%c3%A9', '/A~%c3%A9', '/A~%c3%A9', '/A~%c3%A9'],
    ['/%252e%252F', '/%252e%252F', '/%252e%252F', '/%252e%252F', '/%252e%252F'],
    [
      '/"<a>^`{|}',
      '/"<a>^`{|}',
      '/%22%3Ca%3E%5E%60%7B%7C%7D',
      '/%22%3Ca%3E%5E%60%7B%7C%7D',
      '/%22%3Ca%3E%5E%60%7B%7C%7D',
    ],
    ['/a?b//..%zz\\', '/a?b//..%zz\\', '/a?b//..%zz\\', '/a?b//..%zz\\', '/a?b//..%zz\\'],
    ['/..;/a', '/..;/a', '/..;/a', '/..;/a', '/..;/a'],
    ['/a%0', '/a%0', 'path-escape', 'path-escape', 'path-escape'],
    ['/a%%34%31', '/a%%34%31', 'path-escape', 'path-escape', 'path-escape'],
    ['/a%00', 'path-character', 'path-character', 'path-character', 'path-character'],
    ['/a b', 'path-character', 'path-character', 'path-character', 'path-character'],
    ['/\u00e9', 'path-character', 'path-character', 'path-character', 'path-character'],
    ['/a?\n', 'path-character', 'path-character', 'path-character', 'path-character'],
    ['', 'path-form', 'path-form', 'path-form', 'path-form'],
    ['a/b', 'path-form', 'path-form', 'path-form', 'path-form'],
    ['\\a', 'path-form', 'path-form', 'path-form', 'path-form'],
    ['#/a', 'path-form', 'path-form', 'path-form', 'path-form'],
  ]
  const modes = normalisations.filter((mode) => mode !== 'strict')
  for (const [target, ...wanted] of table)
    t.strictSame(
      modes.map((mode) => outcome(mode, target)),
      wanted,
      JSON.stringify(target),
    )
})

t.test("Istio's and Envoy's own tests", async (t) => {
  const vectors = pathVectors()
  if (vectors === undefined) {
    t.pass('not run: the vectors are not there')
    return
  }
  let agreed = 0
  for (const vector of vectors) {
    const result = normaliserOf(vector.mode)(vector.in)
    const came = result.ok ? result.path + result.query : '400'
    if (came === vector.out) agreed += 1
    else t.fail(`${vector.group}, ${vector.mode}: ${JSON.stringify(vector.in)} should be ${vector.out}, not ${came}`)
  }
  console.log(`note: path-normalisation.json: ${agreed} of ${vectors.length} agree`)
  t.equal(agreed, vectors.length, `${agreed} of ${vectors.length}`)
})

const pieces = fc.constantFrom(
  '/',
  '/',
  '//',
  '\\',
  '.',
  '..',
  'a',
  ';',
  '%2e',
  '%2E',
  '%2f',
  '%5C',
  '%61',
  '%25',
  '%',
  '4',
  '1',
  '%C3',
  '%00',
  '"',
  '|',
  '#',
  '?',
  '~',
  ':',
)
const targets = fc.array(pieces, { maxLength: 14 }).map((parts) => `/${parts.join('')}`)

for (const mode of normalisations) {
  t.test(`${mode}: done twice it changes nothing more, and nothing is left that it takes away`, async () => {
    const normalise = normaliserOf(mode)
    fc.assert(
      fc.property(targets, (target) => {
        const result = normalise(target)
        if (!result.ok) return
        const again = normalise(result.path + result.query)
        if (!again.ok || again.path !== result.path || again.query !== result.query) throw new Error('not idempotent')
        if (!result.path.startsWith('/') || /[?#]/.test(result.path) || result.query.includes('#'))
          throw new Error(`not a path: ${result.path}${result.query}`)
        if (mode === 'none') return
        if (/\/\.\.?(\/|$)|\\|%(2[DE]|3\d|[46][1-9A-F]|[57][\dA]|5F|7E)/i.test(result.path))
          throw new Error(result.path)
        if (mode !== 'base' && result.path.includes('//')) throw new Error('slashes are not merged')
        if (mode === 'decode-and-merge-slashes' && /%(2F|5C)/i.test(result.path)) throw new Error('not decoded')
      }),
      runs,
    )
  })
}
