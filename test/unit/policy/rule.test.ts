import * as fc from 'fast-check'
import t from 'tap'
import { parseTrustDomain } from '../../../src/identity/spiffe-id.ts'
import { compileRules } from '../../../src/policy/compile-rule.ts'
import type { DecisionRequest, TokenIdentity } from '../../../src/policy/decision.ts'
import { MAX_REGEXES } from '../../../src/policy/match/regex.ts'
import type {
  Action,
  AuthorizationPolicy,
  AuthorizationRule,
  Condition,
  OperationMatch,
  SourceMatch,
  Violation,
} from '../../../src/policy/model.ts'
import { Query } from '../../../src/policy/query.ts'
import { type CompiledRule, failedConditions, matchesRule } from '../../../src/policy/rule.ts'
import { connection, policyOf, requestOf } from './reference.ts'

const home = parseTrustDomain('a.org')

function compile(
  action: Action,
  rule: AuthorizationRule,
  spec: Partial<AuthorizationPolicy['spec']> = {},
): CompiledRule {
  const violations: Violation[] = []
  const policy = policyOf('ALLOW', [rule])
  const [compiled] = compileRules({ ...policy, spec: { ...policy.spec, action, ...spec } }, home, violations)
  if (violations.length > 0) throw new Error(JSON.stringify(violations))
  return compiled!
}

/** What a rule says of a request: unknown when it depends on the action. */
function truthOf(rule: AuthorizationRule, request: DecisionRequest): boolean | 'unknown' {
  const query = new Query(request)
  const allow = matchesRule(compile('ALLOW', rule), query)
  const deny = matchesRule(compile('DENY', rule), query)
  const audit = matchesRule(compile('AUDIT', rule), query)
  if (audit !== deny) throw new Error('AUDIT and DENY differ')
  if (allow && !deny) throw new Error('more is known in ALLOW than in DENY')
  return allow === deny ? allow : 'unknown'
}

const ofSource = (source: SourceMatch, request: DecisionRequest): unknown => truthOf({ from: [source] }, request)
const ofOperation = (operation: OperationMatch, request: DecisionRequest): unknown =>
  truthOf({ to: [operation] }, request)
const ofCondition = (condition: Condition, request: DecisionRequest): unknown => truthOf({ when: [condition] }, request)

const api = requestOf({
  host: 'api.example.org',
  address: '10.1.2.3',
  sni: 'sni.example.org',
  headers: ['x', 'a'],
  nowMs: 1e12,
})
const anonymous: DecisionRequest = { ...api, principal: { kind: 'anonymous', why: 'plaintext-port' } }
const tcp: DecisionRequest = { ...api, ...connection, host: undefined, headers: undefined }
const foreign = { ...api, principal: requestOf({ id: 'spiffe://b.org/ns/shop/sa/api' }).principal }
const shapeless = { ...api, principal: requestOf({ id: 'spiffe://a.org/outrider/control' }).principal }

function token(subject: string | undefined, claims: TokenIdentity['claims'] = {}, issuer = 'iss'): TokenIdentity {
  return { issuer, subject, claims, expiresAtMs: 2e12 }
}

function withTokens(...tokens: readonly TokenIdentity[]): DecisionRequest {
  return { ...api, user: { tokens, apiKey: undefined } }
}

function withKey(owner: string, scopes: readonly string[] = []): DecisionRequest {
  return { ...api, user: { tokens: [], apiKey: { id: 'k', owner, scopes, expiresAtMs: 2e12 } } }
}

