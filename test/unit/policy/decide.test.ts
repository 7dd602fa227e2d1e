import * as fc from 'fast-check'
import t from 'tap'
import { closedPolicy } from '../../../src/policy/closed.ts'
import { type CompiledPolicy, compilePolicy } from '../../../src/policy/compile.ts'
import { decide } from '../../../src/policy/decide.ts'
import type { DecisionRequest } from '../../../src/policy/decision.ts'
import type { AuthorizationPolicy, AuthorizationRule } from '../../../src/policy/model.ts'
import { connection, permits, policies, policyOf, request, requestOf, ruleMatches, workload } from './reference.ts'

const seed = Number(process.env['FUZZ_SEED'] ?? Date.now() % 2 ** 31)
console.log(`seed ${seed}`)
const runs = { seed, numRuns: 1500 }

function compiled(list: readonly AuthorizationPolicy[]): CompiledPolicy {
  const { policy, violations } = compilePolicy({ workload, policies: list, limits: [], services: [] })
  if (violations.length > 0) throw new Error(JSON.stringify(violations))
  return policy
}

const byApi: AuthorizationRule = {
  name: 'api-reads',
  from: [{ spiffeIds: ['spiffe://a.org/ns/shop/sa/api'] }],
  to: [{ methods: ['GET'], paths: ['/items/{*}'], ports: [8080] }],
}

t.test('denied unless allowed', async (t) => {
  t.match(decide(compiled([]), requestOf({})), { kind: 'denial', code: 'no-allow-rule', nearest: undefined })
  t.match(decide(compiled([policyOf('ALLOW', [])]), requestOf({})), { kind: 'denial', code: 'no-allow-rule' })
  t.match(decide(compiled([policyOf('ALLOW', [{}])]), requestOf({})), { kind: 'permit' })
})

t.test('the decision names its rule', async (t) => {
  const policy = compiled([
    policyOf('ALLOW', [{ to: [{ methods: ['POST'] }] }, byApi], 'open'),
    policyOf('DENY', [{ to: [{ paths: ['/items/secret'] }] }], 'shut'),
  ])
  const open = { kind: 'AuthorizationPolicy', namespace: 'shop', name: 'open' }
  t.match(decide(policy, requestOf({ path: '/items/1' })), {
    kind: 'permit',
    rule: { policy: open, rule: 'api-reads' },
  })
  t.match(decide(policy, requestOf({ method: 'POST' })), { kind: 'permit', rule: { policy: open, rule: 'rules[0]' } })
  t.match(decide(policy, requestOf({ path: '/items/secret' })), {
    kind: 'denial',
    code: 'denied-by-rule',
    rule: { policy: { ...open, name: 'shut' }, rule: 'rules[0]' },
  })
})

t.test('a denial names the nearest ALLOW rule and what failed', async (t) => {
  const policy = compiled([policyOf('ALLOW', [{ to: [{ methods: ['PUT'], ports: [1] }] }, byApi])])
  const cases = [
    [{ path: '/items/1', id: 'spiffe://a.org/ns/shop/sa/other' }, 'from.spiffeIds'],
    [{ path: '/items/1', method: 'POST' }, 'to.methods'],
    [{ path: '/items' }, 'to.paths'],
    [{ path: '/items/1', port: 81 }, 'to.ports'],
  ] as const
  for (const [part, failed] of cases)
    t.match(decide(policy, requestOf(part)), {
      kind: 'denial',
      code: 'no-allow-rule',
      nearest: { rule: { rule: 'api-reads' }, failed },
    })
})

t.test('a closed policy denies everything and says why', async (t) => {
  t.strictSame(decide(closedPolicy('no policy received yet'), requestOf({})), {
    kind: 'denial',
    code: 'policy-missing',
    detail: 'no policy received yet',
  })
})

t.test('an anonymous caller matches rules without `from` only', async (t) => {
  const anonymous = { ...requestOf({}), principal: { kind: 'anonymous', why: 'plaintext-port' } } as const
  t.match(decide(compiled([policyOf('ALLOW', [{ to: [{ methods: ['GET'] }] }])]), anonymous), { kind: 'permit' })
  t.match(decide(compiled([policyOf('ALLOW', [{ from: [{ trustDomains: ['a.org'] }] }])]), anonymous), {
    kind: 'denial',
  })
})

t.test('a namespace is one of the own trust domain unless the rule names another', async (t) => {
  const foreign = requestOf({ id: 'spiffe://b.org/ns/shop/sa/api' })
  const own = compiled([policyOf('ALLOW', [{ from: [{ namespaces: ['shop'] }] }])])
  t.match(decide(own, requestOf({})), { kind: 'permit' })
  t.match(decide(own, foreign), { kind: 'denial', nearest: { failed: 'from.namespaces' } })
  const federated = compiled([policyOf('ALLOW', [{ from: [{ namespaces: ['shop'], trustDomains: ['b.org'] }] }])])
  t.match(decide(federated, requestOf({})), { kind: 'denial' })
  t.match(decide(federated, foreign), { kind: 'permit' })
})

