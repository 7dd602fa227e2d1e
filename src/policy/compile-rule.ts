import type { TrustDomain } from '../identity/spiffe-id.ts'
import { compileCondition } from './compile/condition.ts'
import { compileOperations } from './compile/operation.ts'
import { SharedLists } from './compile/lists.ts'
import { type RuleScope, ruleScope } from './compile/scope.ts'
import { compileSource } from './compile/source.ts'
import type { Criterion } from './criterion.ts'
import { type AuthorizationPolicy, type AuthorizationRule, nameOf } from './model.ts'
import { parseEntries, type Violations } from './parse-list.ts'
import type { CompiledRule, Window } from './rule.ts'

/**
 * The rules of one policy for a workload of the trust domain `home`, each in its place. Errors are violations with fields below the
 * policy. `known` gives rules that need not be compiled again.
 */
export function compileRules(
  policy: AuthorizationPolicy,
  home: TrustDomain,
  violations: Violations,
  shared: SharedLists = new SharedLists(),
  known: (rule: AuthorizationRule, place: number) => CompiledRule | undefined = () => undefined,
): readonly CompiledRule[] {
  const { metadata, spec } = policy
  const scope = ruleScope(home, metadata.namespace, spec.action, violations, shared)
  const window = windowOf(policy)
  return spec.rules.map((rule, index) => known(rule, index) ?? compileRule(rule, index, policy, window, scope))
}

function compileRule(
  rule: AuthorizationRule,
  index: number,
  policy: AuthorizationPolicy,
  window: Window | undefined,
  scope: RuleScope,
): CompiledRule {
  const { violations, onUnknown, action, shared } = scope
  const place = `rules[${index}]`
  const field = `spec.${place}`
  const from = parseEntries(rule.from, `${field}.from`, violations, (source, at) => compileSource(source, at, scope))
  const to = compileOperations(rule.to, field, onUnknown, violations, shared)
  const conditions = parseEntries(rule.when, `${field}.when`, violations, (condition, at) =>
    compileCondition(condition, at.slice(`${field}.when[`.length, -1), at, scope),
  )
  const when = conditions?.filter((condition) => condition !== undefined) ?? noCriteria
  return {
    ref: { policy: nameOf(policy), rule: rule.name ?? place },
    place: index,
    action,
    from,
    to,
    when,
    window,
    unknown: rule.unknown === true && !onUnknown,
    checks: checksOf(from) + checksOf(to) + checksOf([{ criteria: when }]),
  }
}

const noCriteria: readonly Criterion[] = []

function windowOf({ spec: { notBeforeMs, notAfterMs } }: AuthorizationPolicy): Window | undefined {
  if (notBeforeMs === undefined && notAfterMs === undefined) return undefined
  return { fromMs: notBeforeMs ?? Number.NEGATIVE_INFINITY, toMs: notAfterMs ?? Number.POSITIVE_INFINITY }
}

function checksOf(entries: readonly { readonly criteria: readonly Criterion[] }[] = []): number {
  return entries.reduce((sum, { criteria }) => criteria.reduce((total, { checks }) => total + checks, sum + 1), 0)
}