t.test('sources: identity', async (t) => {
  const cases: readonly [SourceMatch, DecisionRequest, unknown][] = [
    [{ spiffeIds: ['spiffe://a.org/ns/*/sa/api'] }, api, true],
    [{ spiffeIds: ['spiffe://a.org/ns/*/sa/api'] }, foreign, false],
    [{ spiffeIds: ['spiffe://a.org/*'] }, anonymous, false],
    [{ notSpiffeIds: ['spiffe://a.org/ns/shop/*'] }, api, false],
    [{ notSpiffeIds: ['spiffe://a.org/ns/bank/*'] }, api, true],
    [{ notSpiffeIds: ['spiffe://a.org/ns/bank/*'] }, anonymous, 'unknown'],
    [{ namespaces: ['shop'] }, api, true],
    [{ namespaces: ['shop'] }, foreign, false],
    [{ namespaces: ['shop'], trustDomains: ['b.org'] }, foreign, true],
    [{ namespaces: ['shop'] }, shapeless, false],
    [{ notNamespaces: ['shop'] }, api, false],
    [{ notNamespaces: ['bank'] }, api, true],
    [{ notNamespaces: ['bank'] }, foreign, 'unknown'],
    [{ notNamespaces: ['bank'], trustDomains: ['b.org'] }, foreign, true],
    [{ notNamespaces: ['bank'] }, shapeless, 'unknown'],
    [{ notNamespaces: ['bank'] }, anonymous, 'unknown'],
    [{ serviceAccounts: ['api'] }, api, true],
    [{ serviceAccounts: ['shop/api'] }, api, true],
    [{ serviceAccounts: ['bank/api'] }, api, false],
    [{ serviceAccounts: ['api'] }, foreign, false],
    [{ notServiceAccounts: ['web'] }, api, true],
    [{ notServiceAccounts: ['api'] }, api, false],
    [{ notServiceAccounts: ['api'] }, shapeless, 'unknown'],
    [{ trustDomains: ['a.org'] }, api, true],
    [{ trustDomains: ['a.org'] }, anonymous, false],
    [{ notTrustDomains: ['a.org'] }, foreign, true],
    [{ notTrustDomains: ['a.org'] }, anonymous, 'unknown'],
    [{ namespaces: ['shop'], notServiceAccounts: ['api'] }, api, false],
    [{ namespaces: ['bank'], notSpiffeIds: ['spiffe://a.org/x'] }, anonymous, false],
    [{ trustDomains: ['a.org'] }, tcp, true],
  ]
  for (const [source, request, expected] of cases)
    t.equal(ofSource(source, request), expected, `${JSON.stringify(source)} of ${JSON.stringify(request.principal)}`)
})

t.test('sources: addresses', async (t) => {
  t.equal(ofSource({ ipBlocks: ['10.0.0.0/8', '::1'] }, api), true)
  t.equal(ofSource({ ipBlocks: ['10.0.0.0/8'] }, { ...api, address: '::ffff:10.0.0.1' }), true)
  t.equal(ofSource({ ipBlocks: ['10.0.0.0/8'] }, anonymous), true, 'it asks for no identity')
  t.equal(ofSource({ ipBlocks: ['10.0.0.0/8'] }, tcp), true, 'a connection has an address')
  t.equal(ofSource({ notIpBlocks: ['10.0.0.0/8'] }, api), false)
  t.equal(ofSource({ ipBlocks: ['10.0.0.0/8'] }, { ...api, address: undefined }), false)
  t.equal(ofSource({ notIpBlocks: ['10.0.0.0/8'] }, { ...api, address: undefined }), 'unknown')
  t.equal(ofSource({ notIpBlocks: ['10.0.0.0/8'] }, { ...api, address: 'unix' }), 'unknown')
})

