import { assert, jsonValue, property } from 'fast-check'
import t from 'tap'
import { formatSpan, formatTable, type Json, print, printable, toYaml } from '../../../src/cli/output.ts'
import { parseDocuments } from '../../../src/policy/document.ts'

function isJson(value: unknown): value is Json {
  return value !== undefined
}

t.test('YAML reads back as what was written, whatever it is', async (t) => {
  const awkward = [
    '',
    ' ',
    'no',
    'True',
    '1',
    '0x1',
    '1e3',
    '~',
    'null',
    '-',
    '- a',
    'a: b',
    'a #b',
    "it's",
    '"',
    '\n',
    '/x/*',
  ]
  const fixed: Json = {
    texts: awkward,
    'odd key: x': { '': [], y: {} },
    nested: [[1, [2, []]], [{ a: [{ b: null }] }]],
  }
  const check = (value: Json): void => {
    const { documents, errors } = parseDocuments(`value:\n${toYaml({ under: value }, '  ')}\n`, 'test')
    // Not in the name: what a random text says there, a reader of TAP may take for its own.
    t.same(errors, [], 'no errors', { value: JSON.stringify(value) })
    t.same(documents[0]?.value, { value: { under: value } })
  }
  check(fixed)
  assert(
    property(jsonValue({ noUnicodeString: false }), (value) => {
      if (!isJson(value) || /__proto__/.test(JSON.stringify(value))) return
      // JSON has no minus zero.
      check(JSON.parse(JSON.stringify(value)))
    }),
    { numRuns: 200 },
  )
})

t.test('a table has aligned columns and no control characters', async (t) => {
  const columns = ['NAME', 'WHAT']
  t.equal(
    formatTable({
      columns,
      rows: [
        ['a', '1'],
        ['longer', 'x\u001b[31my\n'],
      ],
      empty: '-',
    }),
    'NAME    WHAT\na       1\nlonger  x?[31my?\n',
  )
  t.equal(formatTable({ columns, rows: [], empty: 'nothing' }), 'nothing\n')
  t.equal(printable('ä\u0007'), 'ä?')
})

t.test('print takes the form that is asked for', async (t) => {
  const written: string[] = []
  const output = { isTerminal: false, write: (text: string) => void written.push(text) }
  const table = { columns: ['A'], rows: [['1']], empty: '' }
  for (const format of ['json', 'yaml', 'table'] as const) print(output, format, { a: 1 }, () => table)
  t.same(written, ['{"a":1}\n', 'a: 1\n', 'A\n1\n'])
})

t.test('spans are told in their largest unit', async (t) => {
  t.same([-5, 0, 119_000, 120_000, 7_199_000, 7_200_000, 172_800_000].map(formatSpan), [
    '0s',
    '0s',
    '119s',
    '2m',
    '119m',
    '2h',
    '2d',
  ])
})
