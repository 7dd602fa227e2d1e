import t from 'tap'
import { runPolicyTests } from '../../../../src/policy/cases/run.ts'
import { parseDocuments } from '../../../../src/policy/document.ts'
import { readResourceSet } from '../../../../src/policy/resource-set.ts'

const head = `kind: PolicyTest
name: t
workload: shop/api
spiffeId: spiffe://example.org/ns/shop/sa/api
`
const resources = `resources:
  - apiVersion: outrider.mesh/v1
    kind: AuthorizationPolicy
    metadata: { name: p, namespace: shop }
    spec:
      action: ALLOW
      rules:
        - { name: items, to: [{ paths: [/items] }] }
        - { name: never, to: [{ paths: [/never] }] }
`

function run(text: string): ReturnType<typeof runPolicyTests> {
  const { documents, errors } = parseDocuments(text, 'tests.yaml')
  if (errors.length > 0) throw new Error(JSON.stringify(errors))
  return runPolicyTests(
    documents.map((document) => ({ file: 'tests.yaml', document })),
    readResourceSet([]).set,
  )
}

t.test('what is wrong with a test has its place', async (t) => {
  const cases: readonly [text: string, line: number, field: string, code: string][] = [
    [`${head}cases: []\n`, 5, 'cases', 'list-empty'],
    [`${head}cases:\n  - { name: a, request: {}, expect: {} }\n`, 6, 'cases[0].expect.decision', 'field-missing'],
    [
      `${head}cases:\n  - { name: a, request: {}, expect: { decision: maybe } }\n`,
      6,
      'cases[0].expect.decision',
      'value-unknown',
    ],
    [
      `${head}cases:\n  - name: a\n    request: { pahts: /x }\n    expect: { decision: deny }\n`,
      7,
      'cases[0].request.pahts',
      'field-unknown',
    ],
    [
      `${head}cases:\n  - name: a\n    request: { principal: web }\n    expect: { decision: deny }\n`,
      7,
      'cases[0].request.principal',
      'spiffe-id-scheme',
    ],
    [
      `${head}cases:\n  - name: a\n    request: { protocol: tcp, path: /x }\n    expect: { decision: deny }\n`,
      7,
      'cases[0].request.path',
      'field-not-applicable',
    ],
    [
      `${head}cases:\n  - name: a\n    request: { protocol: tcp, tokens: [{ issuer: i }] }\n    expect: { decision: deny }\n`,
      7,
      'cases[0].request.tokens',
      'field-not-applicable',
    ],
    [
      `${head}cases:\n  - name: a\n    request: { headers: { X-Team: a } }\n    expect: { decision: deny }\n`,
      7,
      'cases[0].request.headers.X-Team',
      'header-malformed',
    ],
    [
      `${head}cases:\n  - name: a\n    request: { headers: { x-team: 1 } }\n    expect: { decision: deny }\n`,
      7,
      'cases[0].request.headers.x-team',
      'type-mismatch',
    ],
    [
      `${head}cases:\n  - name: a\n    request: { address: localhost }\n    expect: { decision: deny }\n`,
      7,
      'cases[0].request.address',
      'address-malformed',
    ],
    [
      `${head}cases:\n  - name: a\n    request: {}\n    expect: { decision: deny }\n    elsewhere: { decision: deny, reason: r }\n`,
      9,
      'cases[0].elsewhere.decision',
      'case-no-difference',
    ],
    [
      `${head}cases:\n  - { name: a, request: {}, expect: { decision: deny } }\n  - { name: a, request: {}, expect: { decision: deny } }\n`,
      7,
      'cases[1]',
      'duplicate',
    ],
    [
      `${head.replace('shop/api', 'a/b/c')}cases:\n  - { name: a, request: {}, expect: { decision: deny } }\n`,
      3,
      'workload',
      'name-malformed',
    ],
    [
      `kind: PolicyTest\nname: t\nworkload: api\ncases:\n  - { name: a, request: {}, expect: { decision: deny } }\n`,
      3,
      'workload',
      'case-workload-unknown',
    ],
    [
      `${head}${resources.replace('[/items]', '["no-slash"]')}cases:\n  - { name: a, request: {}, expect: { decision: deny } }\n`,
      12,
      'spec.rules[0].to[0].paths[0]',
      'path-pattern-form',
    ],
  ]
  for (const [text, line, field, code] of cases) {
    const { violations, results } = run(text)
    t.match(violations, [{ file: 'tests.yaml', line, field, code }], `${code} at ${field}`)
    t.same(results, [], 'nothing ran')
  }
})

t.test('differences say what was expected and what is', async (t) => {
  const { results } = run(`${head}${resources}cases:
  - name: passes
    request: { path: /items }
    expect: { decision: allow, rule: shop/p/items, audits: [] }
  - name: fails
    request: { path: /other }
    expect: { decision: allow }
  - name: another rule
    request: { path: /items }
    expect: { decision: allow, rule: shop/p/never }
  - name: another code
    request: { path: /items%2fx }
    expect: { decision: deny, code: no-allow-rule }
`)
  t.match(results, [
    { name: 'passes', line: 15, differences: [] },
    {
      name: 'fails',
      differences: ['decision: expected allow, got deny', 'nearest: shop/p/items, failed to.paths'],
    },
    { name: 'another rule', differences: ['rule: expected shop/p/never, got shop/p/items'] },
    { name: 'another code', differences: ['code: expected no-allow-rule, got path-encoded-slash'] },
  ])
})

t.test('coverage counts the cases of each rule, and keeps tests with resources of their own apart', async (t) => {
  const one = `${head}${resources}cases:\n  - { name: a, request: { path: /items }, expect: { decision: allow } }\n`
  const { coverage } = run(`${one}---\n${one.replace('/items }', '/never }')}`)
  t.match(
    coverage.map(({ rule, cases }) => [rule, cases]),
    [
      ['shop/p/items', 1],
      ['shop/p/never', 0],
      ['shop/p/items', 0],
      ['shop/p/never', 1],
    ],
  )
})

t.test('a request without a time meets no policy that is bound to one', async (t) => {
  const { results } = run(`${head}resources:
  - apiVersion: outrider.mesh/v1
    kind: AuthorizationPolicy
    metadata: { name: p, namespace: shop }
    spec:
      action: ALLOW
      notAfter: 2027-01-01T00:00:00Z
      reason: incident
      approver: ops
      rules: [{}]
cases:
  - { name: before, request: { at: 2026-12-31T23:59:59Z }, expect: { decision: allow } }
  - { name: at the end, request: { at: 2027-01-01T00:00:00Z }, expect: { decision: deny } }
  - { name: never, request: {}, expect: { decision: deny } }
`)
  t.same(
    results.flatMap(({ differences }) => differences),
    [],
  )
  t.equal(results.length, 3)
})
