import t from 'tap'
import { waitFor, WatchCell } from '../../../src/lib/watch.ts'

t.test('listeners hear each later value, in order, until they leave', async (t) => {
  const cell = new WatchCell(1)
  const heard: string[] = []
  const leave = cell.subscribe((value) => heard.push(`a${value}`))
  cell.subscribe((value) => heard.push(`b${value}`))
  cell.set(2)
  leave()
  leave()
  cell.set(3)
  t.same(heard, ['a2', 'b2', 'b3'])
  t.equal(cell.current, 3)
})

t.test('the value is there before its listeners hear of it', async (t) => {
  const cell = new WatchCell('old')
  cell.subscribe((value) => t.equal(cell.current, value))
  cell.set('new')
})

t.test('whoever comes or leaves while a value is told changes nothing for the others', async (t) => {
  const cell = new WatchCell(0)
  const heard: string[] = []
  const leave = cell.subscribe(() => {
    heard.push('first')
    leave()
    cell.subscribe(() => heard.push('late'))
  })
  cell.subscribe(() => heard.push('second'))
  cell.set(1)
  t.same(heard.splice(0), ['first', 'second'])
  cell.set(2)
  t.same(heard, ['second', 'late'])
})

function even(value: number | string): boolean {
  return typeof value === 'number' && value % 2 === 0
}

t.test('waitFor takes a present value, or the first future one that fits', async (t) => {
  const cell = new WatchCell<number | string>(4)
  t.equal(await waitFor(cell, even), 4)
  cell.set(5)
  const waiting = waitFor(cell, even)
  cell.set('six')
  cell.set(6)
  cell.set(8)
  t.equal(await waiting, 6)
})

t.test('waitFor ends with the reason of its signal', async (t) => {
  const cell = new WatchCell(0)
  const reason = new Error('enough')
  const late = new AbortController()
  const waiting = waitFor(cell, (value) => value > 0, late.signal)
  late.abort(reason)
  await t.rejects(waiting, reason)
  await t.rejects(
    waitFor(cell, (value) => value > 0, late.signal),
    reason,
  )
  t.equal(await waitFor(cell, (value) => value === 0, late.signal), 0, 'a value that is there needs no waiting')
})
