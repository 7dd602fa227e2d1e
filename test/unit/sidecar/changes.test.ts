import * as fc from 'fast-check'
import t from 'tap'
import { changesBetween, withChanges } from '../../../src/sidecar/snapshot/changes.ts'
import type { Held, HeldResources } from '../../../src/sidecar/snapshot/snapshot.ts'

const seed = Number(process.env['FUZZ_SEED'] ?? Date.now() % 2 ** 31)
console.log(`seed ${seed}`)

/** Four objects: the same number is the same resource, that has not come anew. */
const pool = Array.from({ length: 4 }, (_, revision): Held => {
  const metadata = { namespace: 'default', name: 'a' }
  return {
    ok: false,
    name: { kind: 'Service', ...metadata },
    revision,
    unreadable: { kind: 'Service', metadata },
    violations: [],
  }
})
const held: fc.Arbitrary<HeldResources> = fc
  .dictionary(fc.constantFrom('a', 'b', 'c', 'd'), fc.nat(3))
  .map((entries) => new Map(Object.entries(entries).map(([key, index]) => [key, pool[index]!])))

t.test('what is between two sets makes the one out of the other', async (t) => {
  fc.assert(
    fc.property(held, held, (before, after) => {
      const copy = new Map(before)
      const changes = changesBetween(before, after)
      const made = withChanges(before, changes)
      const same = (a: HeldResources, b: HeldResources): boolean =>
        a.size === b.size && [...a].every(([key, value]) => b.get(key) === value)
      if (!same(made, after)) throw new Error('another set')
      if (!same(before, copy)) throw new Error('the one before was changed')
      if (changes.changed.some(([key, value]) => before.get(key) === value)) throw new Error('sends what is known')
    }),
    { seed },
  )
  t.strictSame(changesBetween(new Map(), new Map()), { changed: [], removed: [] })
})