t.test('sources: tokens', async (t) => {
  const alice = token('alice', { role: 'admin', tier: 'gold' })
  const bob = token('bob', { role: 'dev' })
  const nobody = token(undefined, { role: 'admin' })
  const cases: readonly [string, SourceMatch, DecisionRequest, unknown][] = [
    ['a principal', { requestPrincipals: ['iss/alice'] }, withTokens(alice), true],
    ['one of several tokens', { requestPrincipals: ['iss/alice'] }, withTokens(bob, alice), true],
    ['no token', { requestPrincipals: ['*'] }, api, false],
    ['a token about nobody', { requestPrincipals: ['*'] }, withTokens(nobody), false],
    ['none of the tokens', { notRequestPrincipals: ['iss/alice'] }, withTokens(bob), true],
    ['all of the tokens count', { notRequestPrincipals: ['iss/alice'] }, withTokens(bob, alice), false],
    ['no token: who knows', { notRequestPrincipals: ['*'] }, api, 'unknown'],
    ['a token about nobody: who knows', { notRequestPrincipals: ['iss/alice'] }, withTokens(bob, nobody), 'unknown'],
    ['a connection', { requestPrincipals: ['*'] }, tcp, 'unknown'],
    ['a connection', { notRequestPrincipals: ['*'] }, tcp, 'unknown'],
    ['a claim', { claims: [{ claim: 'role', values: ['admin'] }] }, withTokens(bob, alice), true],
    ['a claim of another', { claims: [{ claim: 'role', values: ['ops'] }] }, withTokens(bob, alice), false],
    [
      'principal and claim of one token',
      { requestPrincipals: ['iss/alice'], claims: [{ claim: 'role', values: ['admin'] }] },
      withTokens(alice, bob),
      true,
    ],
    [
      'the claim of another token is not lent',
      { requestPrincipals: ['iss/bob'], claims: [{ claim: 'role', values: ['admin'] }] },
      withTokens(alice, bob),
      false,
    ],
    [
      'both claims of one token',
      {
        claims: [
          { claim: 'role', values: ['dev'] },
          { claim: 'tier', values: ['gold'] },
        ],
      },
      withTokens(alice, bob),
      false,
    ],
    ['a missing claim', { claims: [{ claim: 'tier', notValues: ['gold'] }] }, withTokens(bob), 'unknown'],
    ['no token and a claim', { claims: [{ claim: 'tier', values: ['*'] }] }, api, false],
    ['no token and no claim', { claims: [{ claim: 'tier', notValues: ['gold'] }] }, api, 'unknown'],
    [
      'no token, principal and negated claim',
      { requestPrincipals: ['*'], claims: [{ claim: 'tier', notValues: ['gold'] }] },
      api,
      false,
    ],
    ['a key of the owner', { apiKeyOwners: ['ci'] }, withKey('ci'), true],
    ['a key of another', { apiKeyOwners: ['ci'] }, withKey('ops'), false],
    ['no key', { apiKeyOwners: ['ci'] }, api, false],
    ['no key: who knows', { notApiKeyOwners: ['ci'] }, api, 'unknown'],
    ['not of the owner', { notApiKeyOwners: ['ci'] }, withKey('ops'), true],
    ['one scope', { apiKeyScopes: ['r', 'w'] }, withKey('ops', ['w']), true],
    ['no scope', { apiKeyScopes: ['r'] }, withKey('ops'), false],
    ['key and scope', { apiKeyOwners: ['ci'], apiKeyScopes: ['r'] }, withKey('ci', ['w']), false],
    ['a connection has no key', { apiKeyScopes: ['r'] }, tcp, 'unknown'],
  ]
  for (const [name, source, request, expected] of cases) t.equal(ofSource(source, request), expected, name)
})

