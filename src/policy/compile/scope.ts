import type { TrustDomain } from '../../identity/spiffe-id.ts'
import { OutriderError } from '../../lib/errors.ts'
import { compileRegex, MAX_REGEXES } from '../match/regex.ts'
import { parseValuePattern, type ValueMatcher, valueMatcherOf } from '../match/value.ts'
import type { Action, ValueMatch } from '../model.ts'
import { parseList, type Violations } from '../parse-list.ts'
import { takesUnknownAs } from '../rule.ts'
import type { SharedLists } from './lists.ts'

/** What the rules of one policy are compiled with. */
export interface RuleScope {
  /** The trust domain of the workload. */
  readonly home: TrustDomain
  /** Of the policy. */
  readonly namespace: string
  readonly action: Action
  readonly onUnknown: boolean
  readonly violations: Violations
  readonly shared: SharedLists
  /** Regular expressions that the policy may still have. */
  regexesLeft: number
}

export function ruleScope(
  home: TrustDomain,
  namespace: string,
  action: Action,
  violations: Violations,
  shared: SharedLists,
): RuleScope {
  const onUnknown = takesUnknownAs(action)
  return { home, namespace, action, onUnknown, violations, shared, regexesLeft: MAX_REGEXES }
}

/** Fails, with violations, to `undefined`. */
export function compileValueMatch(match: ValueMatch, field: string, scope: RuleScope): ValueMatcher | undefined {
  const { violations } = scope
  const before = violations.length
  if (match.values === undefined && match.notValues === undefined && match.matches === undefined)
    violations.push({ field, code: 'entry-empty', message: 'has no condition: give values, notValues or matches' })
  for (const key of ['values', 'notValues'] as const)
    parseList(match[key], `${field}.${key}`, parseValuePattern, violations)
  const matches = parseList(
    match.matches,
    `${field}.matches`,
    (text) => {
      scope.regexesLeft -= 1
      if (scope.regexesLeft < 0)
        throw new OutriderError('too-many-regexes', `a policy has at most ${MAX_REGEXES} of them (MAX_REGEXES)`)
      return compileRegex(text)
    },
    violations,
  )
  return violations.length > before ? undefined : valueMatcherOf(match, matches)
}
