import * as fc from 'fast-check'
import t from 'tap'
import { matchesPath, parsePath } from '../../../src/policy/match/path.ts'
import { PathIndex } from '../../../src/policy/path-index.ts'
import { path, pathExpression, pathPattern } from './reference.ts'

function indexOf(patterns: readonly string[]): PathIndex<{ texts: string[] }> {
  const index = new PathIndex<{ texts: string[] }>(() => ({ texts: [] }))
  for (const text of patterns) index.at(parsePath(text)).texts.push(text)
  return index
}

function matching(index: PathIndex<{ texts: string[] }>, path: string): readonly string[] {
  const found: string[] = []
  index.find(path, ({ texts }) => {
    found.push(...texts)
    return undefined
  })
  return found
}

t.test('finds every pattern that matches and no other', async () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(pathPattern, { maxLength: 30 }),
      fc.array(path, { maxLength: 10 }),
      (patterns, paths) => {
        const index = indexOf(patterns)
        for (const path of paths) {
          const found = matching(index, path).toSorted()
          const wanted = patterns.filter((text) => matchesPath(parsePath(text), path)).toSorted()
          const meant = patterns.filter((text) => pathExpression(text).test(path)).toSorted()
          if (found.join() !== wanted.join()) throw new Error(`${path}: found ${found.join()} wanted ${wanted.join()}`)
          if (meant.join() !== wanted.join()) throw new Error(`${path}: matched ${wanted.join()} meant ${meant.join()}`)
        }
      },
    ),
    { numRuns: 2000 },
  )
})

t.test('equal patterns share one value', async (t) => {
  for (const text of ['/a', '/a*', '/a/{*}', '/a/{**}', '/a/{**}/b']) {
    const index = indexOf([text])
    t.equal(index.at(parsePath(text)), index.at(parsePath(text)), text)
  }
})

t.test('stops at the first answer', async (t) => {
  const index = indexOf(['/a', '/{*}', '/a*', '*'])
  let probes = 0
  t.equal(
    index.find('/a', () => {
      probes += 1
      return probes === 2 ? 'found' : undefined
    }),
    'found',
  )
  t.equal(probes, 2)
})
