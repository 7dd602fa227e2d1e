import * as fc from 'fast-check'
import t from 'tap'
import { matchesPath, parsePath } from '../../../src/policy/match/path.ts'
import { alterPath, findPath, type PathIndex } from '../../../src/policy/path-index.ts'
import { type Edit, newEdit } from '../../../src/policy/persistent.ts'
import { path, pathExpression, pathPattern } from './reference.ts'

const seed = Number(process.env['FUZZ_SEED'] ?? Date.now() % 2 ** 31)
console.log(`seed ${seed}`)

type Texts = PathIndex<string> | undefined

/** The value of a pattern is its text. */
function put(index: Texts, text: string, edit: Edit): Texts {
  return alterPath(index, parsePath(text), edit, () => text)
}

function drop(index: Texts, text: string, edit: Edit): Texts {
  return alterPath(index, parsePath(text), edit, () => undefined)
}

function indexOf(patterns: readonly string[]): Texts {
  const edit = newEdit()
  return patterns.reduce((index: Texts, text) => put(index, text, edit), undefined)
}

function matching(index: Texts, path: string): readonly string[] {
  const found: string[] = []
  if (index === undefined) return found
  findPath(index, path, (text, texts) => void texts.push(text), found)
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

t.test('equal patterns share one place', async (t) => {
  for (const text of ['/a', '/a*', '/a/{*}', '/a/{**}', '/a/{**}/b']) {
    const seen: unknown[] = []
    alterPath(indexOf([text]), parsePath(text), newEdit(), (value) => {
      seen.push(value)
      return value
    })
    t.same(seen, [text], text)
  }
})

t.test('stops at the first answer', async (t) => {
  const index = indexOf(['/a', '/{*}', '/a*', '*'])
  let probes = 0
  const probe = (): string | undefined => {
    probes += 1
    return probes === 2 ? 'found' : undefined
  }
  t.equal(findPath(index!, '/a', probe, undefined), 'found')
  t.equal(probes, 2)
})

/** What is in an index, without who made it: of the same patterns the same. */
function shape(value: unknown): unknown {
  if (value instanceof Map)
    return Array.from(value, ([key, item]) => [String(key), shape(item)]).toSorted(([a], [b]) =>
      String(a) < String(b) ? -1 : 1,
    )
  if (Array.isArray(value)) return value.map(shape)
  if (typeof value !== 'object' || value === null) return value
  const members = Object.entries(value).filter(([name, item]) => name !== 'edit' && item !== undefined)
  return Object.fromEntries(members.map(([name, item]) => [name, shape(item)]))
}

t.test('an index that was edited is one that was made anew, and the one before stays as it was', async (t) => {
  const edits = fc.array(fc.array(fc.tuple(fc.boolean(), pathPattern), { maxLength: 12 }), { maxLength: 8 })
  fc.assert(
    fc.property(edits, fc.array(path, { maxLength: 6 }), (batches, paths) => {
      const present = new Set<string>()
      const versions: { readonly index: Texts; readonly shape: string }[] = []
      let index: Texts
      for (const batch of batches) {
        const edit = newEdit()
        for (const [added, text] of batch) {
          index = added ? put(index, text, edit) : drop(index, text, edit)
          if (added) present.add(text)
          else present.delete(text)
        }
        const fresh = indexOf([...present])
        const shapes = JSON.stringify(shape(index) ?? null)
        if (shapes !== JSON.stringify(shape(fresh) ?? null)) throw new Error(`${shapes}: not as made anew`)
        for (const path of paths)
          if (matching(index, path).join() !== matching(fresh, path).join()) throw new Error(`${path}: another order`)
        versions.push({ index, shape: shapes })
      }
      for (const version of versions)
        if (JSON.stringify(shape(version.index) ?? null) !== version.shape)
          throw new Error('an older index was changed')
    }),
    { seed, numRuns: 1000 },
  )
  const edit = newEdit()
  const all = ['/a', '/ab*', '/abc*', '/a/{*}/b', '/a/{**}/b', '*']
  t.equal(
    all.reduce((index: Texts, text) => drop(index, text, edit), indexOf(all)),
    undefined,
    'nothing is left',
  )
})
