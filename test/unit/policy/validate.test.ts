import * as fc from 'fast-check'
import t from 'tap'
import { MAX_LIST, MAX_STRING, validateResolved, validateResource } from '../../../src/policy/validate.ts'
import { documentOf } from '../../fixtures/bundle-endpoint.ts'
import { makeTestCa } from '../../fixtures/ca.ts'

function document(kind: string, spec: unknown, more: object = {}): unknown {
  return { apiVersion: 'outrider.mesh/v1', kind, metadata: { name: 'x', namespace: 'shop' }, spec, ...more }
}

function violations(value: unknown): readonly (readonly [string, string])[] {
  const result = validateResource(value)
  return result.ok ? [] : result.violations.map(({ field, code }) => [field, code])
}

function messageOf(value: unknown): string {
  const result = validateResource(value)
  return result.ok ? '' : (result.violations[0]?.message ?? '')
}

const policy = { action: 'ALLOW', rules: [{ name: 'r', from: [{ namespaces: ['shop'] }], to: [{ ports: [80] }] }] }
const limit = { name: 'l', key: 'all', requests: 10, per: '1s' }
const service = { ports: [{ port: 80 }], workloads: ['api'] }
const workload = { spiffeId: 'spiffe://a.org/ns/shop/sa/web' }

t.test('defaults are filled in', async (t) => {
  const metadata = { name: 'x', namespace: 'shop' }
  t.strictSame(validateResource(document('AuthorizationPolicy', policy)), {
    ok: true,
    resource: { kind: 'AuthorizationPolicy', metadata, spec: { workloads: [], ...policy } },
  })
  t.strictSame(validateResource(document('RateLimit', { limits: [{ ...limit, per: '1m30s' }] })), {
    ok: true,
    resource: {
      kind: 'RateLimit',
      metadata,
      spec: { workloads: [], limits: [{ name: 'l', key: 'all', requests: 10, perMs: 90_000, burst: 10 }] },
    },
  })
  const endpoints = [{ address: '127.0.0.1', port: 15406 }]
  const ports = [
    { port: 80, targetPort: 8080, protocol: 'grpc' },
    { port: 8080, protocol: 'auto', targetPort: 8080 },
  ]
  const given = [ports[0], { port: 8080 }]
  t.strictSame(
    validateResource(document('Service', { ...service, ports: given, workloads: ['a', 'bank/b'], endpoints })),
    {
      ok: true,
      resource: {
        kind: 'Service',
        metadata,
        spec: {
          hosts: [],
          ports,
          workloads: [
            { namespace: 'shop', name: 'a' },
            { namespace: 'bank', name: 'b' },
          ],
          endpoints: [{ address: '127.0.0.1', port: 15406, appPort: 8080 }],
        },
      },
    },
  )
  t.strictSame(validateResource(document('Workload', workload, { metadata: { name: 'x' } })), {
    ok: true,
    resource: {
      kind: 'Workload',
      metadata: { name: 'x', namespace: 'default' },
      spec: { ...workload, selectors: [], dnsNames: [], upstreams: [{ namespace: 'default', name: '*' }] },
    },
  })
  t.match(
    validateResource(
      document('Workload', {
        ...workload,
        ttl: '1h',
        selectors: ['k8s:ns:shop', 'k8s:sa:web'],
        dnsNames: ['web.example.org'],
        upstreams: ['a', 'b/c', 'd/*', '*'],
      }),
    ),
    {
      resource: {
        spec: {
          ttlMs: 3_600_000,
          selectors: ['k8s:ns:shop', 'k8s:sa:web'],
          dnsNames: ['web.example.org'],
          upstreams: [
            { namespace: 'shop', name: 'a' },
            { namespace: 'b', name: 'c' },
            { namespace: 'd', name: '*' },
            { namespace: '*', name: '*' },
          ],
        },
      },
    },
  )
})

