import type { CompiledPolicy } from './compile.ts'
import { judge } from './decide.ts'
import type { Decision, DecisionRequest, FailedCondition, RuleRef } from './decision.ts'
import type { Action } from './model.ts'
import { Query } from './query.ts'
import { type CompiledRule, failedConditions, isInForce, matchesRule } from './rule.ts'
import type { RuleSets } from './rule-sets.ts'

/** One rule, held against a request. */
export interface ExplanationStep extends RuleRef {
  readonly action: Action
  /** Of a policy that is only a dry run: it decides nothing. */
  readonly dryRun: boolean
  /** False: the time is outside of its policy's `notBefore` and `notAfter`, and it is as if the rule did not exist. */
  readonly inForce: boolean
  /** Whether all its conditions hold; what is unknown counts as its action wants it. */
  readonly matched: boolean
  /** The conditions that do not hold, of the entries that come closest: `from.namespaces`, `to.paths`, `when[0]`. */
  readonly failed: readonly FailedCondition[]
  /** Whether the decision had to look at it; if not, the index had ruled it out or another rule had decided before. */
  readonly considered: boolean
}

/** A decision with the rules that it was made by. Plain data. */
export interface Explanation {
  readonly decision: Decision
  /** First those that were considered, in that order; then others: DENY, ALLOW, AUDIT, dry runs, each in the order of policies. */
  readonly steps: readonly ExplanationStep[]
  /** Rules that are not among the steps, because there are too many. */
  readonly omitted: number
}

/** Most steps of an explanation. */
export const MAX_STEPS = 1000

/** What `decide` decides, by the same code, and why. At most `most` steps, `MAX_STEPS` when not given. */
export function explain(policy: CompiledPolicy, request: DecisionRequest, most: number = MAX_STEPS): Explanation {
  const query = new Query(request)
  const considered = new Set<CompiledRule>()
  const decision = judge(policy, query, (rule) => considered.add(rule))
  const steps: ExplanationStep[] = []
  const all = [...considered, ...rulesOf(policy.rules)]
  const { trialDeny, trialAllow } = policy.rules
  const trial = new Set([...trialDeny.rules, ...trialAllow.rules])
  const told = new Set<CompiledRule>()
  for (const rule of all) {
    if (told.has(rule) || steps.length >= most) continue
    told.add(rule)
    steps.push(stepOf(rule, query, trial.has(rule), considered.has(rule)))
  }
  const total = Object.values(policy.rules).reduce((sum, { rules }) => sum + rules.length, 0)
  return { decision, steps, omitted: total - steps.length }
}

function* rulesOf({ deny, allow, audit, trialDeny, trialAllow }: RuleSets): Generator<CompiledRule> {
  for (const { rules } of [deny, allow, audit, trialDeny, trialAllow]) yield* rules
}

function stepOf(rule: CompiledRule, query: Query, dryRun: boolean, considered: boolean): ExplanationStep {
  const { ref, action, window } = rule
  return {
    ...ref,
    action,
    dryRun,
    inForce: window === undefined || isInForce(window, query.nowMs),
    matched: matchesRule(rule, query),
    failed: failedConditions(rule, query),
    considered,
  }
}
