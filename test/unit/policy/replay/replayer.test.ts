import * as fc from 'fast-check'
import t from 'tap'
import { parseSpiffeId } from '../../../../src/identity/spiffe-id.ts'
import { compilePolicy } from '../../../../src/policy/compile.ts'
import { decide } from '../../../../src/policy/decide.ts'
import type { DecisionRequest } from '../../../../src/policy/decision.ts'
import type { Action, AuthorizationPolicy, AuthorizationRule, Workload } from '../../../../src/policy/model.ts'
import { Groups, MAX_GROUPS } from '../../../../src/policy/replay/groups.ts'
import { Replayer } from '../../../../src/policy/replay/replayer.ts'
import type { Unrecorded } from '../../../../src/policy/replay/unrecorded.ts'
import type { ResourceSet } from '../../../../src/policy/resource-set.ts'
import { alike, anyRequest, policySet } from '../lint/language.ts'

const seed = Number(process.env['FUZZ_SEED'] ?? Date.now() % 2 ** 31)
console.log(`seed ${seed}`)

const workload: Workload = {
  kind: 'Workload',
  metadata: { namespace: 'x', name: 'web' },
  spec: { spiffeId: parseSpiffeId('spiffe://a.org/ns/x/sa/web'), selectors: [], dnsNames: [], upstreams: [] },
}

function setOf(policies: readonly AuthorizationPolicy[]): ResourceSet {
  return {
    sources: policies.map((resource) => ({
      file: 'set.yaml',
      document: { value: resource, locate: () => ({ line: 1, column: 1 }) },
      resource,
    })),
    workloads: [workload],
    find: () => undefined,
    workload: () => workload,
    workloadOf: (id) => (id === workload.spec.spiffeId ? workload : undefined),
  }
}

const everything: Unrecorded = {
  host: false,
  address: false,
  sni: false,
  user: false,
  claims: false,
  headers: new Set(['t', 'cookie', 'content-type']),
}

/** What a record with these gaps keeps of a request. */
function recorded(request: DecisionRequest, gaps: Unrecorded): DecisionRequest {
  const { headers = [], user } = request
  const isGrpc = headers.includes('application/grpc')
  const kept = headers.flatMap((name, index) =>
    index % 2 === 0 && gaps.headers?.has(name) === true ? [name, headers[index + 1]!] : [],
  )
  return {
    ...request,
    host: gaps.host ? undefined : request.host,
    address: gaps.address ? undefined : request.address,
    sni: gaps.sni ? undefined : request.sni,
    headers:
      isGrpc && gaps.headers?.has('content-type') !== true ? [...kept, 'content-type', 'application/grpc'] : kept,
    user: gaps.user
      ? { tokens: [], apiKey: undefined }
      : {
          tokens: (user?.tokens ?? []).map((token) => (gaps.claims ? { ...token, claims: {} } : token)),
          apiKey: user?.apiKey,
        },
  }
}

const gaps: fc.Arbitrary<Unrecorded> = fc.record(
  {
    host: fc.boolean(),
    address: fc.boolean(),
    sni: fc.boolean(),
    user: fc.boolean(),
    claims: fc.boolean(),
    headers: fc.subarray(['t', 'cookie', 'content-type']).map((names) => new Set(names)),
  },
  { noNullPrototype: true },
)

function policyOf(action: Action, name: string, rules: readonly AuthorizationRule[]): AuthorizationPolicy {
  return { kind: 'AuthorizationPolicy', metadata: { namespace: 'x', name }, spec: { workloads: [], action, rules } }
}

/** An ALLOW policy of one rule, or a DENY policy of one where everything else is allowed: each decision hangs on that rule. */
const oneRule: fc.Arbitrary<AuthorizationPolicy[]> = fc
  .tuple(alike, fc.boolean())
  .map(([[rule], denies]) =>
    denies ? [policyOf('ALLOW', 'all', [{}]), policyOf('DENY', 'p', [rule])] : [policyOf('ALLOW', 'p', [rule])],
  )

t.test('what is not written down is never guessed: a decision is that of the whole request', async (t) => {
  for (const [name, sets, numRuns] of [
    ['many rules', policySet, 2000],
    ['one rule', oneRule, 6000],
  ] as const) {
    const counts = { decided: 0, undecidable: 0 }
    fc.assert(
      fc.property(sets, fc.array(anyRequest, { minLength: 8, maxLength: 8 }), gaps, (policies, requests, gaps) => {
        const { policy } = compilePolicy({ workload, policies, limits: [], services: [] })
        const replayer = new Replayer(setOf(policies))
        return requests.every((request) => {
          const tcp = request.method === undefined
          const replayed = replayer.decide({
            workload: workload.spec.spiffeId,
            request: recorded(request, gaps),
            unrecorded: tcp ? { ...gaps, user: false, claims: false, headers: undefined } : gaps,
          })
          if (replayed.outcome === 'undecidable') {
            counts.undecidable += 1
            return true
          }
          counts.decided += 1
          return (decide(policy, request).kind === 'permit') === (replayed.outcome === 'allow')
        })
      }),
      { seed, numRuns },
    )
    t.comment(`${name}: ${counts.decided} decided, ${counts.undecidable} undecidable`)
    t.ok(counts.decided > 1000 && counts.undecidable > 200)
  }
})

t.test('with everything written down only expressions stay open', async (t) => {
  let open = 0
  fc.assert(
    fc.property(policySet, anyRequest, (policies, request) => {
      const { outcome } = new Replayer(setOf(policies)).decide({
        workload: workload.spec.spiffeId,
        request,
        unrecorded: everything,
      })
      if (outcome !== 'undecidable') return true
      open += 1
      return policies.some(({ spec }) => spec.rules.some(({ when }) => when?.some((one) => 'cel' in one)))
    }),
    { seed, numRuns: 2000 },
  )
  t.comment(`${open} open`)
})

t.test('a callee that the set does not know is undecidable', async (t) => {
  const replayed = new Replayer(setOf([])).decide({
    workload: parseSpiffeId('spiffe://a.org/ns/x/sa/gone'),
    request: { principal: { kind: 'anonymous', why: 'plaintext-port' }, method: 'GET', path: '/', port: 80 },
    unrecorded: everything,
  })
  t.match(replayed, { outcome: 'undecidable', because: 'no Workload has the identity of the callee' })
})

t.test('groups are bounded', async (t) => {
  const groups = new Groups<number>()
  for (let index = 0; index < MAX_GROUPS + 5; index += 1) groups.add([`g${index}`], () => index)
  groups.add(['g7'], () => -1)
  t.equal(groups.list.length, MAX_GROUPS)
  t.equal(groups.others, 5)
  t.match(groups.list[0], { key: ['g7'], count: 2, example: 7 }, 'the largest first, with its first example')
})