t.test('all violations at once, each with its field', async (t) => {
  const spec = {
    action: 'allow',
    rule: [],
    rules: [
      { from: [{ spiffeIds: ['spiffe://a.org/x', 'http://a.org'] }, { namespace: ['a'] }, {}] },
      { to: [{ methods: 'GET', paths: ['/a//b'], ports: [0, 1.5, '80'] }] },
      null,
    ],
  }
  t.strictSame(violations(document('AuthorizationPolicy', spec, { metadata: { name: 'X' }, status: {} })), [
    ['metadata.name', 'name-malformed'],
    ['spec.action', 'value-unknown'],
    ['spec.rules[0].from[0].spiffeIds[1]', 'spiffe-id-scheme'],
    ['spec.rules[0].from[1].namespace', 'field-unknown'],
    ['spec.rules[0].from[2]', 'entry-empty'],
    ['spec.rules[1].to[0].methods', 'type-mismatch'],
    ['spec.rules[1].to[0].paths[0]', 'path-pattern-not-normal'],
    ['spec.rules[1].to[0].ports[0]', 'number-out-of-range'],
    ['spec.rules[1].to[0].ports[1]', 'type-mismatch'],
    ['spec.rules[1].to[0].ports[2]', 'type-mismatch'],
    ['spec.rules[2]', 'type-mismatch'],
    ['spec.rule', 'field-unknown'],
    ['status', 'field-unknown'],
  ])
})

t.test('messages help', async (t) => {
  t.match(messageOf(document('AuthorizationPolicy', { ...policy, action: 'allow' })), /did you mean ALLOW\?/)
  t.match(messageOf(document('AuthorizationPolicy', { ...policy, workload: [] })), /did you mean workloads\?/)
  t.match(messageOf(document('AuthorizationPolicy', { ...policy, zebra: 1 })), /there are workloads, action, dryRun/)
  t.match(messageOf(document('AuthorisationPolicy', policy)), /did you mean AuthorizationPolicy\?/)
  t.match(messageOf(document('AuthorizationPolicy', { ...policy, rules: 1 })), /must be a list, not 1/)
  t.match(messageOf(document('RateLimit', { limits: [{ ...limit, per: '1 s' }] })), /such as 500ms, 10s/)
})

t.test('what is not a resource', async (t) => {
  for (const value of [undefined, null, 1, 'x', [], true]) t.strictSame(violations(value), [['', 'type-mismatch']])
  t.strictSame(violations({}), [['kind', 'field-missing']])
  t.strictSame(violations({ kind: 'Secret' }), [['kind', 'value-unknown']])
  t.strictSame(violations({ kind: 'toString' }), [['kind', 'value-unknown']])
  t.strictSame(violations({ kind: 'Workload', apiVersion: 'v2' }), [
    ['apiVersion', 'value-unknown'],
    ['metadata', 'field-missing'],
    ['spec', 'field-missing'],
  ])
  t.strictSame(violations(JSON.parse('{"kind":"Workload","__proto__":{"apiVersion":"outrider.mesh/v1"}}')), [
    ['apiVersion', 'field-missing'],
    ['metadata', 'field-missing'],
    ['spec', 'field-missing'],
    ['__proto__', 'field-unknown'],
  ])
})

