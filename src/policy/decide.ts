import type { CompiledPolicy } from './compile.ts'
import type { Decision, DecisionRequest, Denial, NearMiss, Observations, Permit, RuleRef } from './decision.ts'
import { Query } from './query.ts'
import { type CompiledRule, failedConditions } from './rule.ts'
import type { RuleIndex } from './rule-index.ts'
import type { RuleSets } from './rule-sets.ts'

/** Most AUDIT rules that one decision names. */
export const MAX_AUDITS = 8

/**
 * Denied when the policy is closed or a DENY rule matches; else permitted when an ALLOW rule matches; else denied. AUDIT rules
 * and dry runs are only told of. `request.nowMs` may be absent unless `policy.schedule.asksForTime`.
 */
export function decide(policy: CompiledPolicy, request: DecisionRequest): Decision {
  return judge(policy, new Query(request), undefined)
}

/** What `decide` does; `witness` is told of each rule that is checked. */
export function judge(
  { closed, rules }: CompiledPolicy,
  query: Query,
  witness: ((rule: CompiledRule) => void) | undefined,
): Decision {
  if (closed !== undefined) return { kind: 'denial', ...closed }
  const search = { query, witness, matches: undefined, most: 1 }
  const denied = rules.deny.find(search)
  const allowed = denied === undefined ? rules.allow.find(search) : undefined
  const seen = observe(rules, denied, allowed, query, witness)
  if (denied !== undefined) return { kind: 'denial', code: 'denied-by-rule', rule: denied.ref, ...seen }
  return allowed === undefined ? new NotAllowed(rules.allow, query, seen) : permit(allowed.ref, seen)
}

/** The only maker of permits. */
function permit(rule: RuleRef, seen: Observations | undefined): Permit {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the brand exists for the compiler only
  return (seen === undefined ? { kind: 'permit', rule } : { kind: 'permit', rule, ...seen }) as Permit
}

/** What policies that decide nothing have to say; `undefined`, and at no cost, when there are none. */
function observe(
  { audit, trialDeny, trialAllow }: RuleSets,
  denied: CompiledRule | undefined,
  allowed: CompiledRule | undefined,
  query: Query,
  witness: ((rule: CompiledRule) => void) | undefined,
): Observations | undefined {
  const audits = audit.rules.length === 0 ? undefined : auditsOf(audit, query, witness)
  // A dry run takes nothing away: what a DENY rule denies stays denied.
  if (denied !== undefined) return audits
  const search = { query, witness, matches: undefined, most: 1 }
  const wouldDeny = trialDeny.find(search)
  if (wouldDeny !== undefined)
    return allowed === undefined ? audits : { ...audits, shadow: { kind: 'denial', rule: wouldDeny.ref } }
  const wouldAllow = allowed === undefined ? trialAllow.find(search) : undefined
  return wouldAllow === undefined ? audits : { ...audits, shadow: { kind: 'permit', rule: wouldAllow.ref } }
}

function auditsOf(
  audit: RuleIndex,
  query: Query,
  witness: ((rule: CompiledRule) => void) | undefined,
): Observations | undefined {
  const matches = new Set<CompiledRule>()
  audit.find({ query, witness, matches, most: MAX_AUDITS })
  return matches.size === 0 ? undefined : { audits: Array.from(matches, ({ ref }) => ref) }
}

/** Conditions that a denial checks in search of the nearest rule: bounds what a flood of denied requests costs. */
const MOST_CHECKS = 1024

class NotAllowed implements Denial {
  readonly kind = 'denial'
  readonly code = 'no-allow-rule'
  readonly audits: Observations['audits']
  readonly shadow: Observations['shadow']
  readonly #allow: RuleIndex
  readonly #query: Query
  #nearest: NearMiss | undefined

  constructor(allow: RuleIndex, query: Query, seen: Observations | undefined) {
    this.#allow = allow
    this.#query = query
    this.audits = seen?.audits
    this.shadow = seen?.shadow
  }

  get nearest(): NearMiss | undefined {
    this.#nearest ??= nearestOf(this.#allow, this.#query)
    return this.#nearest
  }
}

/**
 * The rule of which the most conditions hold, the first of several, among as many as there is time to check: those for the
 * path first, then all in their order.
 */
function nearestOf(allow: RuleIndex, query: Query): NearMiss | undefined {
  let nearest: NearMiss | undefined
  let fewest = Number.POSITIVE_INFINITY
  let checksLeft = MOST_CHECKS
  const check = (rule: CompiledRule): true | undefined => {
    const affordable = rule.checks <= checksLeft
    checksLeft -= affordable ? rule.checks : 1
    if (!affordable) return checksLeft <= 0 ? true : undefined
    const failed = failedConditions(rule, query)
    if (failed.length < fewest) {
      fewest = failed.length
      nearest = { rule: rule.ref, failed: failed[0]! }
    }
    return fewest === 1 || checksLeft <= 0 ? true : undefined
  }
  if (allow.findSimilar(query, check) === undefined) allow.rules.some(check)
  return nearest
}
