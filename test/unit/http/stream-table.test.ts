import * as fc from 'fast-check'
import t from 'tap'
import { H2Stream, type StreamCarrier } from '../../../src/http/h2/stream.ts'
import { StreamTable } from '../../../src/http/h2/stream-table.ts'

const carrier: StreamCarrier = {
  lastHead: [],
  blameStream: () => {},
  sendData: () => true,
  sendEnd: () => {},
  resetStream: () => {},
  resumeStream: () => {},
}
const streamOf = (id: number): H2Stream => new H2Stream(carrier, id, 0, 0)

t.test('holds what a map would hold', async () => {
  const steps = fc.array(fc.tuple(fc.boolean(), fc.integer({ min: 0, max: 200 })), { maxLength: 400 })
  fc.assert(
    fc.property(steps, (taken) => {
      const table = new StreamTable()
      const model = new Map<number, H2Stream>()
      for (const [adds, number] of taken) {
        const id = 2 * number + 1
        const present = model.get(id)
        if (adds && present === undefined) {
          const stream = streamOf(id)
          table.add(stream)
          model.set(id, stream)
        } else if (!adds) {
          const stream = present ?? streamOf(id)
          table.delete(stream)
          model.delete(id)
          if (stream.next !== undefined) return false
        }
        if (table.get(id) !== model.get(id) || table.size !== model.size) return false
      }
      const all = new Set(table.all())
      return all.size === model.size && [...model.values()].every((stream) => all.has(stream))
    }),
  )
})

t.test('a stream that is gone keeps no other alive', async (t) => {
  const table = new StreamTable()
  // The same place: ids that are as many numbers apart as there are places.
  const [one, two, three] = [streamOf(1), streamOf(17), streamOf(33)]
  for (const stream of [one, two, three]) table.add(stream)
  table.delete(two)
  t.equal(two.next, undefined)
  t.same(table.all(), [three, one])
  table.delete(two)
  t.equal(table.size, 2, 'once')
  table.delete(three)
  t.same([three.next, table.get(1), table.get(33)], [undefined, one, undefined])
})