t.test('every condition is read by what will match it, and each fault has its field', async (t) => {
  const of = (rule: object): readonly (readonly [string, string])[] =>
    violations(document('AuthorizationPolicy', { action: 'DENY', rules: [rule] })).map(([field, code]) => [
      field.replace('spec.rules[0].', ''),
      code,
    ])
  const cases: readonly [rule: object, field: string, code: string][] = [
    [{ from: [{ notSpiffeIds: ['spiffe://a*/x'] }] }, 'from[0].notSpiffeIds[0]', 'id-pattern-star'],
    [{ from: [{ serviceAccounts: ['a/b/c'] }] }, 'from[0].serviceAccounts[0]', 'service-account-malformed'],
    [{ from: [{ notIpBlocks: ['::1', '10.0.0.0/33'] }] }, 'from[0].notIpBlocks[1]', 'ip-block-malformed'],
    [{ from: [{ ipBlocks: ['10.0.0.1/8'] }] }, 'from[0].ipBlocks[0]', 'ip-block-host-bits'],
    [{ from: [{ requestPrincipals: ['alice'] }] }, 'from[0].requestPrincipals[0]', 'request-principal-malformed'],
    [{ from: [{ claims: [{ claim: 'a..b', values: ['x'] }] }] }, 'from[0].claims[0].claim', 'claim-path-malformed'],
    [{ from: [{ claims: [{ claim: 'a' }] }] }, 'from[0].claims[0]', 'entry-empty'],
    [{ to: [{ notHosts: ['a.*'] }] }, 'to[0].notHosts[0]', 'host-pattern-star'],
    [{ to: [{ grpcMethods: ['Service'] }] }, 'to[0].grpcMethods[0]', 'grpc-method-malformed'],
    [{ when: [{ header: 'X-A', values: ['x'] }] }, 'when[0].header', 'header-malformed'],
    [{ when: [{ header: 'x', values: ['*x*'] }] }, 'when[0].values[0]', 'value-pattern-star'],
    [{ when: [{ header: 'x', matches: ['(?=a)'] }] }, 'when[0].matches[0]', 'regex-malformed'],
    [{ when: [{ header: 'x', claim: 'y', values: ['x'] }] }, 'when[0]', 'condition-form'],
    [{ when: [{ sni: ['A'] }] }, 'when[0].sni[0]', 'host-malformed'],
    [{ when: [{ time: { zone: '+01:00' } }] }, 'when[0].time.zone', 'time-zone-unknown'],
    [{ when: [{ time: { from: '24:00', to: '02:00' } }] }, 'when[0].time', 'time-empty'],
    [{ when: [{ time: { from: '25:00' } }] }, 'when[0].time.from', 'time-malformed'],
    [{ when: [{ cel: 'request.methd == "GET"' }] }, 'when[0].cel', 'cel-unknown-name'],
    [{ when: [{ cel: 'request.method' }] }, 'when[0].cel', 'cel-type'],
    [{ when: [{ cel: 'request.method ==' }] }, 'when[0].cel', 'cel-malformed'],
  ]
  for (const [rule, field, code] of cases) t.strictSame(of(rule), [[field, code]], JSON.stringify(rule))
  const good = {
    from: [{ spiffeIds: ['spiffe://a.org/ns/*/sa/x'], serviceAccounts: ['api', 'bank/api'], ipBlocks: ['10.0.0.0/8'] }],
    to: [{ hosts: ['*.example.org', '::1'], grpcMethods: ['a.S/*'] }],
    when: [
      { cel: 'request.port == 80' },
      { time: { days: ['sun'], from: '22:00', to: '06:00', zone: 'Europe/Berlin' } },
    ],
  }
  t.strictSame(of(good), [])
})

t.test('an empty list of conditions is refused', async (t) => {
  const rules = [{ from: [] }, { to: [] }, { from: [{ spiffeIds: [] }] }, { to: [{ paths: [] }] }]
  t.strictSame(violations(document('AuthorizationPolicy', { ...policy, rules })), [
    ['spec.rules[0].from', 'list-empty'],
    ['spec.rules[1].to', 'list-empty'],
    ['spec.rules[2].from[0].spiffeIds', 'list-empty'],
    ['spec.rules[3].to[0].paths', 'list-empty'],
  ])
  t.strictSame(violations(document('AuthorizationPolicy', { ...policy, rules: [] })), [])
  t.strictSame(violations(document('AuthorizationPolicy', { ...policy, workloads: [] })), [])
})

t.test('sizes are bounded', async (t) => {
  const long = `/${'a'.repeat(MAX_STRING)}`
  const paths = (list: readonly string[]): unknown =>
    document('AuthorizationPolicy', { ...policy, rules: [{ to: [{ paths: list }] }] })
  t.strictSame(violations(paths([long.slice(0, -1)])), [])
  t.strictSame(violations(paths([long])), [['spec.rules[0].to[0].paths[0]', 'string-too-long']])
  const many = Array.from({ length: MAX_LIST + 1 }, (_, index) => `/${index}`)
  t.strictSame(violations(paths(many.slice(1))), [])
  t.strictSame(violations(paths(many)), [['spec.rules[0].to[0].paths', 'list-too-long']])
  const rules = many.map(() => ({}))
  t.strictSame(violations(document('AuthorizationPolicy', { ...policy, rules })), [['spec.rules', 'list-too-long']])
})