t.test('operations', async (t) => {
  const grpc = (path: string, type = 'application/grpc'): DecisionRequest =>
    requestOf({ method: 'POST', path, headers: ['content-type', type] })
  const cases: readonly [OperationMatch, DecisionRequest, unknown][] = [
    [{ hosts: ['*.example.org'] }, api, true],
    [{ hosts: ['example.org'] }, api, false],
    [{ notHosts: ['*.example.org'] }, api, false],
    [{ hosts: ['example.org'] }, requestOf({}), false],
    [{ notHosts: ['example.org'] }, requestOf({}), 'unknown'],
    [{ hosts: ['example.org'] }, tcp, 'unknown'],
    [{ ports: [8080] }, tcp, true],
    [{ notPorts: [8080] }, api, false],
    [{ notPorts: [1] }, tcp, true],
    [{ methods: ['GET'] }, api, true],
    [{ notMethods: ['GET', 'HEAD'] }, api, false],
    [{ notMethods: ['HEAD'] }, api, true],
    [{ notMethods: ['HEAD'] }, tcp, 'unknown'],
    [{ notPaths: ['/a/*'] }, api, true],
    [{ notPaths: ['/*'] }, api, false],
    [{ paths: ['/a/*'], ports: [1] }, tcp, false],
    [{ paths: ['/*'], notPaths: ['/'] }, api, false],
    [{ grpcMethods: ['a.S/Get'] }, grpc('/a.S/Get'), true],
    [{ grpcMethods: ['a.S/*'] }, grpc('/a.S/Get'), true],
    [{ grpcMethods: ['a.S/Put'] }, grpc('/a.S/Get'), false],
    [{ grpcMethods: ['a.S/Get'] }, api, false],
    [{ grpcMethods: ['a.S/Get'] }, grpc('/a.S/Get', 'application/json'), 'unknown'],
    [{ notGrpcMethods: ['a.S/Get'] }, grpc('/a.S/Get'), false],
    [{ notGrpcMethods: ['a.S/Get'] }, grpc('/a.S/Put'), true],
    [{ notGrpcMethods: ['a.S/Get'] }, api, 'unknown'],
    [{ grpcMethods: ['a.S/Get'] }, tcp, 'unknown'],
  ]
  for (const [operation, request, expected] of cases)
    t.equal(ofOperation(operation, request), expected, `${JSON.stringify(operation)} of ${request.path}`)
  const twice = requestOf({
    method: 'POST',
    path: '/a.S/Get',
    headers: ['content-type', 'application/grpc', 'content-type', 'x/y'],
  })
  t.equal(ofOperation({ grpcMethods: ['a.S/Get'] }, twice), 'unknown', 'which content type counts?')
})

t.test('conditions of `when`', async (t) => {
  const cases: readonly [Condition, DecisionRequest, unknown][] = [
    [{ header: 'x', values: ['a'] }, api, true],
    [{ header: 'x', values: ['a'] }, { ...api, headers: ['x', 'a', 'x', 'b'] }, 'unknown'],
    [{ header: 'y', notValues: ['a'] }, api, 'unknown'],
    [{ header: 'x', values: ['a'] }, tcp, 'unknown'],
    [{ header: 'x', matches: ['[ab]'] }, api, true],
    [{ header: 'x', values: ['a'] }, requestOf({}), 'unknown'],
    [{ claim: 'role', values: ['admin'] }, withTokens(token('a'), token('b', { role: 'admin' })), true],
    [{ claim: 'role', values: ['admin'] }, api, false],
    [{ claim: 'role', values: ['admin'] }, tcp, 'unknown'],
    [{ sni: ['*.example.org'] }, api, true],
    [{ sni: ['*.example.org'] }, tcp, true],
    [{ sni: ['other.org'] }, api, false],
    [{ sni: ['other.org'] }, { ...api, sni: undefined }, false],
    [{ time: { fromMinute: 0, toMinute: 1440, zone: 'UTC' } }, tcp, true],
    [{ time: { fromMinute: 0, toMinute: 1440, zone: 'UTC' } }, requestOf({}), 'unknown'],
    // 1e12 ms is 01:46 on a Sunday.
    [{ time: { days: ['sun'], fromMinute: 106, toMinute: 107, zone: 'UTC' } }, api, true],
    [{ time: { days: ['mon'], fromMinute: 106, toMinute: 107, zone: 'UTC' } }, api, false],
    [{ cel: 'request.method == "GET" && source.namespace == "shop"' }, api, true],
    [{ cel: 'request.method == "PUT"' }, api, false],
    [{ cel: 'request.headers["missing"] == "a"' }, api, 'unknown'],
    [{ cel: 'true' }, tcp, 'unknown'],
  ]
  for (const [condition, request, expected] of cases)
    t.equal(ofCondition(condition, request), expected, JSON.stringify(condition))
  t.equal(
    truthOf(
      {
        when: [
          { header: 'y', notValues: ['a'] },
          { header: 'x', values: ['b'] },
        ],
      },
      api,
    ),
    false,
    'all of them',
  )
  t.equal(truthOf({ from: [{ notIpBlocks: ['::1'] }, { namespaces: ['shop'] }] }, { ...api, address: undefined }), true)
})

