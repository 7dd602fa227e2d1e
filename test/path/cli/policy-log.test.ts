import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { accessLines, type RecordPart } from '../../fixtures/access-lines.ts'
import { outrider } from '../../fixtures/command-line.ts'

const resources = `apiVersion: outrider.mesh/v1
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
kind: Workload
metadata: { name: batch, namespace: shop }
spec: { spiffeId: spiffe://example.org/ns/shop/sa/batch }
`
const allowItems = `---
apiVersion: outrider.mesh/v1
kind: AuthorizationPolicy
metadata: { name: p, namespace: shop }
spec:
  workloads: [api]
  action: ALLOW
  rules:
    - name: items
      from: [{ spiffeIds: [spiffe://example.org/ns/shop/sa/web] }]
      to: [{ paths: ["/items/{**}"] }]
`
const batch = { kind: 'peer', id: 'spiffe://example.org/ns/shop/sa/batch' } as const

function files(t: Test, texts: Readonly<Record<string, string>>): (name: string) => string {
  const folder = t.testdir({})
  for (const [name, text] of Object.entries(texts)) writeFileSync(join(folder, name), text)
  return (name) => join(folder, name)
}

t.test('a suggestion allows what was observed, denies what was not, and lints clean', async (t) => {
  const observed: RecordPart[] = [
    ...[11, 12, 13].flatMap((id) => [
      { path: `/orders/${id}` },
      { path: `/orders/${id}/lines`, method: 'POST', status: 201 },
    ]),
    { path: '/orders/open' },
    { path: '/users/7' },
    { path: '/me', facts: { user: { tokens: [{ issuer: 'https://id.example/', subject: 'u1' }], apiKey: undefined } } },
    {
      path: '/items',
      facts: { user: { tokens: [{ issuer: 'https://id.example/', subject: 'u1' }], apiKey: undefined } },
    },
    { path: '/items' },
    { path: '', method: 'CONNECT', protocol: 'TCP', source: batch, facts: { port: 5432, host: undefined } },
    {
      path: '/export',
      source: batch,
      facts: { user: { tokens: [], apiKey: { id: 'k1', owner: 'acme', scopes: ['r'] } } },
    },
  ]
  const others: RecordPart[] = [
    { path: '/denied', status: 403, code: 'no-allow-rule' },
    { path: '/missing', status: 404 },
    { path: '/plain', source: { kind: 'anonymous', why: 'plaintext-port' } },
  ]
  const authentication = `---
apiVersion: outrider.mesh/v1
kind: RequestAuthentication
metadata: { name: users, namespace: shop }
spec:
  jwt: [{ issuer: "https://id.example/", audiences: [api], jwksUri: "https://id.example/keys" }]
  apiKeys: {}
---
apiVersion: outrider.mesh/v1
kind: ApiKey
metadata: { name: acme, namespace: shop }
spec: { owner: acme, secrets: [] }
`
  const at = files(t, {
    'set.yaml': resources + authentication,
    'log.jsonl': accessLines([...observed, ...others]),
    'observed.jsonl': accessLines(observed),
  })
  const suggested = await outrider(['policy', 'suggest', '-f', at('set.yaml'), '--log', at('log.jsonl')])
  t.equal(suggested.code, 0, suggested.stderr)
  t.match(suggested.stdout, '/orders/{*}" # REVIEW: seen 3 times')
  t.match(suggested.stdout, '"/users/7" # REVIEW: seen once', 'one ID is no template')
  t.match(suggested.stdout, 'claims: [{ claim: iss, values: ["https://id.example/"] }]')
  t.notMatch(suggested.stdout, '/denied')
  t.notMatch(suggested.stdout, '/missing')
  t.match(suggested.stdout, '# Left out: 1 denied, 1 failed, 1 anonymous.')
  writeFileSync(at('suggested.yaml'), suggested.stdout)
  const set = ['-f', at('set.yaml'), '-f', at('suggested.yaml')]

  const replayed = await outrider(['policy', 'replay', ...set, '--log', at('observed.jsonl'), '--fail-on-denied'])
  t.match(replayed.stdout, `${observed.length} the same, 0 newly denied, 0 newly allowed, 0 undecidable`)
  t.equal(replayed.code, 0)

  const strange: RecordPart[] = [
    { path: '/orders' },
    { path: '/orders/11/lines' },
    { path: '/orders/11/lines', method: 'DELETE' },
    { path: '/users/8' },
    { path: '/me' },
    { path: '/items', facts: { port: 8081 } },
    { path: '/orders/11', source: batch },
    { path: '/export', source: batch },
  ]
  writeFileSync(at('strange.jsonl'), accessLines(strange))
  const denied = await outrider(['policy', 'replay', ...set, '--log', at('strange.jsonl'), '--fail-on-denied'])
  t.match(denied.stdout, `0 the same, ${strange.length} newly denied`)
  t.equal(denied.code, 1)

  const linted = await outrider(['policy', 'lint', ...set, '--strict'])
  t.equal(linted.code, 0, linted.stdout)
  t.match(linted.stderr, 'errors: 0, warnings: 0,')
})

