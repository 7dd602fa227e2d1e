import t from 'tap'
import { parseSpiffeId } from '../../../src/identity/spiffe-id.ts'
import { type CompiledPolicy, compilePolicy, type PolicyInput } from '../../../src/policy/compile.ts'
import { decide } from '../../../src/policy/decide.ts'
import { resolveDestination } from '../../../src/policy/destinations.ts'
import type { RateLimit, ResolvedService } from '../../../src/policy/model.ts'
import { RateLimiter } from '../../../src/ratelimit/limiter.ts'
import { policyOf, requestOf, workload } from './reference.ts'

const everything = policyOf('ALLOW', [{}], 'everything')
const service: ResolvedService = {
  kind: 'Service',
  metadata: { namespace: 'shop', name: 'api' },
  spec: {
    hosts: [],
    ports: [{ port: 80, targetPort: 8080, protocol: 'auto' }],
    identities: [parseSpiffeId('spiffe://a.org/ns/shop/sa/api')],
    endpoints: [],
  },
}
const limit = { name: 'calls', key: 'all', requests: 1, perMs: 1000, burst: 1 } as const
const rateLimit: RateLimit = {
  kind: 'RateLimit',
  metadata: { namespace: 'shop', name: 'limits' },
  spec: { workloads: [], limits: [limit] },
}

function compile(part: Partial<PolicyInput>): ReturnType<typeof compilePolicy> {
  return compilePolicy({ workload, policies: [everything], limits: [], services: [service], ...part })
}

function allows(policy: CompiledPolicy): boolean {
  return decide(policy, requestOf({})).kind === 'permit'
}

function limited(policy: CompiledPolicy): boolean {
  return new RateLimiter(() => 0).check(policy.limits.of(requestOf({})), 'caller').limited
}

t.test('only what governs the workload counts', async (t) => {
  const deny = policyOf('DENY', [{}], 'deny')
  t.notOk(allows(compile({ policies: [everything, deny] }).policy))
  const elsewhere = { ...deny, metadata: { namespace: 'bank', name: 'deny' } }
  t.ok(allows(compile({ policies: [everything, elsewhere] }).policy))
  const other = { ...deny, spec: { ...deny.spec, workloads: ['other'] } }
  t.ok(allows(compile({ policies: [everything, other] }).policy))
  const named = { ...deny, spec: { ...deny.spec, workloads: ['other', 'web'] } }
  t.notOk(allows(compile({ policies: [everything, named] }).policy))
})

t.test('a broken ALLOW allows nothing', async (t) => {
  const broken = policyOf('ALLOW', [{}, { to: [{ paths: ['/ok', '/a//b'] }] }], 'broken')
  const { policy, violations } = compile({ policies: [broken] })
  t.notOk(allows(policy))
  t.match(violations, [
    {
      resource: { kind: 'AuthorizationPolicy', namespace: 'shop', name: 'broken' },
      field: 'spec.rules[1].to[0].paths[1]',
      code: 'path-pattern-not-normal',
    },
  ])
  t.ok(allows(compile({ policies: [broken, everything] }).policy), 'and closes nothing else')
})

t.test('a broken DENY denies everything and says so', async (t) => {
  const broken = policyOf('DENY', [{ from: [{ spiffeIds: ['spiffe://a.org/ns/a*/x'] }] }], 'broken')
  const { policy, violations } = compile({ policies: [everything, broken] })
  t.strictSame(decide(policy, requestOf({})), {
    kind: 'denial',
    code: 'policy-broken',
    detail: 'AuthorizationPolicy/shop/broken',
  })
  t.match(violations, [{ field: 'spec.rules[0].from[0].spiffeIds[0]', code: 'id-pattern-star' }])
  const elsewhere = { ...broken, spec: { ...broken.spec, workloads: ['other'] } }
  t.ok(allows(compile({ policies: [everything, elsewhere] }).policy), 'but of its own workloads only')
})

t.test('every value that is wrong is a violation', async (t) => {
  const policy = policyOf('DENY', [
    { from: [], to: [{}] },
    { from: [{ namespaces: ['A'], trustDomains: ['a/b'] }], to: [{ methods: ['get'], ports: [0], paths: [] }] },
  ])
  t.strictSame(
    compile({ policies: [policy] }).violations.map(({ field, code }) => [field, code]),
    [
      ['spec.rules[0].from', 'list-empty'],
      ['spec.rules[0].to[0]', 'entry-empty'],
      ['spec.rules[1].from[0].trustDomains[0]', 'spiffe-id-trust-domain-character'],
      ['spec.rules[1].from[0].namespaces[0]', 'name-malformed'],
      ['spec.rules[1].to[0].ports[0]', 'port-out-of-range'],
      ['spec.rules[1].to[0].paths', 'list-empty'],
      ['spec.rules[1].to[0].methods[0]', 'method-case'],
    ],
  )
})

