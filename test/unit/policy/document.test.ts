import t from 'tap'
import { MAX_TEXT_BYTES, parseDocuments } from '../../../src/policy/document.ts'

const text = `# a comment
kind: A
spec:
  rules:
    - name: one
      from:
        - spiffeIds: ["x", y]
    - {name: two}
---
---
{"kind": "B", "spec": {"a.b": [1]}}
`

t.test('several documents, with the places of their fields', async (t) => {
  const { documents, errors } = parseDocuments(text, 'f.yaml')
  t.strictSame(errors, [])
  t.strictSame(
    documents.map(({ value }) => value),
    [
      { kind: 'A', spec: { rules: [{ name: 'one', from: [{ spiffeIds: ['x', 'y'] }] }, { name: 'two' }] } },
      { kind: 'B', spec: { 'a.b': [1] } },
    ],
  )
  const [first, second] = documents
  const places: readonly (readonly [string, number, number])[] = [
    ['', 2, 1],
    ['kind', 2, 1],
    ['spec', 3, 1],
    ['spec.rules', 4, 3],
    ['spec.rules[0]', 5, 7],
    ['spec.rules[0].from[0].spiffeIds[1]', 7, 28],
    ['spec.rules[0].from[0].spiffeIds[2]', 7, 11],
    ['spec.rules[0].to[0].paths', 5, 7],
    ['spec.rules[1].name', 8, 8],
    ['spec.rules[9].name', 4, 3],
    ['metadata.name', 2, 1],
  ]
  for (const [field, line, column] of places) t.strictSame(first?.locate(field), { line, column }, field)
  t.strictSame(second?.locate('kind'), { line: 11, column: 2 })
})

t.test('YAML 1.2: no is a text', async (t) => {
  t.strictSame(parseDocuments('a: no\nb: 0o10\nc: <<', 'f').documents[0]?.value, { a: 'no', b: 8, c: '<<' })
})

t.test('nothing in it', async (t) => {
  for (const text of ['', '# only a comment\n', '---\n---\n', '~'])
    t.strictSame(parseDocuments(text, 'f'), { documents: [], errors: [] }, JSON.stringify(text))
})

t.test('what is refused', async (t) => {
  const bomb = Array.from({ length: 12 }, (_, i) => `a${i}: &a${i} [${i === 0 ? 'x' : `*a${i - 1}, *a${i - 1}`}]`)
  const cases: readonly (readonly [string, string, number])[] = [
    ['a: 1\nb: 2\na: 3\n', 'document-malformed', 3],
    ['a: 1\n"a": 2', 'document-malformed', 2],
    ['? [a]\n: 1', 'document-malformed', 1],
    ['a: [1\nb: 2', 'document-malformed', 2],
    ['a: !!js/function x', 'document-malformed', 1],
    ['a: *missing', 'document-aliases', 1],
    ['a:\n\t- b', 'document-malformed', 2],
    [`${bomb.join('\n')}\n`, 'document-aliases', 1],
    ['['.repeat(100_000), 'document-too-deep', 1],
    [`a: ${'x'.repeat(MAX_TEXT_BYTES)}`, 'document-too-large', 1],
  ]
  for (const [text, code, line] of cases) {
    const { documents, errors } = parseDocuments(text, 'f.yaml')
    t.strictSame(documents, [], code)
    t.match(errors[0], { file: 'f.yaml', line, code }, text.slice(0, 20))
  }
})

t.test('an error in one document leaves the others', async (t) => {
  const { documents, errors } = parseDocuments('a: 1\n---\nb: 1\nb: 2\n---\nc: 1\n', 'f')
  t.strictSame(
    documents.map(({ value }) => value),
    [{ a: 1 }, { c: 1 }],
  )
  t.match(errors, [{ line: 4, column: 1 }])
})

t.test('a few aliases are fine and places follow them', async (t) => {
  const { documents } = parseDocuments('a: &x\n  b: 1\nc: *x\n', 'f')
  t.strictSame(documents[0]?.value, { a: { b: 1 }, c: { b: 1 } })
  t.strictSame(documents[0]?.locate('c.b'), { line: 2, column: 3 })
})
