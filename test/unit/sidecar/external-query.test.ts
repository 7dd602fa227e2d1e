import t from 'tap'
import { changeQuery } from '../../../src/sidecar/external/query.ts'

t.test('parameters are taken away and set, and the rest stays as it is spelled', async (t) => {
  const set = (key: string, value: string): { key: string; value: string } => ({ key, value })
  const vectors: readonly (readonly [string, readonly string[], readonly ReturnType<typeof set>[], string])[] = [
    ['/', [], [], '/'],
    ['/?a=1', [], [], '/?a=1'],
    ['/?', ['a'], [], '/'],
    ['/?a=1', ['a'], [], '/'],
    ['/?a=1&b=%20+&a=2', ['a'], [], '/?b=%20+'],
    ['/?%61=1&b', ['a'], [], '/?b'],
    ['/?a+b=1', ['a b'], [], '/'],
    ['/?aa=1', ['a'], [], '/?aa=1'],
    ['/?a=1;b=2', ['b'], [], '/?a=1'],
    ['/', [], [set('a', '1')], '/?a=1'],
    ['/?a=0&a=0&b=1', [], [set('a', '1')], '/?b=1&a=1'],
    ['/', [], [set('a', '1'), set('a', '2')], '/?a=2'],
    ['/', [], [set('a&b', 'c=d#e f')], '/?a%26b=c%3Dd%23e%20f'],
    ['/', ['a'], [set('a', '1')], '/?a=1'],
    ['/?%zz=1', ['%zz'], [], '/'],
    ['*', [], [], '*'],
  ]
  for (const [target, removed, added, wanted] of vectors) {
    t.equal(changeQuery(target, { removed, set: added }), wanted, `${target} ${removed.join()}`)
  }
})
