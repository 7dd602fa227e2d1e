import { readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import t, { type Test } from 'tap'
import { accessLines } from '../../fixtures/access-lines.ts'
import { outrider } from '../../fixtures/command-line.ts'
import {
  allow,
  document,
  service,
  startTestControl,
  temporaryFolder,
  TRUST_DOMAIN,
  workload,
} from '../../fixtures/control.ts'
import { checkLeaks } from '../../fixtures/leaks.ts'

checkLeaks(t)

function file(t: Test, name: string, text: string): string {
  const path = join(temporaryFolder(t), name)
  writeFileSync(path, text)
  return path
}

const set = `apiVersion: outrider.mesh/v1
kind: Workload
metadata: { name: api, namespace: shop }
spec: { spiffeId: spiffe://example.org/ns/shop/sa/api }
---
apiVersion: outrider.mesh/v1
kind: AuthorizationPolicy
metadata: { name: p, namespace: shop }
spec:
  workloads: [api]
  action: ALLOW
  rules:
    - name: items
      from: [{ namespaces: [shop], notSpiffeIds: [spiffe://example.org/ns/shop/sa/old] }]
      to: [{ methods: [GET], paths: [/items] }, { methods: [POST] }]
      when: [{ header: x-team, values: [a, b*] }]
`
const cases = `---
kind: PolicyTest
name: items
workload: shop/api
cases:
  - name: the team reads
    request: { principal: spiffe://example.org/ns/shop/sa/web, path: /items, headers: { x-team: a } }
    expect: { decision: allow, rule: shop/p/items }
`

t.test('policy test', async (t) => {
  const passing = file(t, 'set.yaml', set + cases)
  const passed = await outrider(['policy', 'test', '-f', passing, '--require-coverage'])
  t.equal(passed.code, 0, passed.stderr)
  t.match(passed.stdout, 'ok     items > the team reads')
  t.match(passed.stdout, '1 case shop/p/items')
  t.match(passed.stdout, '1 passed, 0 failed; 1 of 1 rules touched')

  const failing = file(t, 'failing.yaml', set + cases.replace('x-team: a', 'x-team: c'))
  const junit = join(temporaryFolder(t), 'report.xml')
  const failed = await outrider(['policy', 'test', failing, '--junit', junit])
  t.equal(failed.code, 1)
  t.match(failed.stdout, `FAILED items > the team reads\n       at ${failing}:22`)
  t.match(failed.stdout, 'decision: expected allow, got deny')
  t.match(failed.stdout, 'nearest: shop/p/items, failed when[0]')
  t.match(readFileSync(junit, 'utf8'), '<testsuites tests="1" failures="1">')
  t.match(readFileSync(junit, 'utf8'), '<failure message="decision: expected allow, got deny">')
  const json = await outrider(['policy', 'test', failing, '-o', 'json'])
  t.match(JSON.parse(json.stdout), { cases: 1, failed: 1, rules: 1, untouched: 1, results: [{ passed: false }] })

  t.equal((await outrider(['policy', 'test', '-f', dirname(passing), '--require-coverage'])).code, 0, 'a folder')
  const bad = file(t, 'bad.yaml', set + cases.replace('path:', 'pfad:'))
  const refused = await outrider(['policy', 'test', bad])
  t.equal(refused.code, 3)
  t.match(refused.stderr, `${bad}:23:64: cases[0].request.pfad: is not known here`)
  t.match(await outrider(['policy', 'test', '-f', file(t, 'none.yaml', set)]), { code: 2, stderr: /usage-file/ })
})

t.test('the example of tests holds for the example of policies', async (t) => {
  const argv = ['policy', 'test', '-f', 'examples/policies', 'examples/policy-tests', '--require-coverage']
  t.match(await outrider(argv), { code: 0, stdout: /^6 passed, 0 failed; 3 of 3 rules touched$/m })
})

t.test('the example of the reference of tests holds', async (t) => {
  const page = readFileSync('docs/reference/policy-tests.md', 'utf8')
  const [, block = ''] = /^```yaml\n(.*?)^```/ms.exec(page) ?? []
  t.match(await outrider(['policy', 'test', file(t, 'block.yaml', block), '--require-coverage']), {
    code: 0,
    stdout: /^3 passed, 0 failed; 2 of 2 rules touched$/m,
  })
})

t.test('policy explain', async (t) => {
  const path = file(t, 'set.yaml', set)
  const explain = (...words: readonly string[]): ReturnType<typeof outrider> =>
    outrider(['policy', 'explain', '-f', path, '--workload', 'shop/api', ...words])
  const web = ['--principal', 'spiffe://example.org/ns/shop/sa/web']

  const allowed = await explain(...web, '--path', '/items', '--header', 'X-Team: b2')
  t.equal(allowed.code, 0, allowed.stderr)
  t.match(allowed.stdout, 'ALLOWED by shop/p/items')
  t.match(allowed.stdout, 'ALLOW shop/p/items: matches')
  t.match(allowed.stdout, 'holds  from[0].namespaces: wants shop; has shop, of example.org')
  t.match(allowed.stdout, 'holds  from[0].notSpiffeIds: wants none of spiffe://example.org/ns/shop/sa/old; has spiffe:')
  t.match(allowed.stdout, 'FAILS  to[1].methods: wants POST; has GET')
  t.match(allowed.stdout, 'holds  when[0]: wants header x-team is a or b*; has b2')

  const denied = await explain(...web, '--path', '/items')
  t.match(
    denied.stdout,
    'DENIED: no ALLOW rule matches (no-allow-rule); the nearest is shop/p/items, where when[0] fails',
  )
  t.match(denied.stdout, 'FAILS  when[0]: wants header x-team is a or b*; has none')

  t.match(await explain('--path', '/a%2fb'), { code: 0, stdout: /DENIED: path-encoded-slash/ })
  t.match(await explain('--tcp', '--port', '5432'), {
    stdout: /FAILS {2}to\[0\]\.methods: .*; has unknown: a TCP connection/,
  })
  t.match(await explain('--tcp', '--method', 'GET'), { code: 2, stderr: /--method: .*usage-request/ })
  t.match(await explain('--token', '{'), { code: 2, stderr: /usage-request/ })
  t.match(await explain('--header', 'x'), { code: 2, stderr: /usage-request/ })
  t.match(await explain('--at', 'noon'), { code: 2, stderr: /--at: / })
  t.match(await outrider(['policy', 'explain', '-f', path, '--workload', 'shop/x']), { code: 4 })
  t.match(await outrider(['policy', 'explain', '-f', path]), { code: 2 })

  const json = await explain(...web, '--token', '{"iss":"https://i","sub":"u"}', '-o', 'json')
  t.match(JSON.parse(json.stdout), {
    decision: 'deny',
    code: 'no-allow-rule',
    rules: [{ matched: false, failed: Array }],
  })

  const log = file(
    t,
    'log.jsonl',
    accessLines([{ requestId: 'r7', facts: { headers: [['x-team', ['a']]] } }, { requestId: 'r8' }]),
  )
  const byLog = (id: string): ReturnType<typeof outrider> =>
    outrider(['policy', 'explain', '-f', path, '--log', log, '--request-id', id])
  t.match(
    (await byLog('r7')).stdout,
    'decided then: allow\nspiffe://example.org/ns/shop/sa/web asks shop/api for GET /items',
  )
  t.match((await byLog('r7')).stdout, 'ALLOWED by shop/p/items')
  t.match((await byLog('r8')).stdout, 'UNDECIDABLE: not written down: header x-team')
  t.equal((await byLog('r9')).code, 4)
})

t.test('policy lint', async (t) => {
  const path = file(t, 'set.yaml', set.replace('[shop]', '[shopp]'))
  const linted = await outrider(['policy', 'lint', '-f', path])
  t.equal(linted.code, 0)
  t.match(linted.stdout, /:14:\d+: warning: spec\.rules\[0\]\.from\[0\]\.namespaces\[0\]: no Workload is of shopp/)
  t.match(linted.stdout, '(namespace-unknown)\n    did you mean shop?')
  t.match(linted.stderr, 'errors: 0, warnings: 1,')
  t.equal((await outrider(['policy', 'lint', '-f', path, '--strict'])).code, 1)
  const json = await outrider(['policy', 'lint', '-f', path, '-o', 'json'])
  t.match(JSON.parse(json.stdout), { warnings: 1, findings: [{ code: 'namespace-unknown', file: path, line: 14 }] })
  t.match(await outrider(['policy', 'lint', '-f', path, '--live']), { code: 2, stderr: /not both/ })
  t.match(await outrider(['policy', 'lint', '-f', path, '--at', 'x']), { code: 2, stderr: /usage-time/ })
  t.match(await outrider(['policy', 'lnt']), { code: 2, stderr: /did you mean "lint"/ })
  const regexes = Array.from({ length: 200 }, (_, index) => `a${index}.*`).join(', ')
  const many = set.replace('values: [a, b*]', `matches: [${regexes}]`)
  t.match(await outrider(['policy', 'lint', '-f', file(t, 'many.yaml', many)]), {
    code: 3,
    stderr: /many\.yaml:\d+:\d+: spec\.rules/,
  })
  const broken = file(t, 'broken.yaml', set.replace('[/items]', '["/it*ms"]'))
  t.match(await outrider(['policy', 'lint', '-f', broken]), { code: 3, stderr: /path-pattern-star/ })
})

t.test('with a control server', async (t) => {
  const control = await startTestControl(t)
  const socket = ['--socket', control.server.adminSocket]
  await control.apply(workload('web'), workload('db'), allow('all', { workloads: ['db'] }))
  await control.apply(service('db', { ports: [{ port: 5432, protocol: 'tcp' }] }))

  const linted = await outrider(['policy', 'lint', '--live', ...socket])
  t.equal(linted.code, 0, linted.stderr)
  t.match(linted.stdout, 'live:AuthorizationPolicy/default/all:1:')
  t.match(linted.stdout, '(allows-everybody)')

  const rule = { from: [{ spiffeIds: [`spiffe://${TRUST_DOMAIN}/ns/default/sa/web`] }], to: [{ paths: ['/x'] }] }
  const bad = file(
    t,
    'bad.json',
    JSON.stringify(document('AuthorizationPolicy', 'db', { workloads: ['db'], action: 'ALLOW', rules: [rule] })),
  )
  const strict = await outrider(['apply', '-f', bad, '--strict', ...socket])
  t.equal(strict.code, 3)
  t.match(
    strict.stderr,
    'port 5432 carries TCP, which has no paths: this rule allows no connection there (layer7-on-tcp)',
  )
  t.match(strict.stderr, 'nothing was stored: lint found one error')
  const applied = await outrider(['apply', '-f', bad, ...socket])
  t.equal(applied.code, 0, 'a finding of lint is no reason to refuse')
  t.match(applied.stderr, '(layer7-on-tcp)')
  t.match(applied.stdout, 'created')

  const log = file(t, 'log.jsonl', accessLines([{ facts: { workload: `spiffe://${TRUST_DOMAIN}/ns/default/sa/db` } }]))
  const to = file(t, 'to.json', JSON.stringify(workload('db')))
  const compared = await outrider(['policy', 'diff', '--live', '--to', to, '--log', log, ...socket])
  t.equal(compared.code, 0, compared.stderr)
  t.match(compared.stdout, '0 the same, 1 newly denied')
  t.match(await outrider(['policy', 'diff', '--live', '--from', to, '--to', to, '--log', log, ...socket]), { code: 2 })
})
