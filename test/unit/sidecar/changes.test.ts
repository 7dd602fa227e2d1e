import * as fc from 'fast-check'
import t from 'tap'
import type { AuthorizationRule } from '../../../src/policy/model.ts'
import { changesBetween, heldAfter, withChanges } from '../../../src/sidecar/snapshot/changes.ts'
import type { Held, HeldResources } from '../../../src/sidecar/snapshot/snapshot.ts'
import { policyOf } from '../policy/reference.ts'

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

t.test('of a policy that came anew, rules that are equal are the ones that were held', async (t) => {
  const snapshotOf = (paths: readonly string[]): Held => ({
    ok: true,
    name: { kind: 'AuthorizationPolicy', namespace: 'shop', name: 'policy' },
    revision: 1,
    resource: policyOf(
      'ALLOW',
      paths.map((path) => ({ to: [{ paths: [path] }] })),
    ),
  })
  const rulesOf = (held: Held): readonly AuthorizationRule[] =>
    held.ok && held.resource.kind === 'AuthorizationPolicy' ? held.resource.spec.rules : []
  const before = snapshotOf(['/a', '/b', '/c'])
  const after = heldAfter(snapshotOf(['/a', '/x', '/c', '/d']), before)
  t.same(rulesOf(after), rulesOf(snapshotOf(['/a', '/x', '/c', '/d'])))
  t.same(
    rulesOf(after).map((rule) => rulesOf(before).includes(rule)),
    [true, false, true, false],
  )
  t.equal(heldAfter(pool[0]!, before), pool[0], 'what could not be read is left as it is')
  t.equal(heldAfter(before, pool[0]), before)
  t.equal(heldAfter(before, undefined), before)
})
