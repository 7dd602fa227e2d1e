import { readFileSync } from 'node:fs'
import t from 'tap'
import { readPolicyTest } from '../../../../src/policy/cases/format.ts'
import { runPolicyTests } from '../../../../src/policy/cases/run.ts'
import { parseDocuments } from '../../../../src/policy/document.ts'
import { readResourceSet } from '../../../../src/policy/resource-set.ts'

const file = 'test/vectors/authorization-semantics.yaml'
const { documents, errors } = parseDocuments(readFileSync(file, 'utf8'), file)
const tests = documents.map((document) => ({ file, document }))
const { set } = readResourceSet([])

t.test('what Istio and Linkerd document is decided as the table says', async (t) => {
  t.same(errors, [])
  const { results, violations } = runPolicyTests(tests, set)
  t.same(violations, [])
  for (const { test, name, line, differences } of results) t.same(differences, [], `line ${line}: ${test} > ${name}`)
})

t.test('the table is as large, and as honest, as it says', async (t) => {
  const read = documents.map(({ value }) => readPolicyTest(value))
  const whole = read.flatMap((test) => ('cases' in test ? [test] : []))
  t.equal(whole.length, documents.length)
  const count = (name: string): number =>
    whole.filter((test) => test.name.startsWith(`${name}: `)).reduce((sum, { cases }) => sum + cases.length, 0)
  t.ok(count('istio') >= 150, `${count('istio')} cases of Istio`)
  t.ok(count('linkerd') >= 60, `${count('linkerd')} cases of Linkerd`)
  const hosts = new Set(whole.map(({ source }) => new URL(source ?? '').host))
  t.same([...hosts].toSorted(), ['istio.io', 'linkerd.io'])
  const different = whole.flatMap(({ cases }) => cases.filter(({ elsewhere }) => elsewhere !== undefined))
  const wider = different.filter(({ expect }) => expect.decision === 'allow')
  t.comment(`${different.length} decisions differ on purpose, of which ${wider.length} allow what is denied there`)
  t.same(
    wider.map(({ name }) => name),
    ['empty', '{**} with none and without the slash'],
    'where we allow more than they do, it is known',
  )
})

t.test('a table with one wrong decision fails', async (t) => {
  const text = readFileSync(file, 'utf8')
  for (const [index, decision] of [...text.matchAll(/decision: (allow|deny)/g)]
    .filter((_, at) => at % 40 === 0)
    .entries()) {
    const at = decision.index + 'decision: '.length
    const wrong =
      text.slice(0, at) + (decision[1] === 'allow' ? 'deny' : 'allow') + text.slice(at + decision[1]!.length)
    const { results, violations } = runPolicyTests(
      parseDocuments(wrong, file).documents.map((document) => ({ file, document })),
      set,
    )
    const failed = results.filter(({ differences }) => differences.length > 0)
    t.ok(failed.length === 1 || violations.length === 1, `change ${index}`)
  }
})