t.test('replay counts, groups, and never guesses', async (t) => {
  const byHeader = `---
apiVersion: outrider.mesh/v1
kind: AuthorizationPolicy
metadata: { name: q, namespace: shop }
spec:
  workloads: [api]
  action: ALLOW
  rules:
    - name: team
      to: [{ paths: [/team] }]
      when: [{ header: x-team, values: [a] }]
`
  const at = files(t, {
    'set.yaml': resources + allowItems + byHeader,
    'log.jsonl':
      accessLines([
        { path: '/items/1' },
        { path: '/items/2', code: 'no-allow-rule', status: 403 },
        { path: '/other', rule: 'shop/old/rule' },
        { path: '/other', rule: 'shop/old/rule', requestId: 'r2' },
        { path: '/team' },
        { path: '/team', facts: { headers: [['x-team', ['a']]] } },
        { path: '/team', facts: { headers: [['x-team', ['b']]] } },
        { path: '/team', facts: { headers: [['x-team', []]] } },
        { path: '/items', reporter: 'outbound' },
        { facts: { workload: 'spiffe://example.org/ns/shop/sa/gone' } },
      ]) + 'no line\n{"reporter":"inbound","workload":7}\n{"time":"2026-01-01T00:00:00Z","dropped":3}\n',
  })
  const { code, stdout, stderr } = await outrider(['policy', 'replay', '-f', at('set.yaml'), '--log', at('log.jsonl')])
  t.equal(code, 0)
  t.match(stdout, '13 lines: 9 decided requests, 1 of outbound sidecars, 1 that say that lines were lost, 2 bad')
  t.match(stdout, '2 the same, 4 newly denied, 1 newly allowed, 2 undecidable')
  t.match(
    stdout,
    /2 {2}newly denied: spiffe:.*web -> spiffe:.*api, GET\n +allow by shop\/old\/rule {2}=> {2}deny: no-allow-rule/,
  )
  t.match(stdout, 'undecidable: not written down: header x-team')
  t.match(stdout, 'no Workload has the identity of the callee')
  t.match(stderr, `${at('log.jsonl')}:11: this line is not JSON`)
  t.match(stderr, ':12: this line has no')

  const json = await outrider(['policy', 'replay', '-f', at('set.yaml'), '--log', at('log.jsonl'), '-o', 'json'])
  t.match(JSON.parse(json.stdout), { same: 2, newlyDenied: 4, newlyAllowed: 1, undecidable: 2, log: { malformed: 2 } })
})

t.test('diff compares two sets', async (t) => {
  const at = files(t, {
    'before.yaml': resources + allowItems,
    'after.yaml': resources + allowItems.replace('/items/{**}', '/items/{*}'),
    'log.jsonl': accessLines([{ path: '/items' }, { path: '/items/1' }, { path: '/items/1/2' }, { path: '/x' }]),
  })
  const argv = ['policy', 'diff', '--from', at('before.yaml'), '--to', at('after.yaml'), '--log', at('log.jsonl')]
  const compared = await outrider(argv)
  t.equal(compared.code, 0)
  t.match(compared.stdout, '2 the same, 2 newly denied, 0 newly allowed, 0 undecidable')
  t.match(compared.stdout, 'allow by shop/p/items  =>  deny: no-allow-rule, nearest shop/p/items (to.paths)')
  t.equal((await outrider([...argv, '--fail-on-denied'])).code, 1)
})

t.test('a log on the standard input, with a line without end', async (t) => {
  const at = files(t, { 'set.yaml': resources + allowItems })
  const stdin = `${accessLines([{ path: '/items' }])}${'x'.repeat(600_000)}\n${accessLines([{ path: '/items' }])}`
  const { stdout, stderr } = await outrider(['policy', 'replay', '-f', at('set.yaml'), '--log', '-'], { stdin })
  t.match(stdout, '3 lines: 2 decided requests, 1 bad')
  t.match(stderr, 'stdin:2: this line is longer than 262144 characters')
})
