import t from 'tap'
import { changeHeaders, type HeaderChange, isFieldName, isFieldValue } from '../../../src/http/header-changes.ts'

const headers = ['a', '1', 'b', '2', 'a', '3']

function changed(how: HeaderChange['how'], name: string): readonly string[] {
  return changeHeaders(headers, [{ name, value: 'x', how }])
}

t.test('each way to change a field, there and not there', async (t) => {
  t.same(changed('append', 'a'), [...headers, 'a', 'x'])
  t.same(changed('append', 'c'), [...headers, 'c', 'x'])
  t.same(changed('add-if-absent', 'a'), headers)
  t.same(changed('add-if-absent', 'c'), [...headers, 'c', 'x'])
  t.same(changed('overwrite-or-add', 'a'), ['b', '2', 'a', 'x'], 'all of several')
  t.same(changed('overwrite-or-add', 'c'), [...headers, 'c', 'x'])
  t.same(changed('overwrite-if-exists', 'a'), ['b', '2', 'a', 'x'])
  t.same(changed('overwrite-if-exists', 'c'), headers)
  t.same(changeHeaders(headers, [], new Set(['a', 'c'])), ['b', '2'])
  t.same(
    changeHeaders(headers, [{ name: 'a', value: 'x', how: 'overwrite-if-exists' }], new Set(['a'])),
    ['b', '2'],
    'what is removed is not there',
  )
  t.same(headers, ['a', '1', 'b', '2', 'a', '3'], 'what was given stays as it was')
})

t.test('names and values', async (t) => {
  const names = ['x', 'x-user', 'x_user', "!#$%&'*+-.^`|~0"]
  t.same(names.filter(isFieldName), names)
  t.same(['', 'X', 'x y', 'x:', 'x\n', 'ü', ':path', 'x\0', '\u0130'].filter(isFieldName), [])
  const values = ['', 'x', 'x y', 'x\ty', '\u00fc', '"{}"']
  t.same(values.filter(isFieldValue), values)
  const broken = [' x', 'x ', '\tx', 'x\r\ny', 'x\ny', 'x\0', '\u007f', '\u2028', '\u0130']
  t.same(broken.filter(isFieldValue), [])
})