t.test('a rule with what is not known is false in ALLOW and as the rest of it in DENY', async (t) => {
  t.equal(truthOf({ unknown: true }, api), 'unknown')
  t.equal(truthOf({ unknown: true, to: [{ ports: [1] }] }, api), false)
  t.strictSame(failedConditions(compile('ALLOW', { unknown: true }), new Query(api)), ['unknown'])
})

t.test('a policy is in force from its beginning and before its end', async (t) => {
  const matches = (nowMs: number | undefined, window: Partial<AuthorizationPolicy['spec']>): boolean =>
    matchesRule(compile('ALLOW', {}, window), new Query(requestOf(nowMs === undefined ? {} : { nowMs })))
  t.notOk(matches(99, { notBeforeMs: 100 }))
  t.ok(matches(100, { notBeforeMs: 100 }))
  t.ok(matches(99, { notAfterMs: 100 }))
  t.notOk(matches(100, { notAfterMs: 100 }))
  t.ok(matches(150, { notBeforeMs: 100, notAfterMs: 200 }))
  t.notOk(matches(undefined, { notBeforeMs: 100 }), 'without a clock it is not in force')
  t.strictSame(failedConditions(compile('ALLOW', {}, { notAfterMs: 1 }), new Query(api)), ['window'])
})

t.test('failed conditions are named by their fields, of the entry that comes closest', async (t) => {
  const failed = (rule: AuthorizationRule, request = api): readonly string[] =>
    failedConditions(compile('ALLOW', rule), new Query(request))
  t.strictSame(failed({}), [])
  t.strictSame(failed({ from: [{ spiffeIds: ['spiffe://a.org/x'], ipBlocks: ['::1'] }, { ipBlocks: ['::2'] }] }), [
    'from.ipBlocks',
  ])
  t.strictSame(
    failed({
      to: [{ notPorts: [8080], methods: ['PUT'] }],
      when: [{ sni: ['*.example.org'] }, { header: 'x', values: ['b'] }],
    }),
    ['to.notPorts', 'to.methods', 'when[1]'],
  )
  const source: SourceMatch = {
    requestPrincipals: ['iss/alice'],
    claims: [
      { claim: 'a', values: ['1'] },
      { claim: 'b', values: ['1'] },
    ],
  }
  t.strictSame(failed({ from: [source] }, withTokens(token('alice', { a: 1 }), token('bob'))), ['from.claims[1]'])
  t.strictSame(failed({ from: [source] }), ['from.requestPrincipals', 'from.claims[0]', 'from.claims[1]'])
  t.strictSame(failed({ from: [source] }, tcp), ['from.requestPrincipals', 'from.claims[0]', 'from.claims[1]'])
})