t.test('limits', async (t) => {
  const wrong = (part: object): readonly (readonly [string, string])[] =>
    violations(document('RateLimit', { limits: [{ ...limit, ...part }] }))
  t.strictSame(wrong({ requests: 0 }), [['spec.limits[0].requests', 'number-out-of-range']])
  t.strictSame(wrong({ requests: 1.5 }), [['spec.limits[0].requests', 'type-mismatch']])
  t.strictSame(wrong({ requests: 2_000_000 }), [['spec.limits[0].requests', 'rate-too-high']])
  t.strictSame(wrong({ burst: 0 }), [['spec.limits[0].burst', 'number-out-of-range']])
  t.strictSame(wrong({ per: '0s' }), [['spec.limits[0].per', 'duration-out-of-range']])
  t.strictSame(wrong({ per: '32d' }), [['spec.limits[0].per', 'duration-out-of-range']])
  t.strictSame(wrong({ per: 1 }), [['spec.limits[0].per', 'type-mismatch']])
  t.strictSame(wrong({ key: 'caller' }), [['spec.limits[0].key', 'value-unknown']])
  t.strictSame(violations(document('RateLimit', { limits: [] })), [['spec.limits', 'list-empty']])
  t.strictSame(violations(document('RateLimit', { limits: [limit, limit] })), [['spec.limits[1]', 'duplicate']])
})

t.test('services and workloads', async (t) => {
  const wrong = (part: object): readonly (readonly [string, string])[] =>
    violations(document('Service', { ...service, ...part }))
  t.strictSame(wrong({ hosts: ['A.org', 'a.org:80', 'a.org.', 'a_b', 'a.org', 'a.org'] }), [
    ['spec.hosts[0]', 'host-malformed'],
    ['spec.hosts[1]', 'host-malformed'],
    ['spec.hosts[2]', 'host-malformed'],
    ['spec.hosts[3]', 'host-malformed'],
    ['spec.hosts[5]', 'duplicate'],
  ])
  t.strictSame(wrong({ workloads: [] }), [['spec.workloads', 'list-empty']])
  t.strictSame(wrong({ workloads: ['a/b/c', '*'] }), [
    ['spec.workloads[0]', 'reference-malformed'],
    ['spec.workloads[1]', 'name-malformed'],
  ])
  t.strictSame(wrong({ ports: [{ port: 80 }, { port: 80 }] }), [['spec.ports[1]', 'duplicate']])
  const ports = [{ port: 80 }, { port: 81 }]
  const address = 'api.internal'
  t.strictSame(wrong({ ports, endpoints: [{ address, port: 1 }] }), [['spec.endpoints[0].appPort', 'app-port-unknown']])
  t.strictSame(wrong({ ports, endpoints: [{ address, port: 1, appPort: 82 }] }), [
    ['spec.endpoints[0].appPort', 'app-port-unknown'],
  ])
  t.strictSame(wrong({ ports, endpoints: [{ address, port: 1, appPort: 81 }] }), [])
  t.strictSame(wrong({ endpoints: [{ address: '[::1]', port: 1 }] }), [
    ['spec.endpoints[0].address', 'address-malformed'],
  ])
  for (const address of ['::1', '10.0.0.1', 'api']) t.strictSame(wrong({ endpoints: [{ address, port: 1 }] }), [])
  t.strictSame(violations(document('Workload', { spiffeId: 'spiffe://a.org/ns/*', ttl: '9s' })), [
    ['spec.spiffeId', 'spiffe-id-path-character'],
    ['spec.ttl', 'duration-out-of-range'],
  ])
  t.strictSame(violations(document('Workload', { ...workload, upstreams: ['*/a', 'a/b/*', ''] })), [
    ['spec.upstreams[0]', 'name-malformed'],
    ['spec.upstreams[1]', 'reference-malformed'],
    ['spec.upstreams[2]', 'name-malformed'],
  ])
})

t.test('no input makes it throw', async () => {
  const key = fc.constantFrom(
    'apiVersion',
    'kind',
    'metadata',
    'spec',
    'rules',
    'from',
    'to',
    'limits',
    'ports',
    'name',
  )
  const leaf = fc.oneof(fc.constantFrom('outrider.mesh/v1', 'a', '/a', '*', ''), fc.integer(), fc.constant(null))
  const { tree } = fc.letrec((tie) => ({
    tree: fc.oneof(
      { maxDepth: 5 },
      leaf,
      fc.array(tie('tree'), { maxLength: 3 }),
      fc.dictionary(key, tie('tree'), { maxKeys: 4 }),
    ),
  }))
  const kind = fc.constantFrom('AuthorizationPolicy', 'RateLimit', 'Service', 'Workload')
  fc.assert(
    fc.property(kind, tree, tree, (kind, spec, inner) => {
      for (const candidate of [
        spec,
        { rules: [inner] },
        { limits: [inner], ports: [inner], hosts: [inner], endpoints: [inner] },
      ]) {
        const result = validateResource(document(kind, candidate))
        if (!result.ok && result.violations.some(({ code, message }) => code === '' || message === ''))
          throw new Error('a violation without words')
      }
    }),
    { numRuns: 1000 },
  )
})

