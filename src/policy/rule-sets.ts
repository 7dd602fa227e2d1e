import type { TrustDomain } from '../identity/spiffe-id.ts'
import { SharedLists } from './compile/lists.ts'
import { compileRules } from './compile-rule.ts'
import {
  type AuthorizationPolicy,
  type AuthorizationRule,
  nameOf,
  resourceKey,
  type ResourceViolation,
  type Violation,
} from './model.ts'
import type { CompiledRule } from './rule.ts'
import { RuleIndex } from './rule-index.ts'
import { isSameRule } from './same-rules.ts'
import { isTimed } from './schedule.ts'

/** Rules by what they do. Dry runs of AUDIT rules are AUDIT rules: these never decide. */
export interface RuleSets {
  readonly deny: RuleIndex
  readonly allow: RuleIndex
  readonly audit: RuleIndex
  /** Of policies that are only a dry run. */
  readonly trialDeny: RuleIndex
  readonly trialAllow: RuleIndex
}

type SetName = keyof RuleSets

export const noRules: RuleSets = {
  deny: RuleIndex.empty,
  allow: RuleIndex.empty,
  audit: RuleIndex.empty,
  trialDeny: RuleIndex.empty,
  trialAllow: RuleIndex.empty,
}

/** One policy. */
interface PolicyRules {
  readonly policy: AuthorizationPolicy
  /** In their places; none when one of them could not be compiled. */
  readonly rules: readonly CompiledRule[]
  readonly violations: readonly ResourceViolation[]
  readonly isTimed: boolean
}

/** All policies that govern a workload, by name. */
export interface CompiledPolicies {
  readonly byName: ReadonlyMap<string, PolicyRules>
  readonly sets: RuleSets
}

/**
 * Compiles the policies of one namespace, for a workload of the trust domain `home`. What is in `before` and has not changed is
 * taken over: policies that are the same objects, and in others the rules that stand for the same in the same place.
 */
export function compilePolicies(
  policies: readonly AuthorizationPolicy[],
  home: TrustDomain,
  before: CompiledPolicies = { byName: new Map(), sets: noRules },
): CompiledPolicies {
  const byName = new Map<string, PolicyRules>()
  const edits = new Edits()
  const shared = new SharedLists()
  for (const policy of policies) {
    const { name } = policy.metadata
    if (byName.has(name)) throw new TypeError(`two policies with the name ${name}`)
    const old = before.byName.get(name)
    if (old?.policy === policy) {
      byName.set(name, old)
      continue
    }
    const made = compilePolicyRules(policy, home, shared, old)
    byName.set(name, made)
    edits.replace(old, made)
  }
  for (const [name, old] of before.byName) if (!byName.has(name)) edits.replace(old, undefined)
  return { byName, sets: edits.applied(before.sets) }
}

function compilePolicyRules(
  policy: AuthorizationPolicy,
  home: TrustDomain,
  shared: SharedLists,
  old: PolicyRules | undefined,
): PolicyRules {
  const resource = nameOf(policy)
  const { action, notBeforeMs, notAfterMs } = policy.spec
  const spec = old?.policy.spec
  const alike = spec?.action === action && spec.notBeforeMs === notBeforeMs && spec.notAfterMs === notAfterMs
  const known = (rule: AuthorizationRule, place: number): CompiledRule | undefined =>
    alike && !hasRegexes(rule) && isSameRule(rule, spec.rules[place]) ? old?.rules[place] : undefined
  const found: Violation[] = []
  const compiled = compileRules(policy, home, found, shared, known)
  const violations = found.map((violation) => ({ ...violation, resource }))
  return { policy, rules: found.length === 0 ? compiled : [], violations, isTimed: isTimed(policy) }
}

/** They are counted over a whole policy: each time, so that the count is right. */
function hasRegexes({ from, when }: AuthorizationRule): boolean {
  return [...(from?.flatMap(({ claims = [] }) => claims) ?? []), ...(when ?? [])].some(
    (condition) => 'matches' in condition && condition.matches !== undefined,
  )
}

/** Changes of all sets, gathered to be made at once. */
class Edits {
  readonly #removed = new Map<SetName, CompiledRule[]>()
  readonly #added = new Map<SetName, CompiledRule[]>()

  replace(old: PolicyRules | undefined, made: PolicyRules | undefined): void {
    const same = old !== undefined && made !== undefined && setOf(old) === setOf(made)
    const [before, after] = [new Set(same ? old.rules : []), new Set(same ? made.rules : [])]
    for (const rule of old?.rules ?? []) if (!after.has(rule)) gather(this.#removed, setOf(old!), rule)
    for (const rule of made?.rules ?? []) if (!before.has(rule)) gather(this.#added, setOf(made!), rule)
  }

  applied(sets: RuleSets): RuleSets {
    const edited = (name: SetName): RuleIndex =>
      sets[name].edited(this.#removed.get(name) ?? [], this.#added.get(name) ?? [])
    return {
      deny: edited('deny'),
      allow: edited('allow'),
      audit: edited('audit'),
      trialDeny: edited('trialDeny'),
      trialAllow: edited('trialAllow'),
    }
  }
}

function gather(rules: Map<SetName, CompiledRule[]>, name: SetName, rule: CompiledRule): void {
  const list = rules.get(name)
  if (list === undefined) rules.set(name, [rule])
  else list.push(rule)
}

function setOf({ policy: { spec } }: PolicyRules): SetName {
  if (spec.action === 'AUDIT') return 'audit'
  if (spec.action === 'DENY') return spec.dryRun === true ? 'trialDeny' : 'deny'
  return spec.dryRun === true ? 'trialAllow' : 'allow'
}

/** The policies that may deny and could not be compiled: nobody knows what they would. */
export function brokenDenials({ byName }: CompiledPolicies): readonly string[] {
  return [...byName.values()]
    .filter((rules) => rules.violations.length > 0 && setOf(rules) === 'deny')
    .map(({ policy }) => resourceKey(nameOf(policy)))
    .toSorted()
}

export function violationsOf({ byName }: CompiledPolicies): readonly ResourceViolation[] {
  return [...byName.values()].flatMap(({ violations }) => violations)
}

export function timedPolicies({ byName }: CompiledPolicies): readonly AuthorizationPolicy[] {
  return [...byName.values()].filter(({ isTimed }) => isTimed).map(({ policy }) => policy)
}
