import { allHold, type Criterion, failuresOf } from './criterion.ts'
import type { FailedCondition, RuleRef } from './decision.ts'
import type { IdPattern } from '../identity/match.ts'
import type { SpiffeId, TrustDomain } from '../identity/spiffe-id.ts'
import type { GrpcMethods } from './match/grpc.ts'
import type { HostPattern } from './match/host.ts'
import type { PathPattern } from './match/path.ts'
import type { PrincipalMatcher } from './match/principal.ts'
import type { Action } from './model.ts'
import type { Query } from './query.ts'

/** Conditions on a caller: all of `criteria`. The rest says once more, to file rules by it, what some of these ask for. */
export interface SourceMatcher {
  readonly criteria: readonly Criterion[]
  readonly ids: IdSet | undefined
  /** Of `trustDomains`. */
  readonly namespaces: ReadonlySet<string> | undefined
  /** `namespace/name`, of `trustDomains`. */
  readonly serviceAccounts: ReadonlySet<string> | undefined
  /** Absent: of any. The own one where the rule names none but has `namespaces` or `serviceAccounts`. */
  readonly trustDomains: ReadonlySet<TrustDomain> | undefined
  readonly principals: PrincipalMatcher | undefined
  readonly apiKeyOwners: ReadonlySet<string> | undefined
}

/** None, one, or several texts: one is most frequent, and needs no set then. */
export type Exact<T extends string> = undefined | T | ReadonlySet<T>

export function exactOf<T extends string>(texts: readonly T[]): Exact<T> {
  return texts.length > 1 ? new Set(texts) : texts[0]
}

export function isExactly<T extends string>(exact: Exact<T>, text: T): boolean {
  return typeof exact === 'object' ? exact.has(text) : exact === text
}

export function textsOf<T extends string>(exact: Exact<T>): Iterable<T> {
  return typeof exact === 'object' ? exact : exact === undefined ? [] : [exact]
}

export interface IdSet {
  readonly exact: Exact<SpiffeId>
  readonly patterns: readonly Exclude<IdPattern, { kind: 'exact' }>[]
}

export interface PathSet {
  readonly exact: Exact<string>
  readonly others: readonly PathPattern[]
}

/**
 * Conditions on what is asked for: all of `criteria`. The rest is as in `SourceMatcher`. Hosts and paths are unknown for a TCP
 * connection: an index that files by them has to find it all the same where the action takes that as true.
 */
export interface OperationMatcher {
  readonly criteria: readonly Criterion[]
  readonly hosts: readonly HostPattern[] | undefined
  readonly ports: ReadonlySet<number> | undefined
  readonly paths: PathSet | undefined
  readonly grpc: GrpcMethods | undefined
}

/** When a rule is in force, in milliseconds since 1970: from, and before. */
export interface Window {
  readonly fromMs: number
  readonly toMs: number
}

/** A rule, compiled for its action: all that may be unknown is taken as that action says. */
export interface CompiledRule {
  readonly ref: RuleRef
  /** Index in its policy. */
  readonly place: number
  readonly action: Action
  /** Absent: everybody, also the anonymous. */
  readonly from: readonly SourceMatcher[] | undefined
  /** Absent: every request. */
  readonly to: readonly OperationMatcher[] | undefined
  readonly when: readonly Criterion[]
  /** Absent: always. */
  readonly window: Window | undefined
  /** It has a condition that this version does not know, and that its action takes as false. */
  readonly unknown: boolean
  /** How many comparisons it takes to check the rule without an index. */
  readonly checks: number
}

/** How an action takes what is unknown: nothing is allowed, and nothing escapes a DENY or AUDIT rule, by it. */
export function takesUnknownAs(action: Action): boolean {
  return action !== 'ALLOW'
}

/** For one `operation` of the rule, or for any when none is given. */
export function matchesRule(rule: CompiledRule, query: Query, operation?: OperationMatcher): boolean {
  return (
    !rule.unknown &&
    (rule.window === undefined || isInForce(rule.window, query.nowMs)) &&
    (operation === undefined ? matchesTo(rule, query) : matchesOperation(operation, query)) &&
    matchesFrom(rule, query) &&
    allHold(rule.when, query)
  )
}

function matchesTo({ to }: CompiledRule, query: Query): boolean {
  return to === undefined || to.some((operation) => matchesOperation(operation, query))
}

/** Without a clock nothing that is bound to a time is in force. */
export function isInForce({ fromMs, toMs }: Window, nowMs: number | undefined): boolean {
  return nowMs !== undefined && nowMs >= fromMs && nowMs < toMs
}

/** The order of rules: by their policies, which are of one namespace, and in these by place. */
export function byPlace(a: CompiledRule, b: CompiledRule): number {
  const one = a.ref.policy.name
  const other = b.ref.policy.name
  return one === other ? a.place - b.place : one < other ? -1 : 1
}

export function matchesFrom(rule: CompiledRule, query: Query): boolean {
  return rule.from === undefined || rule.from.some(({ criteria }) => allHold(criteria, query))
}

export function matchesOperation({ criteria }: OperationMatcher, query: Query): boolean {
  return allHold(criteria, query)
}

/**
 * The conditions that keep a rule from matching, none when it does: of several entries of `from` and of `to` those of the one
 * that comes closest. Says the same as `matchesRule`, by the same code.
 */
export function failedConditions(rule: CompiledRule, query: Query): readonly FailedCondition[] {
  const { from, to, when, window, unknown } = rule
  return [
    ...(unknown ? ['unknown' as const] : []),
    ...(window === undefined || isInForce(window, query.nowMs) ? [] : ['window' as const]),
    ...closest(from, query).map((name) => `from.${name}` as const),
    ...closest(to, query).map((name) => `to.${name}` as const),
    ...failuresOf(when, query).map((name) => `when[${name}]` as const),
  ]
}

function closest(entries: readonly { criteria: readonly Criterion[] }[] = [], query: Query): readonly string[] {
  let best: readonly string[] | undefined
  for (const { criteria } of entries) {
    const failed = failuresOf(criteria, query)
    if (best === undefined || failed.length < best.length) best = failed
    if (best.length === 0) break
  }
  return best ?? []
}