t.test('a trust domain: where its bundle comes from', async (t) => {
  const ca = makeTestCa('b.org')
  const bundle: unknown = JSON.parse(documentOf([ca], 4))
  const web = { url: 'https://b.org/bundle', profile: 'https_web' }
  const spiffe = { url: 'https://127.0.0.1:8443', profile: 'https_spiffe', spiffeId: 'spiffe://b.org/outrider/control' }
  const found = (spec: object): readonly (readonly [string, string])[] =>
    violations(document('TrustDomain', { trustDomain: 'b.org', ...spec }))
  t.same(found({ bundle }), [])
  t.same(found({ bundleEndpoint: web }), [])
  t.same(found({ bundleEndpoint: { ...web, caFile: '/etc/ca.pem' }, bundle }), [])
  t.same(found({ bundleEndpoint: spiffe, bundle }), [])
  t.same(found({ bundleEndpoint: { ...spiffe, spiffeId: 'spiffe://c.org/x' } }), [], 'another trust domain vouches')
  const result = validateResource(document('TrustDomain', { trustDomain: 'b.org', bundleEndpoint: spiffe, bundle }))
  t.match(result, {
    resource: {
      spec: {
        trustDomain: 'b.org',
        bundleEndpoint: { url: 'https://127.0.0.1:8443/', profile: 'https_spiffe' },
        bundle: { sequenced: true, bundle: { sequence: 4 } },
      },
    },
  })

  t.same(found({}), [['spec', 'entry-empty']])
  t.same(found({ bundle, trustDomain: 'B.org' }), [['spec.trustDomain', 'spiffe-id-trust-domain-character']])
  t.same(found({ bundleEndpoint: spiffe }), [['spec.bundle', 'field-missing']])
  t.same(found({ bundleEndpoint: { ...spiffe, spiffeId: undefined }, bundle }), [
    ['spec.bundleEndpoint.spiffeId', 'field-missing'],
  ])
  t.same(found({ bundleEndpoint: { ...web, spiffeId: spiffe.spiffeId } }), [
    ['spec.bundleEndpoint.spiffeId', 'field-not-applicable'],
  ])
  t.same(found({ bundleEndpoint: { ...spiffe, caFile: '/x' }, bundle }), [
    ['spec.bundleEndpoint.caFile', 'field-not-applicable'],
  ])
  t.same(found({ bundleEndpoint: { ...web, caFile: 'x' } }), [['spec.bundleEndpoint.caFile', 'path-relative']])
  t.same(found({ bundleEndpoint: { ...web, profile: 'http' } }), [['spec.bundleEndpoint.profile', 'value-unknown']])
  for (const url of [
    'http://b.org/',
    'b.org',
    '/bundle',
    'https://',
    'https://user@b.org/',
    'https://:secret@b.org/',
    'https://b.org/#x',
    'https://b.org/ x',
    ' https://b.org/',
    'file:///etc/passwd',
  ])
    t.same(found({ bundleEndpoint: { ...web, url } }), [['spec.bundleEndpoint.url', 'url-malformed']], url)
  t.same(found({ bundle: 'text' }), [['spec.bundle', 'type-mismatch']])
  t.same(found({ bundle: [] }), [['spec.bundle', 'type-mismatch']])
  t.same(found({ bundle: {} }), [['spec.bundle', 'bundle-document-no-keys']])
  t.same(found({ bundle: { keys: [] } }), [['spec.bundle', 'bundle-empty']])
  t.same(found({ trustDomain: 'c.org', bundle }), [['spec.bundle', 'bundle-not-authority']], 'a root of another one')
  let deep: unknown = 1
  for (let depth = 0; depth < 50_000; depth += 1) deep = [deep]
  t.same(found({ bundle: { keys: [], deep } }), [['spec.bundle', 'json-too-deep']])
})

t.test('a sidecar knows of no such kind', async (t) => {
  const value = document('TrustDomain', {
    trustDomain: 'b.org',
    bundle: JSON.parse(documentOf([makeTestCa('b.org')], 1)),
  })
  t.match(validateResolved(value), { ok: false, violations: [{ field: 'kind', code: 'value-unknown' }] })
})
