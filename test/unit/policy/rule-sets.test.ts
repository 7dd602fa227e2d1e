import * as fc from 'fast-check'
import t from 'tap'
import { type CompiledPolicy, compilePolicy } from '../../../src/policy/compile.ts'
import { compileRules } from '../../../src/policy/compile-rule.ts'
import { decide, MAX_AUDITS } from '../../../src/policy/decide.ts'
import type { Decision, DecisionRequest, RuleRef } from '../../../src/policy/decision.ts'
import { explain } from '../../../src/policy/explain.ts'
import { trustDomainOf } from '../../../src/identity/spiffe-id.ts'
import type { AuthorizationPolicy, Violation } from '../../../src/policy/model.ts'
import { Query } from '../../../src/policy/query.ts'
import { type CompiledRule, matchesRule } from '../../../src/policy/rule.ts'
import { anyRequest, policyNamed, policyNames, policySet } from './generated.ts'
import { workload } from './reference.ts'

const seed = Number(process.env['FUZZ_SEED'] ?? Date.now() % 2 ** 31)
console.log(`seed ${seed}`)
const runs = { seed, numRuns: 400 }
const home = trustDomainOf(workload.spec.spiffeId)

function compiled(policies: readonly AuthorizationPolicy[], before?: CompiledPolicy): CompiledPolicy {
  const { policy, violations } = compilePolicy({ workload, policies, limits: [], services: [] }, before)
  if (violations.length > 0) throw new Error(JSON.stringify(violations))
  return policy
}

interface Matches {
  readonly deny: readonly string[]
  readonly allow: readonly string[]
  readonly audit: readonly string[]
  readonly trialDeny: readonly string[]
  readonly trialAllow: readonly string[]
}

const textOf = ({ policy, rule }: RuleRef): string => `${policy.name}/${rule}`

/** All rules that match, found by asking each of them: without any index. */
function matchesOf(policies: readonly AuthorizationPolicy[], request: DecisionRequest): Matches {
  const query = new Query(request)
  const found = { deny: [], allow: [], audit: [], trialDeny: [], trialAllow: [] } as Record<keyof Matches, string[]>
  for (const policy of policies) {
    const violations: Violation[] = []
    const { action, dryRun = false } = policy.spec
    const key =
      action === 'AUDIT'
        ? 'audit'
        : action === 'DENY'
          ? dryRun
            ? 'trialDeny'
            : 'deny'
          : dryRun
            ? 'trialAllow'
            : 'allow'
    for (const rule of compileRules(policy, home, violations))
      if (matchesRule(rule, query)) found[key].push(textOf(rule.ref))
  }
  return found
}

/** What is wrong with a decision, by the rules that match. */
function faultOf(decision: Decision, { deny, allow, audit, trialDeny, trialAllow }: Matches): string | undefined {
  const permitted = deny.length === 0 && allow.length > 0
  if ((decision.kind === 'permit') !== permitted) return 'another decision'
  if (decision.rule !== undefined && !(permitted ? allow : deny).includes(textOf(decision.rule))) return 'another rule'
  if (deny.length > 0 !== (decision.kind === 'denial' && decision.code === 'denied-by-rule')) return 'another code'
  const audits = decision.audits?.map(textOf) ?? []
  if (audits.length !== Math.min(audit.length, MAX_AUDITS)) return `audits ${audits.join()}, not ${audit.join()}`
  if (new Set([...audit, ...audits]).size !== audit.length) return 'an audit rule that does not match'
  const whole = deny.length === 0 && trialDeny.length === 0 && allow.length + trialAllow.length > 0
  const shadow = decision.shadow?.kind
  if (whole === permitted ? shadow !== undefined : shadow !== (whole ? 'permit' : 'denial')) return `shadow ${shadow}`
  const shown = decision.shadow?.rule
  if (shown !== undefined && !(whole ? trialAllow : trialDeny).includes(textOf(shown))) return 'another shadow rule'
  return undefined
}

const requests = fc.array(anyRequest, { minLength: 1, maxLength: 8 })

t.test('the index finds what a look at every rule finds', async () => {
  fc.assert(
    fc.property(policySet, requests, (policies, requests) => {
      const policy = compiled(policies)
      for (const request of requests) {
        const fault = faultOf(decide(policy, request), matchesOf(policies, request))
        if (fault !== undefined) throw new Error(`${fault}: ${JSON.stringify(request)}`)
      }
    }),
    runs,
  )
})

t.test('explain decides what decide decides, and says the truth about each rule', async () => {
  fc.assert(
    fc.property(policySet, requests, (policies, requests) => {
      const policy = compiled(policies)
      for (const request of requests) {
        const { decision, steps, omitted } = explain(policy, request)
        const decided = decide(policy, request)
        if (JSON.stringify(decision) !== JSON.stringify(decided)) throw new Error('another decision')
        if (omitted !== 0 || steps.length !== policies.reduce((sum, { spec }) => sum + spec.rules.length, 0))
          throw new Error(`${steps.length} steps, ${omitted} omitted`)
        const matches = new Set(Object.values(matchesOf(policies, request)).flat())
        for (const step of steps) {
          const text = textOf(step)
          if (step.matched !== matches.has(text)) throw new Error(`${text}: matched ${step.matched}`)
          if (step.matched !== (step.failed.length === 0)) throw new Error(`${text}: failed ${step.failed.join()}`)
          if (!step.inForce && step.matched) throw new Error(`${text}: matched, and not in force`)
        }
        const named = [decided.rule, decided.shadow?.rule, ...(decided.audits ?? [])].filter((ref) => ref !== undefined)
        for (const ref of named) {
          const step = steps.find((one) => textOf(one) === textOf(ref))
          if (step?.considered !== true || !step.matched) throw new Error(`${textOf(ref)} was not considered`)
        }
      }
    }),
    runs,
  )
})

