import type { Decision, RuleRef } from './decision.ts'
import type { Action } from './model.ts'

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
  readonly failed: readonly string[]
  /** Whether the decision had to look at it; if not, the index had ruled it out or another rule had decided before. */
  readonly considered: boolean
}

/** A decision with the rules that it was made by. Plain data. */
export interface Explanation {
  readonly decision: Decision
  /** First those that were considered, in that order; then others in the order of their policies, as many as were asked for. */
  readonly steps: readonly ExplanationStep[]
  /** Rules that are not among the steps. */
  readonly omitted: number
}
