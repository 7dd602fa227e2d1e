import t from 'tap'
import { parseDocuments } from '../../../../src/policy/document.ts'
import { type Finding, lintRules } from '../../../../src/policy/lint/finding.ts'
import { lint } from '../../../../src/policy/lint/lint.ts'
import { readResourceSet } from '../../../../src/policy/resource-set.ts'

const NOW_MS = Date.UTC(2026, 6, 1)

const mesh = `apiVersion: outrider.mesh/v1
kind: Workload
metadata: { name: api, namespace: shop }
spec: { spiffeId: spiffe://example.org/ns/shop/sa/api }
---
apiVersion: outrider.mesh/v1
kind: Workload
metadata: { name: web, namespace: shop }
spec: { spiffeId: spiffe://example.org/ns/shop/sa/web }
---
apiVersion: outrider.mesh/v1
kind: Service
metadata: { name: api, namespace: shop }
spec:
  ports: [{ port: 80, targetPort: 8080 }, { port: 5432, targetPort: 5432, protocol: tcp }]
  workloads: [api]
---
`

function policy(name: string, spec: string): string {
  return `apiVersion: outrider.mesh/v1
kind: AuthorizationPolicy
metadata: { name: ${name}, namespace: shop }
spec:
  workloads: [api]
${spec.replaceAll(/^/gm, '  ')}
`
}

function findings(...texts: readonly string[]): readonly Finding[] {
  const { documents, errors } = parseDocuments(mesh + texts.join('---\n'), 'set.yaml')
  if (errors.length > 0) throw new Error(JSON.stringify(errors))
  const { set, violations } = readResourceSet(documents.map((document) => ({ file: 'set.yaml', document })))
  if (violations.length > 0) throw new Error(JSON.stringify(violations))
  return lint(set, NOW_MS).filter(({ code }) => code !== 'workload-without-policy')
}

const web = 'from: [{ spiffeIds: [spiffe://example.org/ns/shop/sa/web] }]'