t.test('a broken RateLimit limits to zero', async (t) => {
  t.notOk(limited(compile({ limits: [rateLimit] }).policy))
  const broken = { ...rateLimit, spec: { workloads: [], limits: [{ ...limit, requests: 0 }] } }
  const { policy, violations } = compile({ limits: [broken] })
  t.ok(limited(policy))
  t.match(violations, [
    { resource: { kind: 'RateLimit' }, field: 'spec.limits[0].requests', code: 'number-out-of-range' },
  ])
  t.notOk(limited(compile({ limits: [{ ...broken, spec: { ...broken.spec, workloads: ['other'] } }] }).policy))
})

t.test('what could not be read closes what it may govern', async (t) => {
  const metadata = { namespace: 'shop', name: 'api' }
  const without = (kind: string, action?: 'ALLOW' | 'DENY'): CompiledPolicy =>
    compile({ services: [], unreadable: [{ kind, metadata, ...(action === undefined ? {} : { action }) }] }).policy
  t.ok(allows(without('AuthorizationPolicy', 'ALLOW')))
  t.notOk(allows(without('AuthorizationPolicy', 'DENY')))
  t.notOk(allows(without('AuthorizationPolicy')))
  t.notOk(allows(without('Workload')))
  t.notOk(allows(without('ThreatFilter')), 'a kind of a later version may have been meant to deny')
  t.ok(limited(without('RateLimit')))
  t.ok(allows(without('RateLimit')))
  t.ok(allows(without('Service')))
  t.equal(resolveDestination(without('Service').destinations, 'api'), undefined)
})

t.test('what has not changed is taken over, and the policy in use stays as it was', async (t) => {
  const rules = ['/a', '/b', '/c'].map((path) => ({ to: [{ paths: [path] }] }))
  const many = policyOf('ALLOW', rules, 'many')
  const input = { policies: [many, policyOf('DENY', [{ to: [{ paths: ['/never'] }] }], 'never')], limits: [rateLimit] }
  const { policy: before } = compile(input)
  // As it comes over the wire: a copy, in which one rule is another one.
  const changed = policyOf('ALLOW', structuredClone(rules).with(1, { to: [{ paths: ['/d'] }] }), 'many')
  const { policy } = compilePolicy(
    {
      workload: structuredClone(workload),
      services: [service],
      limits: [rateLimit],
      policies: [input.policies[1]!, changed],
    },
    before,
  )
  for (const part of ['limits', 'destinations', 'revocations', 'authentication', 'external', 'schedule'] as const)
    t.equal(policy[part], before[part], part)
  t.equal(policy.rules.deny, before.rules.deny, 'an index without a change is the same')
  const [one, other] = [before.rules.allow.rules, policy.rules.allow.rules]
  t.same(
    other.map((rule, place) => rule === one[place]),
    [true, false, true],
    'rules are compiled again only where they differ',
  )
  const kinds = (of: CompiledPolicy): readonly string[] =>
    ['/a', '/b', '/c', '/d'].map((path) => decide(of, requestOf({ path })).kind)
  t.same(kinds(before), ['permit', 'permit', 'permit', 'denial'])
  t.same(kinds(policy), ['permit', 'denial', 'permit', 'permit'])

  const moved = { ...workload, metadata: { ...workload.metadata, namespace: 'bank' } }
  const elsewhere = compilePolicy({ workload: moved, services: [], limits: [], policies: input.policies }, policy)
  t.equal(elsewhere.policy.rules.allow.rules.length, 0, 'for another workload nothing of it counts')
})

t.test('a policy that breaks and is mended closes and opens again', async (t) => {
  const deny = policyOf('DENY', [{ to: [{ paths: ['/never'] }] }], 'deny')
  const broken = policyOf('DENY', [...deny.spec.rules, { to: [{ paths: ['no-slash'] }] }], 'deny')
  const first = compile({ policies: [everything, deny] })
  const input: PolicyInput = { workload, policies: [everything, broken], limits: [], services: [service] }
  const second = compilePolicy(input, first.policy)
  t.match(second.policy.closed, { code: 'policy-broken', detail: /deny/ })
  t.match(second.violations, [{ field: 'spec.rules[1].to[0].paths[0]', code: 'path-pattern-form' }])
  const again = compilePolicy(input, second.policy)
  t.strictSame(again.violations, second.violations, 'as long as it is broken it is told')
  const third = compilePolicy({ ...input, policies: [everything, deny] }, again.policy)
  t.equal(third.policy.closed, undefined)
  t.ok(allows(third.policy))
  t.match(decide(third.policy, requestOf({ path: '/never' })), { code: 'denied-by-rule' })
  t.equal(decide(second.policy, requestOf({})).kind, 'denial', 'the broken one is still broken')
})

t.test('two policies of one name are an error of the program', async (t) => {
  t.throws(() => compile({ policies: [everything, everything] }), { message: /two policies/ })
})
