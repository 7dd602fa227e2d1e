import { namespaceOf, trustDomainOf } from '../identity/spiffe-id.ts'
import type { CompiledPolicy } from './compile.ts'
import type { Condition, Decision, DecisionRequest, Denial, NearMiss, Permit, RuleRef } from './decision.ts'
import { matchesMethod } from './match/method.ts'
import { matchesPort } from './match/port.ts'
import { type CompiledRule, matchesFrom, matchesPaths, type Query } from './rule.ts'
import type { RuleIndex } from './rule-index.ts'

/** Denied when the policy is closed or a DENY rule matches; else permitted when an ALLOW rule matches; else denied. */
export function decide(policy: CompiledPolicy, request: DecisionRequest): Decision {
  if (policy.closed !== undefined) return { kind: 'denial', ...policy.closed }
  const { deny, allow } = request.method === undefined || request.path === undefined ? policy.connections : policy
  const query = queryOf(request, deny.asksForParts || allow.asksForParts)
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

function queryOf({ principal, method, path, port }: DecisionRequest, withParts: boolean): Query {
  const id = principal.kind === 'peer' ? principal.id : undefined
  const asked = withParts ? id : undefined
  return {
    id,
    namespace: asked === undefined ? undefined : namespaceOf(asked),
    trustDomain: asked === undefined ? undefined : trustDomainOf(asked),
    method,
    path,
    port,
  }
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

function failedConditions(rule: CompiledRule, query: Query): readonly Condition[] {
  let best: Condition[] | undefined
  for (const operation of rule.to ?? []) {
    const failed: Condition[] = []
    if (!matchesPort(operation.ports, query.port)) failed.push('to.ports')
    if (!matchesPaths(operation, query.path)) failed.push('to.paths')
    if (!matchesMethod(operation.methods, query.method)) failed.push('to.methods')
    if (best === undefined || failed.length < best.length) best = failed
  }
  const from: Condition[] = matchesFrom(rule, query) ? [] : ['from']
  return [...from, ...(best ?? [])]
}