/** A policy, and the findings that it makes: code and field. */
const cases: readonly [
  name: string,
  texts: readonly string[],
  found: readonly (readonly [code: string, field: string])[],
][] = [
  [
    'nothing to say',
    [policy('p', `action: ALLOW\nrules: [{ ${web}, to: [{ paths: ["/items/{**}"], ports: [8080] }] }]`)],
    [],
  ],
  [
    'values and notValues',
    [
      policy(
        'p',
        `action: ALLOW\nrules: [{ ${web}, to: [{ ports: [8080] }], when: [{ header: x, values: [ab], notValues: [a*] }] }]`,
      ),
    ],
    [['rule-dead', 'spec.rules[0].when[0]']],
  ],
  [
    'methods and notMethods',
    [
      policy(
        'p',
        `action: ALLOW\nrules: [{ ${web}, to: [{ methods: [GET], notMethods: [GET, HEAD], ports: [8080] }] }]`,
      ),
    ],
    [['rule-dead', 'spec.rules[0].to[0].methods']],
  ],
  [
    'one of two entries can match',
    [
      policy(
        'p',
        `action: ALLOW\nrules: [{ ${web}, to: [{ methods: [GET], notMethods: [GET], ports: [8080] }, { methods: [GET], ports: [8080] }] }]`,
      ),
    ],
    [],
  ],
  [
    'a SPIFFE ID of another namespace',
    [
      policy(
        'p',
        `action: ALLOW\nrules: [{ from: [{ spiffeIds: [spiffe://example.org/ns/shop/sa/web], notNamespaces: [x], namespaces: [bank] }] }]`,
      ),
    ],
    [
      ['rule-dead', 'spec.rules[0].from[0].spiffeIds'],
      ['namespace-unknown', 'spec.rules[0].from[0].namespaces[0]'],
    ],
  ],
  [
    'a SPIFFE ID of another service account',
    [
      policy(
        'p',
        `action: ALLOW\nrules: [{ from: [{ spiffeIds: [spiffe://example.org/ns/shop/sa/web], serviceAccounts: [api] }] }]`,
      ),
    ],
    [['rule-dead', 'spec.rules[0].from[0].spiffeIds']],
  ],
  [
    'addresses without those addresses',
    [policy('p', `action: DENY\nrules: [{ from: [{ ipBlocks: [10.0.1.0/24], notIpBlocks: [10.0.0.0/16] }] }]`)],
    [['rule-dead', 'spec.rules[0].from[0].ipBlocks']],
  ],
  [
    'the past',
    [policy('p', `action: ALLOW\nnotAfter: 2026-01-01T00:00:00Z\nreason: r\napprover: a\nrules: [{ ${web} }]`)],
    [['policy-expired', 'spec.rules[0]']],
  ],
  [
    'no end',
    [policy('p', `action: ALLOW\nnotBefore: 2026-01-01T00:00:00Z\nreason: r\napprover: a\nrules: [{ ${web} }]`)],
    [['window-open', 'spec.notBefore']],
  ],
  [
    'the same twice',
    [policy('p', `action: ALLOW\nrules: [{ ${web} }, { ${web}, to: [{ paths: [/x], ports: [8080] }] }]`)],
    [['rule-shadowed', 'spec.rules[1]']],
  ],
  [
    'covered by a DENY rule',
    [
      policy('p', `action: ALLOW\nrules: [{ ${web}, to: [{ paths: [/x/y], ports: [8080] }] }]`),
      policy('q', 'action: DENY\nrules: [{ to: [{ paths: ["/x/{**}"], ports: [8080] }] }]'),
    ],
    [['rule-denied', 'spec.rules[0]']],
  ],
  [
    'contradicted',
    [policy('p', `action: ALLOW\nrules: [{ ${web} }]`), policy('q', `action: DENY\nrules: [{ ${web} }]`)],
    [['rule-contradicted', 'spec.rules[0]']],
  ],
  ['everybody', [policy('p', 'action: ALLOW\nrules: [{}]')], [['allows-everybody', 'spec.rules[0]']]],
  [
    'an unknown workload',
    [policy('p', `action: ALLOW\nrules: [{ ${web} }]`).replace('[api]', '[api, ap]')],
    [['workload-missing', 'spec.workloads[1]']],
  ],
  [
    'unknown callers',
    [
      policy(
        'p',
        'action: ALLOW\nrules: [{ from: [{ namespaces: [shops] }, { serviceAccounts: [wep] }, { spiffeIds: [spiffe://example.org/ns/shop/sa/wep] }, { spiffeIds: [spiffe://other.org/x] }] }]',
      ),
    ],
    [
      ['namespace-unknown', 'spec.rules[0].from[0].namespaces[0]'],
      ['service-account-unknown', 'spec.rules[0].from[1].serviceAccounts[0]'],
      ['spiffe-id-unknown', 'spec.rules[0].from[2].spiffeIds[0]'],
    ],
  ],
  [
    'an ALLOW rule with paths on a TCP port',
    [policy('p', `action: ALLOW\nrules: [{ ${web}, to: [{ paths: [/x], ports: [5432] }] }]`)],
    [['layer7-on-tcp', 'spec.rules[0].to[0].paths']],
  ],
  [
    'an ALLOW rule with paths for every port',
    [policy('p', `action: ALLOW\nrules: [{ ${web}, to: [{ paths: [/x] }] }]`)],
    [],
  ],
  [
    'a DENY rule with methods for every port',
    [policy('p', 'action: DENY\nrules: [{ to: [{ methods: [TRACE] }] }]')],
    [['layer7-on-tcp', 'spec.rules[0].to[0].methods']],
  ],
  [
    'a DENY rule on a header for every port',
    [policy('p', 'action: DENY\nrules: [{ when: [{ header: x-debug, values: ["*"] }] }]')],
    [['layer7-on-tcp', 'spec.rules[0].when[0]']],
  ],
  [
    'a DENY rule with methods for the other port',
    [policy('p', 'action: DENY\nrules: [{ to: [{ methods: [TRACE], ports: [8080] }] }]')],
    [],
  ],
  [
    'an exact path in DENY',
    [policy('p', 'action: DENY\nrules: [{ to: [{ paths: [/admin], ports: [8080] }] }]')],
    [['prefix-trap', 'spec.rules[0].to[0].paths[0]']],
  ],
  [
    'an exact path in DENY with what is below it',
    [policy('p', 'action: DENY\nrules: [{ to: [{ paths: [/admin, /admin/*], ports: [8080] }] }]')],
    [],
  ],
  [
    'a prefix in the middle of a word',
    [policy('p', `action: ALLOW\nrules: [{ ${web}, to: [{ paths: [/public*], ports: [8080] }] }]`)],
    [['prefix-too-wide', 'spec.rules[0].to[0].paths[0]']],
  ],
  [
    'a host of nobody',
    [policy('p', `action: ALLOW\nrules: [{ ${web}, to: [{ hosts: [api.shop, apo.shop], ports: [8080] }] }]`)],
    [['host-unknown', 'spec.rules[0].to[0].hosts[1]']],
  ],
  [
    'no regular expression',
    [
      policy(
        'p',
        `action: ALLOW\nrules: [{ ${web}, to: [{ ports: [8080] }], when: [{ header: x, matches: [abc, a.c] }] }]`,
      ),
    ],
    [['regex-literal', 'spec.rules[0].when[0].matches[0]']],
  ],
  [
    'claims without tokens',
    [
      policy(
        'p',
        'action: ALLOW\nrules: [{ from: [{ claims: [{ claim: role, values: [a] }] }], to: [{ ports: [8080] }] }]',
      ),
    ],
    [['tokens-not-accepted', 'spec.rules[0].from[0].claims']],
  ],
  [
    'another issuer',
    [
      policy(
        'p',
        'action: ALLOW\nrules: [{ from: [{ requestPrincipals: ["https://b/u", "https://a/u"] }], to: [{ ports: [8080] }] }]',
      ),
      'apiVersion: outrider.mesh/v1\nkind: RequestAuthentication\nmetadata: { name: r, namespace: shop }\nspec: { jwt: [{ issuer: "https://a", audiences: [x], jwksUri: "https://a/k" }] }\n',
    ],
    [['issuer-not-accepted', 'spec.rules[0].from[0].requestPrincipals[0]']],
  ],
  [
    'an API key of nobody',
    [policy('p', 'action: ALLOW\nrules: [{ from: [{ apiKeyOwners: [acme] }], to: [{ ports: [8080] }] }]')],
    [
      ['tokens-not-accepted', 'spec.rules[0].from[0].apiKeyOwners'],
      ['api-key-owner-unknown', 'spec.rules[0].from[0].apiKeyOwners[0]'],
    ],
  ],
]

for (const [name, texts, found] of cases)
  t.test(name, async (t) => {
    const list = findings(...texts)
    t.same(
      list.map(({ code, field }) => `${code} ${field}`).toSorted(),
      found.map(([code, field]) => `${code} ${field}`).toSorted(),
    )
    for (const { line, hint, level, code } of list) {
      t.ok(line > 15, 'in the policy')
      t.ok(hint.length > 0)
      t.equal(level, lintRules[code].level)
    }
  })

t.test('a workload that nobody may call is worth a note', async (t) => {
  const { documents } = parseDocuments(mesh, 'set.yaml')
  const { set } = readResourceSet(documents.map((document) => ({ file: 'set.yaml', document })))
  t.match(
    lint(set, NOW_MS).map(({ code, level, line }) => [code, level, line]),
    [
      ['workload-without-policy', 'info', 3],
      ['workload-without-policy', 'info', 8],
    ],
  )
})

t.test('every code is among the cases', async (t) => {
  const seen = new Set(cases.flatMap(([, , found]) => found.map(([code]) => code)))
  seen.add('workload-without-policy')
  t.same(
    Object.keys(lintRules).filter((code) => !seen.has(code)),
    [],
  )
})
