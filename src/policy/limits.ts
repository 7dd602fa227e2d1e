import { lockoutPlans } from '../ratelimit/lockout.ts'
import type { LimitPlan } from '../ratelimit/plan.ts'
import type { DecisionRequest } from './decision.ts'
import { Query } from './query.ts'
import { matchesOperation, type OperationMatcher } from './rule.ts'

export interface CompiledLimit {
  readonly plan: LimitPlan
  /** Absent: every request counts. */
  readonly to: readonly OperationMatcher[] | undefined
}

/** The limits of one workload. */
export class LimitTable {
  /** Every plan that needs buckets, those of the lockout among them, for `BucketKeeper.retain`. */
  readonly plans: readonly LimitPlan[]
  readonly #always: readonly LimitPlan[]
  readonly #sometimes: readonly CompiledLimit[]

  constructor(limits: readonly CompiledLimit[]) {
    this.plans = [...limits.map(({ plan }) => plan), ...lockoutPlans]
    this.#always = limits.filter(({ to }) => to === undefined).map(({ plan }) => plan)
    this.#sometimes = limits.filter(({ to }) => to !== undefined)
  }

  /** The limits that count this request. One on methods or paths counts no TCP connection. */
  of(request: DecisionRequest): readonly LimitPlan[] {
    if (this.#sometimes.length === 0) return this.#always
    const plans = [...this.#always]
    const query = new Query(request)
    for (const { plan, to } of this.#sometimes)
      if (to?.some((operation) => matchesOperation(operation, query)) === true) plans.push(plan)
    return plans
  }
}
