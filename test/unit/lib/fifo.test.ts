import * as fc from 'fast-check'
import t from 'tap'
import { Fifo } from '../../../src/lib/fifo.ts'

t.test('first in, first out', async (t) => {
  const fifo = new Fifo<string>()
  t.equal(fifo.shift(), undefined)
  fifo.push('a')
  fifo.push('b')
  t.equal(fifo.size, 2)
  t.equal(fifo.shift(), 'a')
  t.equal(fifo.shift(), 'b')
  t.equal(fifo.shift(), undefined)
  t.equal(fifo.size, 0)
})

t.test('remove takes out what is picked and keeps the order of the rest', async (t) => {
  const fifo = new Fifo<number>()
  for (let item = 0; item < 10; item += 1) fifo.push(item)
  fifo.shift()
  t.same(
    fifo.remove((item) => item % 3 === 0),
    [3, 6, 9],
  )
  const rest: (number | undefined)[] = []
  while (fifo.size > 0) rest.push(fifo.shift())
  t.same(rest, [1, 2, 4, 5, 7, 8])
})

t.test('does what a plain array does', async (t) => {
  const step = fc.oneof(
    { weight: 4, arbitrary: fc.record({ kind: fc.constant('push' as const), item: fc.integer({ min: 1, max: 99 }) }) },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant('shift' as const), item: fc.constant(0) }) },
    {
      weight: 1,
      arbitrary: fc.record({ kind: fc.constant('remove' as const), item: fc.integer({ min: 2, max: 9 }) }),
    },
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 300, size: 'max' }), (steps) => {
      const fifo = new Fifo<number>()
      let model: number[] = []
      for (const { kind, item } of steps) {
        if (kind === 'push') {
          fifo.push(item)
          model.push(item)
        } else if (kind === 'shift') {
          if (fifo.shift() !== model.shift()) return false
        } else {
          const picked = (one: number): boolean => one % item === 0
          const removed = fifo.remove(picked)
          if (removed.join() !== model.filter(picked).join()) return false
          model = model.filter((one) => !picked(one))
        }
        if (fifo.size !== model.length) return false
      }
      return true
    }),
    { numRuns: 200 },
  )
  t.pass()
})