t.test(
  'one more DENY never allows more, one ALLOW less never allows more, an AUDIT or dry run changes nothing',
  async () => {
    const permits = (policies: readonly AuthorizationPolicy[], request: DecisionRequest): boolean =>
      decide(compiled(policies), request).kind === 'permit'
    const added = policyNamed('added')
    fc.assert(
      fc.property(policySet, added, anyRequest, (policies, more, request) => {
        const before = permits(policies, request)
        const withSpec = (spec: Partial<AuthorizationPolicy['spec']>): boolean =>
          permits([...policies, { ...more, spec: { ...more.spec, ...spec } }], request)
        const { dryRun: _, ...spec } = more.spec
        if (permits([...policies, { ...more, spec: { ...spec, action: 'DENY' } }], request) && !before)
          throw new Error('a DENY allowed')
        if (withSpec({ action: 'AUDIT' }) !== before) throw new Error('an AUDIT decided')
        if (withSpec({ dryRun: true }) !== before) throw new Error('a dry run decided')
        for (const removed of policies) {
          if (removed.spec.action !== 'ALLOW') continue
          if (
            permits(
              policies.filter((policy) => policy !== removed),
              request,
            ) &&
            !before
          )
            throw new Error('a removal allowed')
        }
      }),
      runs,
    )
  },
)

function isRule(value: object): value is CompiledRule {
  return 'ref' in value && 'place' in value
}

/** What is in an index, without who made it, and rules by their names. */
function shape(value: unknown): unknown {
  if (value instanceof Map)
    return Array.from(value, ([key, item]) => [String(key), shape(item)]).toSorted(([a], [b]) =>
      String(a) < String(b) ? -1 : 1,
    )
  if (Array.isArray(value)) return value.map(shape)
  if (typeof value !== 'object' || value === null) return value
  if (isRule(value)) return `${textOf(value.ref)} ${value.place}`
  if ('rule' in value && 'operation' in value) return [shape(value.rule), value.operation]
  const members = Object.entries(value).filter(([name, item]) => name !== 'edit' && item !== undefined)
  return Object.fromEntries(members.map(([name, item]) => [name, shape(item)]))
}

t.test('edits, however many, make what is made anew; a policy in use stays as it was', async () => {
  const edit = fc.oneof(
    { weight: 3, arbitrary: fc.constantFrom(...policyNames).chain(policyNamed) },
    { weight: 1, arbitrary: fc.constantFrom(...policyNames) },
    // One rule is changed, the others stay.
    { weight: 2, arbitrary: fc.tuple(fc.constantFrom(...policyNames), fc.nat(3), policyNamed('other')) },
  )
  fc.assert(
    fc.property(fc.array(fc.array(edit, { maxLength: 3 }), { maxLength: 8 }), requests, (batches, requests) => {
      const held = new Map<string, AuthorizationPolicy>()
      const versions: { readonly policy: CompiledPolicy; readonly shape: string; readonly decisions: string }[] = []
      const told = (policy: CompiledPolicy): string =>
        JSON.stringify(requests.map((request) => decide(policy, request)))
      let policy = compiled([])
      for (const batch of batches) {
        for (const change of batch) {
          if (typeof change === 'string') held.delete(change)
          else if ('kind' in change) held.set(change.metadata.name, change)
          else {
            const [name, place, { spec }] = change
            const old = held.get(name)
            const rule = spec.rules[0]
            if (old === undefined || rule === undefined || place >= old.spec.rules.length) continue
            const { name: _, ...unnamed } = rule
            // A copy, as it would come over the wire.
            const rules = structuredClone(old.spec.rules).with(place, unnamed)
            held.set(name, { ...old, spec: { ...old.spec, rules } })
          }
        }
        policy = compiled([...held.values()], policy)
        const fresh = compiled([...held.values()])
        const decisions = told(policy)
        if (decisions !== told(fresh)) throw new Error('decides in another way')
        const shapes = JSON.stringify(shape(policy.rules))
        if (shapes !== JSON.stringify(shape(fresh.rules))) throw new Error('is made in another way')
        if (JSON.stringify(policy.schedule) !== JSON.stringify(fresh.schedule)) throw new Error('another schedule')
        versions.push({ policy, shape: shapes, decisions })
      }
      for (const version of versions)
        if (JSON.stringify(shape(version.policy.rules)) !== version.shape || told(version.policy) !== version.decisions)
          throw new Error('a policy that was in use changed')
      if (JSON.stringify(shape(compiled([], policy).rules)) !== JSON.stringify(shape(compiled([]).rules)))
        throw new Error('something is left')
    }),
    { seed, numRuns: 200 },
  )
})
