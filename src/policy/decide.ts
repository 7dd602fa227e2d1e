import type { CompiledPolicy } from './compile.ts'
import type { Decision, DecisionRequest, Denial, NearMiss, Permit, RuleRef } from './decision.ts'
import { Query } from './query.ts'
import { type CompiledRule, failedConditions } from './rule.ts'
import type { RuleIndex } from './rule-index.ts'

/** Denied when the policy is closed or a DENY rule matches; else permitted when an ALLOW rule matches; else denied. */
export function decide(policy: CompiledPolicy, request: DecisionRequest): Decision {
  if (policy.closed !== undefined) return { kind: 'denial', ...policy.closed }
  const query = new Query(request)
  const { deny, allow } = query.isConnection ? policy.connections : policy
  const denied = deny.find(query)
  if (denied !== undefined) return { kind: 'denial', code: 'denied-by-rule', rule: denied.ref }
  const allowed = allow.find(query)
  return allowed === undefined ? new NotAllowed(policy.allow, query) : permit(allowed.ref)
}

/** The only maker of permits. */
function permit(rule: RuleRef): Permit {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the brand exists for the compiler only
  return { kind: 'permit', rule } as Permit
}

/** Conditions that a denial checks in search of the nearest rule: bounds what a flood of denied requests costs. */
const MOST_CHECKS = 1024

class NotAllowed implements Denial {
  readonly kind = 'denial'
  readonly code = 'no-allow-rule'
  readonly #allow: RuleIndex
  readonly #query: Query
  #nearest: NearMiss | undefined

  constructor(allow: RuleIndex, query: Query) {
    this.#allow = allow
    this.#query = query
  }

  get nearest(): NearMiss | undefined {
    this.#nearest ??= nearestOf(this.#allow.rules, this.#query)
    return this.#nearest
  }
}

/** The rule of which the most conditions hold, the first of several, among as many as there is time to check. */
function nearestOf(rules: readonly CompiledRule[], query: Query): NearMiss | undefined {
  let nearest: NearMiss | undefined
  let fewest = Number.POSITIVE_INFINITY
  let checksLeft = MOST_CHECKS
  for (const rule of rules) {
    if (rule.checks > checksLeft) continue
    checksLeft -= rule.checks
    const failed = failedConditions(rule, query)
    if (failed.length < fewest) {
      fewest = failed.length
      nearest = { rule: rule.ref, failed: failed[0]! }
    }
    if (fewest === 1 || checksLeft === 0) break
  }
  return nearest
}
