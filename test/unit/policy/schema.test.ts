import t from 'tap'
import { OutriderError } from '../../../src/lib/errors.ts'
import {
  andThen,
  integer,
  list,
  object,
  oneOf,
  optional,
  parsed,
  type Reader,
  withDefault,
} from '../../../src/policy/schema.ts'

/** What a reader gives, or the fields and codes of what it reports. */
function outcome(read: Reader<unknown>, value: unknown): unknown {
  const reported: string[] = []
  const result = read(value, '', ({ field, code }) => {
    reported.push(`${field} ${code}`)
    return undefined
  })
  if ((result === undefined) !== reported.length > 0) throw new Error('a failure and its reports belong together')
  return result ?? reported
}

const word = parsed((text) => {
  if (/^[a-z]+$/.test(text)) return text.toUpperCase()
  throw new OutriderError('word-malformed', 'not a word')
}, 5)

t.test('an object has its fields and no others', async (t) => {
  const read = object({ a: word, b: optional(word), c: withDefault(oneOf(['x', 'y']), 'x') })
  t.strictSame(outcome(read, { a: 'one' }), { a: 'ONE', c: 'x' })
  t.strictSame(outcome(read, { a: 'one', b: 'two', c: 'y' }), { a: 'ONE', b: 'TWO', c: 'y' })
  t.strictSame(outcome(read, { b: 1, c: 'z', d: 1, e: 1 }), [
    'a field-missing',
    'b type-mismatch',
    'c value-unknown',
    'd field-unknown',
    'e field-unknown',
  ])
  for (const value of [null, 'a', 1, [], [{ a: 'one' }]]) t.strictSame(outcome(read, value), [' type-mismatch'])
})

t.test('a field that is there without a value is not absent', async (t) => {
  const read = object({ a: optional(word), b: withDefault(word, 'B') })
  t.strictSame(outcome(read, { a: undefined, b: undefined }), ['a field-missing', 'b field-missing'])
})

t.test('what an object inherits does not count', async (t) => {
  const read = object({ a: word })
  t.strictSame(outcome(read, Object.create({ a: 'one' })), ['a field-missing'])
  t.strictSame(outcome(read, JSON.parse('{"a":"one","__proto__":{}}')), ['__proto__ field-unknown'])
  t.strictSame(outcome(object({ toString: word }), {}), ['toString field-missing'])
})

t.test('a list reports all its entries, and equal ones', async (t) => {
  const read = list(word, { max: 4, unique: { keyOf: (text) => text } })
  t.strictSame(outcome(read, ['a', 'b']), ['A', 'B'])
  t.strictSame(outcome(read, ['a', 1, 'a', 'B']), ['[1] type-mismatch', '[2] duplicate', '[3] word-malformed'])
  t.strictSame(outcome(read, ['a', 'b', 'c', 'd', 'e']), [' list-too-long'])
  t.strictSame(outcome(read, []), [])
  t.strictSame(outcome(list(word, { min: 1, max: 4 }), []), [' list-empty'])
  t.strictSame(outcome(read, { length: 1, 0: 'a' }), [' type-mismatch'])
})

t.test('texts and numbers have bounds', async (t) => {
  t.strictSame(outcome(word, 'abcde'), 'ABCDE')
  t.strictSame(outcome(word, 'abcdef'), [' string-too-long'])
  for (const value of [1, 65_535]) t.equal(outcome(integer(1, 65_535), value), value)
  for (const value of [0, 65_536, 2 ** 60]) t.strictSame(outcome(integer(1, 65_535), value), [' number-out-of-range'])
  for (const value of [1.5, Number.NaN, Infinity, '1']) t.strictSame(outcome(integer(1, 9), value), [' type-mismatch'])
})

t.test('a second step sees only what the first has read', async (t) => {
  const read = andThen(word, (text, field, report) =>
    text === 'NO' ? report({ field, code: 'no', message: 'no' }) : text.length,
  )
  t.equal(outcome(read, 'yes'), 3)
  t.strictSame(outcome(read, 'no'), [' no'])
  t.strictSame(outcome(read, 'No'), [' word-malformed'])
})

t.test('a bug of a parser is no violation', async (t) => {
  const broken = parsed(() => {
    throw new TypeError('a bug')
  }, 5)
  t.throws(() => outcome(broken, 'a'), { name: 'TypeError' })
})