t.test('every fault is told with its field', async (t) => {
  const faults = (rule: AuthorizationRule): readonly unknown[] => {
    const violations: Violation[] = []
    compileRules(policyOf('ALLOW', [rule]), home, violations)
    return violations.map(({ field, code }) => [field.replace('spec.rules[0].', ''), code])
  }
  t.strictSame(
    faults({
      from: [
        {
          ipBlocks: ['10.0.0.1/8'],
          requestPrincipals: ['x'],
          claims: [{ claim: 'a.', values: ['**'] }],
          serviceAccounts: ['A'],
        },
      ],
      to: [{ hosts: ['*'], grpcMethods: ['x'] }],
      when: [
        { header: 'X', values: ['a'] },
        { header: 'x' },
        { claim: 'a', matches: ['('] },
        { sni: ['A'] },
        { time: { fromMinute: 0, toMinute: 1, zone: 'Mars' } },
        { cel: 'request.methd == "a"' },
      ],
    }),
    [
      ['from[0].serviceAccounts[0]', 'service-account-malformed'],
      ['from[0].ipBlocks[0]', 'ip-block-host-bits'],
      ['from[0].requestPrincipals[0]', 'request-principal-malformed'],
      ['from[0].claims[0].claim', 'claim-path-malformed'],
      ['from[0].claims[0].values[0]', 'value-pattern-star'],
      ['to[0].hosts[0]', 'host-pattern-star'],
      ['to[0].grpcMethods[0]', 'grpc-method-malformed'],
      ['when[0].header', 'header-malformed'],
      ['when[1]', 'entry-empty'],
      ['when[2].matches[0]', 'regex-malformed'],
      ['when[3].sni[0]', 'host-malformed'],
      ['when[4].time.zone', 'time-zone-unknown'],
      ['when[5].cel', 'cel-unknown-name'],
    ],
  )
  const many = Array.from({ length: MAX_REGEXES + 1 }, (_, index) => `a${index}`)
  t.strictSame(faults({ when: [{ header: 'x', matches: many }] }), [
    [`when[0].matches[${MAX_REGEXES}]`, 'too-many-regexes'],
  ])
})

const seed = Number(process.env['FUZZ_SEED'] ?? Date.now() % 2 ** 31)
console.log(`seed ${seed}`)
const runs = { seed, numRuns: 1500 }

/** Pairs of a list and its negation, with values of which two are always given. */
const lists: readonly (readonly ['from' | 'to', string, string, readonly (string | number)[]])[] = [
  ['from', 'spiffeIds', 'notSpiffeIds', ['spiffe://a.org/ns/shop/*', 'spiffe://a.org/ns/*/sa/api', 'spiffe://b.org/x']],
  ['from', 'namespaces', 'notNamespaces', ['shop', 'bank', 'ops']],
  ['from', 'serviceAccounts', 'notServiceAccounts', ['api', 'bank/api', 'web']],
  ['from', 'trustDomains', 'notTrustDomains', ['a.org', 'b.org', 'c.org']],
  ['from', 'ipBlocks', 'notIpBlocks', ['10.0.0.0/8', '192.168.0.0/16', '::1']],
  ['from', 'requestPrincipals', 'notRequestPrincipals', ['iss/alice', 'iss/*', 'other/bob']],
  ['from', 'apiKeyOwners', 'notApiKeyOwners', ['ci', 'ops', 'dev']],
  ['to', 'hosts', 'notHosts', ['a.example.org', '*.example.org', 'x']],
  ['to', 'ports', 'notPorts', [80, 8080, 1]],
  ['to', 'methods', 'notMethods', ['GET', 'POST', 'PUT']],
  ['to', 'paths', 'notPaths', ['/a', '/a/*', '/{*}/Get']],
  ['to', 'grpcMethods', 'notGrpcMethods', ['a.S/Get', 'a.S/*', 'b.S/Get']],
]

