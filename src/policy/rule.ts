import type { DecisionRequest, RuleRef } from './decision.ts'
import { type MethodMatcher, matchesMethod } from './match/method.ts'
import { matchesPath, type PathPattern } from './match/path.ts'
import { matchesPort, type PortMatcher } from './match/port.ts'
import { type Caller, matchesSource, type SourceMatcher } from './match/source.ts'

export interface OperationMatcher {
  readonly methods: MethodMatcher
  /** Absent: every path. */
  readonly paths: readonly PathPattern[] | undefined
  readonly ports: PortMatcher
}

export interface CompiledRule {
  readonly ref: RuleRef
  /** Absent: everybody, also the anonymous. */
  readonly from: readonly SourceMatcher[] | undefined
  /** Absent: every request. */
  readonly to: readonly OperationMatcher[] | undefined
  /** How many comparisons it takes to check the rule without an index. */
  readonly checks: number
}

/** The value of `CompiledRule.checks`. Sets count as one, lists by their length. */
export function checksOf({ from = [], to = [] }: Pick<CompiledRule, 'from' | 'to'>): number {
  let checks = 1
  for (const { ids } of from) checks += 1 + (ids?.prefixes.length ?? 0)
  for (const { paths } of to) checks += 1 + (paths?.length ?? 0)
  return checks
}

/** A request together with its caller's parts, taken apart once for a decision. */
export interface Query extends Caller {
  readonly method: string | undefined
  readonly path: string | undefined
  readonly port: number
}

export function matchesFrom(rule: CompiledRule, caller: Caller): boolean {
  return rule.from === undefined || rule.from.some((source) => matchesSource(source, caller))
}

/** A path that is absent satisfies no condition on paths. */
export function matchesPaths({ paths }: OperationMatcher, path: string | undefined): boolean {
  return paths === undefined || (path !== undefined && paths.some((pattern) => matchesPath(pattern, path)))
}

export function matchesOperation(
  operation: OperationMatcher,
  request: Pick<DecisionRequest, 'method' | 'path' | 'port'>,
): boolean {
  return (
    matchesPort(operation.ports, request.port) &&
    matchesMethod(operation.methods, request.method) &&
    matchesPaths(operation, request.path)
  )
}

/**
 * The rules of one action as they are for a TCP connection, which has neither method nor path: a condition on these is false
 * in ALLOW and true in DENY. What is left are conditions on callers and ports.
 */
export function connectionRules(action: 'ALLOW' | 'DENY', rules: readonly CompiledRule[]): readonly CompiledRule[] {
  return rules.flatMap((rule) => {
    if (rule.to === undefined) return [rule]
    const to =
      action === 'DENY'
        ? rule.to.map(({ ports }) => ({ methods: undefined, paths: undefined, ports }))
        : rule.to.filter(({ methods, paths }) => methods === undefined && paths === undefined)
    return to.length === 0 ? [] : [{ ...rule, to }]
  })
}
