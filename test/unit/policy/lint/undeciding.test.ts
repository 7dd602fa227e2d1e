import * as fc from 'fast-check'
import t from 'tap'
import { parseSpiffeId } from '../../../../src/identity/spiffe-id.ts'
import { type CompiledPolicy, compilePolicy } from '../../../../src/policy/compile.ts'
import { decide } from '../../../../src/policy/decide.ts'
import { type DecisionRequest, ruleName } from '../../../../src/policy/decision.ts'
import { explain } from '../../../../src/policy/explain.ts'
import type { Action, AuthorizationPolicy, AuthorizationRule, ResolvedWorkload } from '../../../../src/policy/model.ts'
import { CoverIndex } from '../../../../src/policy/lint/cover-index.ts'
import { coversRule } from '../../../../src/policy/lint/covers.ts'
import { type LintCode, rulesOf, type SourceRule } from '../../../../src/policy/lint/finding.ts'
import { undeciding } from '../../../../src/policy/lint/undeciding.ts'
import { alike, anyRequest, policySet } from './language.ts'

const seed = Number(process.env['FUZZ_SEED'] ?? Date.now() % 2 ** 31)
console.log(`seed ${seed}`)

const workload: ResolvedWorkload = {
  kind: 'Workload',
  metadata: { namespace: 'x', name: 'web' },
  spec: { spiffeId: parseSpiffeId('spiffe://a.org/ns/x/sa/web') },
}
const NOW_MS = 1000

function compiled(policies: readonly AuthorizationPolicy[]): CompiledPolicy {
  const { policy, violations } = compilePolicy({ workload, policies, limits: [], services: [] })
  if (violations.length > 0) throw new Error(JSON.stringify(violations))
  return policy
}

function placed(policies: readonly AuthorizationPolicy[]): readonly SourceRule[] {
  return rulesOf(
    policies.map((resource) => ({
      file: 'set.yaml',
      document: { value: resource, locate: () => ({ line: 1, column: 1 }) },
      resource,
    })),
  )
}

function findingsOf(policies: readonly AuthorizationPolicy[]): ReadonlyMap<string, LintCode> {
  return new Map(undeciding(placed(policies), NOW_MS).map(({ rule, code }) => [rule!, code]))
}

function without(policies: readonly AuthorizationPolicy[], names: ReadonlySet<string>): readonly AuthorizationPolicy[] {
  return policies.map((policy) => ({
    ...policy,
    spec: {
      ...policy.spec,
      rules: policy.spec.rules.filter(
        ({ name }) => !names.has(`${policy.metadata.namespace}/${policy.metadata.name}/${name}`),
      ),
    },
  }))
}

t.test('a rule that is reported decides nothing, and can be taken out', async (t) => {
  const seen = new Map<LintCode, number>()
  let decisions = 0
  fc.assert(
    fc.property(policySet, fc.array(anyRequest, { minLength: 12, maxLength: 12 }), (policies, requests) => {
      const findings = findingsOf(policies)
      for (const code of findings.values()) seen.set(code, (seen.get(code) ?? 0) + 1)
      if (findings.size === 0) return true
      const whole = compiled(policies)
      const rest = compiled(without(policies, new Set(findings.keys())))
      const oneLess = [...findings.keys()].map((name) => compiled(without(policies, new Set([name]))))
      for (const request of requests) {
        decisions += 1
        const decision = decide(whole, request)
        for (const fewer of [rest, ...oneLess]) {
          const after = decide(fewer, request)
          if (after.kind !== decision.kind || after.shadow?.kind !== decision.shadow?.kind) return false
        }
        const named = decision.rule === undefined ? undefined : findings.get(ruleName(decision.rule))
        if (named !== undefined && named !== 'rule-shadowed') return false
      }
      return true
    }),
    { seed, numRuns: 2000 },
  )
  t.comment(`${decisions} decisions, findings: ${JSON.stringify(Object.fromEntries(seen))}`)
  for (const code of ['rule-dead', 'policy-expired', 'rule-denied', 'rule-shadowed'] as const)
    t.ok((seen.get(code) ?? 0) > 20, `${code} occurs`)
})

t.test('the index hides no rule that covers another', async (t) => {
  let covering = 0
  fc.assert(
    fc.property(policySet, (policies) => {
      const rules = placed(policies)
      const index = new CoverIndex(rules)
      return rules.every((narrow) => {
        const candidates = new Set(index.mayCover(narrow))
        return rules.every((wide) => {
          if (wide === narrow || !coversRule(wide, narrow)) return true
          covering += 1
          return candidates.has(wide)
        })
      })
    }),
    { seed, numRuns: 2000 },
  )
  t.ok(covering > 500, `${covering} pairs`)
})

/** A policy of one rule, whose name is its own. */
function policyOf(action: Action, name: string, rule: AuthorizationRule): AuthorizationPolicy {
  return {
    kind: 'AuthorizationPolicy',
    metadata: { namespace: 'x', name },
    spec: { workloads: [], action, rules: [{ name: 'r', ...rule }] },
  }
}

t.test('a rule that covers another matches whenever that one does', async (t) => {
  let matched = 0
  fc.assert(
    fc.property(
      alike,
      fc.constantFrom<readonly [Action, Action]>(['ALLOW', 'ALLOW'], ['DENY', 'DENY'], ['DENY', 'ALLOW']),
      fc.array(anyRequest, { minLength: 10, maxLength: 10 }),
      ([wide, narrow], [wideAction, narrowAction], requests) => {
        const policies = [policyOf(wideAction, 'wide', wide), policyOf(narrowAction, 'narrow', narrow)] as const
        const [first, second] = placed(policies)
        if (!coversRule(first!, second!)) return true
        const matches = policies.map((policy) => {
          const whole = compiled([policy])
          return (request: DecisionRequest): boolean => explain(whole, request).steps.some((step) => step.matched)
        })
        return requests.every((request) => {
          if (!matches[1]!(request)) return true
          matched += 1
          return matches[0]!(request)
        })
      },
    ),
    { seed, numRuns: 12_000 },
  )
  t.ok(matched > 1000, `${matched} matches`)
})

t.test('a rule that contradicts itself matches nothing', async (t) => {
  let dead = 0
  fc.assert(
    fc.property(
      alike,
      fc.constantFrom<Action>('ALLOW', 'DENY', 'AUDIT'),
      fc.array(anyRequest, { minLength: 10, maxLength: 10 }),
      ([rule], action, requests) => {
        const policies = [policyOf(action, 'p', rule)]
        if (findingsOf(policies).size === 0) return true
        dead += 1
        const whole = compiled(policies)
        return requests.every((request) => explain(whole, request).steps.every((step) => !step.matched))
      },
    ),
    { seed, numRuns: 12_000 },
  )
  t.ok(dead > 100, `${dead} dead rules`)
})