const maybe = <T>(...values: readonly T[]): fc.Arbitrary<T | undefined> => fc.constantFrom(undefined, ...values)
const http = fc.record({
  principal: fc.constantFrom(api.principal, anonymous.principal, foreign.principal, shapeless.principal),
  method: fc.constantFrom('GET', 'POST'),
  path: fc.constantFrom('/a', '/a/b', '/a.S/Get', '/b.S/Get'),
  port: fc.constantFrom(80, 8080),
  host: maybe('a.example.org', 'b.example.org', 'y'),
  address: maybe('10.0.0.1', '::1', '192.168.0.1'),
  sni: maybe('a.example.org'),
  headers: fc.constantFrom(
    [],
    ['content-type', 'application/grpc'],
    ['content-type', 'text/html'],
    ['x', '1', 'x', '2'],
  ),
  user: fc.record({
    tokens: fc.array(
      fc.constantFrom(token('alice', { role: 'admin' }), token('bob', { role: ['dev'] }, 'other'), token(undefined)),
      { maxLength: 2 },
    ),
    apiKey: maybe(...['ci', 'ops'].map((owner) => ({ id: 'k', owner, scopes: ['r'], expiresAtMs: 2e12 }))),
  }),
  nowMs: fc.constant(1e12),
})
const anyRequest: fc.Arbitrary<DecisionRequest> = fc.oneof(
  { weight: 4, arbitrary: http },
  { weight: 1, arbitrary: http.map((request) => ({ ...request, ...connection, host: undefined, headers: undefined })) },
)
const pickTwo = fc.constantFrom(...lists).chain(([part, name, negated, values]) =>
  fc.tuple(fc.constantFrom(...values), fc.constantFrom(...values)).map(([one, other]) => ({
    one: { [part]: [{ [name]: [one] }] } as AuthorizationRule,
    other: { [part]: [{ [name]: [other] }] } as AuthorizationRule,
    either: { [part]: [{ [name]: [one, other] }] } as AuthorizationRule,
    notOne: { [part]: [{ [negated]: [one] }] } as AuthorizationRule,
    notOther: { [part]: [{ [negated]: [other] }] } as AuthorizationRule,
    neither: { [part]: [{ [negated]: [one, other] }] } as AuthorizationRule,
  })),
)

const order: readonly unknown[] = [false, 'unknown', true]
const least = (...truths: readonly unknown[]): unknown =>
  order[Math.min(...truths.map((truth) => order.indexOf(truth)))]
const most = (...truths: readonly unknown[]): unknown => order[Math.max(...truths.map((truth) => order.indexOf(truth)))]

t.test(
  'a list and its negation never hold both, and what is known of one is known of the other unless it is absent',
  async (t) => {
    const seen = new Set<unknown>()
    fc.assert(
      fc.property(pickTwo, anyRequest, ({ one, notOne }, request) => {
        const [yes, no] = [truthOf(one, request), truthOf(notOne, request)]
        seen.add(`${yes} ${no}`)
        return `${yes} ${no}` === 'true false' || `${yes} ${no}` === 'false true' || no === 'unknown'
      }),
      runs,
    )
    t.same(seen, new Set(['true false', 'false true', 'false unknown', 'unknown unknown']))
  },
)

t.test('De Morgan: in none of a list is not in the one and not in the other', async () => {
  fc.assert(
    fc.property(pickTwo, anyRequest, ({ one, other, either, notOne, notOther, neither }, request) => {
      if (truthOf(either, request) !== most(truthOf(one, request), truthOf(other, request))) throw new Error('or')
      if (truthOf(neither, request) !== least(truthOf(notOne, request), truthOf(notOther, request)))
        throw new Error('and')
    }),
    runs,
  )
})

t.test('entries are "or", conditions of one "and", in three values; explaining decides the same', async () => {
  fc.assert(
    fc.property(pickTwo, pickTwo, anyRequest, (first, second, request) => {
      const [a, b] = [first.one, second.notOne]
      const [ta, tb] = [truthOf(a, request), truthOf(b, request)]
      const part = (['from', 'to'] as const).find((name) => a[name] !== undefined && b[name] !== undefined)
      if (part !== undefined) {
        const joined: AuthorizationRule = { [part]: [...(a[part] ?? []), ...(b[part] ?? [])] }
        if (truthOf(joined, request) !== most(ta, tb)) throw new Error('or')
      } else if (truthOf({ ...a, ...b }, request) !== least(ta, tb)) throw new Error('and')
      for (const action of ['ALLOW', 'DENY'] as const)
        for (const rule of [a, b, { ...a, ...b }]) {
          const compiled = compile(action, rule)
          const query = new Query(request)
          if (matchesRule(compiled, query) !== (failedConditions(compiled, query).length === 0))
            throw new Error('explained')
        }
    }),
    runs,
  )
})