t.test('a rule too wide to be filed everywhere is found all the same', async (t) => {
  const ids = Array.from({ length: 300 }, (_, index) => `spiffe://a.org/ns/shop/sa/s${index}`)
  const paths = Array.from({ length: 300 }, (_, index) => `/p${index}`)
  const ports = Array.from({ length: 300 }, (_, index) => index + 1)
  const policy = compiled([policyOf('ALLOW', [{ from: [{ spiffeIds: ids }], to: [{ paths, ports }] }])])
  t.match(decide(policy, requestOf({ id: ids[299]!, path: '/p299', port: 300 })), { kind: 'permit' })
  t.match(decide(policy, requestOf({ id: ids[0]!, path: '/p0', port: 301 })), { nearest: { failed: 'to.ports' } })
  t.match(decide(policy, requestOf({ path: '/p0', port: 1 })), { nearest: { failed: 'from.spiffeIds' } })
})

t.test('a TCP connection: conditions on methods and paths are false in ALLOW and true in DENY', async (t) => {
  const tcp = requestOf({ ...connection, port: 5432 })
  const decisions = (rule: AuthorizationRule): readonly unknown[] => [
    decide(compiled([policyOf('ALLOW', [rule])]), tcp).kind,
    decide(compiled([policyOf('ALLOW', [{}], 'all'), policyOf('DENY', [rule])]), tcp).kind,
  ]
  const cases: readonly [AuthorizationRule, 'matches' | 'matches not' | 'matches in DENY'][] = [
    [{}, 'matches'],
    [{ to: [{ ports: [5432] }] }, 'matches'],
    [{ to: [{ ports: [1] }] }, 'matches not'],
    [{ to: [{ methods: ['GET'] }] }, 'matches in DENY'],
    [{ to: [{ methods: ['CONNECT'] }] }, 'matches in DENY'],
    [{ to: [{ paths: ['*'] }] }, 'matches in DENY'],
    [{ to: [{ paths: ['/x'], methods: ['GET'], ports: [5432] }] }, 'matches in DENY'],
    [{ to: [{ paths: ['/x'], ports: [1] }] }, 'matches not'],
    [{ to: [{ paths: ['/x'] }, { ports: [5432] }] }, 'matches'],
    [{ from: [{ namespaces: ['bank'] }], to: [{ paths: ['/x'] }] }, 'matches not'],
    [{ from: [{ namespaces: ['shop'] }], to: [{ ports: [5432] }] }, 'matches'],
  ]
  for (const [rule, expected] of cases) {
    const allowed = expected === 'matches' ? 'permit' : 'denial'
    const denied = expected === 'matches not' ? 'permit' : 'denial'
    t.same(decisions(rule), [allowed, denied], JSON.stringify(rule))
  }
  t.match(decide(compiled([policyOf('ALLOW', [byApi])]), requestOf(connection)), {
    kind: 'denial',
    code: 'no-allow-rule',
    nearest: { rule: { rule: 'api-reads' }, failed: 'to.paths' },
  })
  t.match(decide(closedPolicy('none'), tcp), { code: 'policy-missing' })
})

t.test('agrees with the meaning of the policies, and names a rule that matches', async () => {
  fc.assert(
    fc.property(policies, fc.array(request, { minLength: 1, maxLength: 10 }), (list, requests) => {
      const policy = compiled(list)
      for (const request of requests) {
        const decision = decide(policy, request)
        if ((decision.kind === 'permit') !== permits(list, request)) throw new Error(JSON.stringify(request))
        if (decision.rule === undefined) continue
        const { policy: named, rule } = decision.rule
        const found = list.find(({ metadata }) => metadata.name === named.name)!
        if (
          !ruleMatches(
            found.spec.rules[Number(/\d+/.exec(rule)![0])]!,
            found.spec.action === 'DENY' ? 'DENY' : 'ALLOW',
            request,
          )
        )
          throw new Error(`names ${named.name} ${rule}, which does not match`)
      }
    }),
    runs,
  )
})

function permitted(list: readonly AuthorizationPolicy[], request: DecisionRequest): boolean {
  return decide(compiled(list), request).kind === 'permit'
}

t.test('one more DENY never allows more, one ALLOW less never allows more', async () => {
  fc.assert(
    fc.property(policies, policies, request, (list, more, request) => {
      const denies = more.map((policy) => policyOf('DENY', policy.spec.rules, `x${policy.metadata.name}`))
      if (permitted([...list, ...denies], request) && !permitted(list, request)) throw new Error('DENY allowed')
      for (const removed of list) {
        if (removed.spec.action !== 'ALLOW') continue
        const fewer = list.filter((policy) => policy !== removed)
        if (permitted(fewer, request) && !permitted(list, request)) throw new Error('removal allowed')
      }
    }),
    runs,
  )
})

t.test('the order of policies does not change the answer', async () => {
  fc.assert(
    fc.property(policies, request, (list, request) => {
      const one = decide(compiled(list), request)
      const other = decide(compiled(list.toReversed()), request)
      if (JSON.stringify(one) !== JSON.stringify(other)) throw new Error('differs')
    }),
    runs,
  )
})
