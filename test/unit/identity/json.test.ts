import * as fc from 'fast-check'
import t from 'tap'
import { parseJsonObject } from '../../../src/identity/json.ts'

const parse = (text: string): unknown => parseJsonObject(Buffer.from(text))

t.test('objects are what JSON.parse says', async (t) => {
  const object = fc.dictionary(fc.string({ unit: 'binary' }), fc.jsonValue({ maxDepth: 6, stringUnit: 'binary' }))
  const layout = fc.constantFrom(undefined, 1, '\t', '\n \r')
  fc.assert(
    fc.property(object, layout, (value, space) => {
      const text = JSON.stringify(value, undefined, space)
      t.strictSame(parse(text), JSON.parse(text))
    }),
  )
})

t.test('names that look alike are not the same', async (t) => {
  for (const text of [
    '{}',
    ' {"a":1} ',
    '{"a":1,"A":2}',
    '{"a":{"a":1},"b":{"a":2}}',
    '{"a":"a","b":"a"}',
    '{"a":"\\"b\\":","b":"{\\"b\\":1,\\"b\\":2}"}',
    '{"a":["a","a",{"a":1},{"a":2}]}',
    '{"a\\\\":1,"a\\"":2,"a":3}',
    '{"__proto__":1,"constructor":2}',
  ])
    t.strictSame(parse(text), JSON.parse(text), text)
})

t.test('a member that is there twice', async (t) => {
  for (const text of [
    '{"a":1,"a":1}',
    '{"a":1,"b":2,"a":3}',
    '{"a" : 1, "a"\t\n: 2}',
    '{"a":1,"\\u0061":2}',
    '{"\\u0061":1,"a":2}',
    '{"a\\"":1,"a\\u0022":2}',
    '{"\\\\":1,"\\u005c":2}',
    '{"x":{"a":1,"a":2}}',
    '{"x":[[{"a":1,"a":2}]]}',
    '{"a":{"b":[1]},"a":2}',
    '{"__proto__":1,"__proto__":2}',
    '{"":1,"":2}',
  ])
    t.throws(() => parse(text), { code: 'json-duplicate-member' }, text)
})

t.test('what is no JSON object', async (t) => {
  for (const text of [
    '',
    ' ',
    '[]',
    '"{}"',
    'null',
    '1',
    '{',
    '{}{}',
    '{"a":1,}',
    "{'a':1}",
    '{a:1}',
    '{"a":NaN}',
    '\ufeff{}',
  ])
    t.throws(() => parse(text), { code: 'json-malformed' }, JSON.stringify(text))
  // Bytes that are not UTF-8: broken, overlong, a surrogate, UTF-16.
  for (const bytes of ['7b2261223a22ff227d', '7b2261223a22c0a2227d', '7b2261223a22eda080227d', '7b007d00'])
    t.throws(() => parseJsonObject(Buffer.from(bytes, 'hex')), { code: 'json-malformed' }, bytes)
  t.throws(() => parse('{"secret-word":'), { message: /^is not JSON/, cause: undefined }, 'the input is not quoted')
})

t.test('nesting', async (t) => {
  const nested = (depth: number): string => `{"a":${'['.repeat(depth - 1)}${']'.repeat(depth - 1)}}`
  t.ok(parse(nested(16)))
  t.throws(() => parse(nested(17)), { code: 'json-too-deep' })
  t.throws(() => parse(nested(500_000)), { code: 'json-too-deep' })
  t.throws(() => parse('['.repeat(1_000_000)), { code: 'json-malformed' })
})

t.test('a message quotes neither control characters nor endless names', async (t) => {
  const name = JSON.stringify(`\n\u001b${'x'.repeat(500)}`)
  t.throws(() => parse(`{${name}:1,${name}:2}`), { message: /^[ -~]{1,160}$/ })
})
