import { type Criterion, criterion, listCriterion } from '../criterion.ts'
import type { TokenIdentity } from '../decision.ts'
import { matchesClaim, parseClaimPath } from '../match/claim.ts'
import { matchesPrincipal, parseRequestPrincipal, type PrincipalMatcher, principalsOf } from '../match/principal.ts'
import type { ClaimMatch, SourceMatch } from '../model.ts'
import { parseEntries, parseList, parseOne } from '../parse-list.ts'
import type { Query } from '../query.ts'
import type { Truth } from '../truth.ts'
import { compileValueMatch, type RuleScope } from './scope.ts'

/** A condition on one token; on none, when the request has no token. */
interface TokenCondition {
  readonly name: string
  readonly truth: (token: TokenIdentity | undefined) => Truth
}

/** The conditions of a source on tokens, and once more whom one of them has to be about. Errors are violations below `field`. */
export function compileTokens(
  { requestPrincipals, notRequestPrincipals, claims }: SourceMatch,
  field: string,
  scope: RuleScope,
): { readonly criteria: readonly Criterion[]; readonly principals: PrincipalMatcher | undefined } {
  const { onUnknown, violations } = scope
  const principals = (list: readonly string[] | undefined, name: string): PrincipalMatcher | undefined => {
    const parsed = parseList(list, `${field}.${name}`, parseRequestPrincipal, violations)
    return parsed === undefined ? undefined : principalsOf(parsed)
  }
  const wanted = principals(requestPrincipals, 'requestPrincipals')
  const unwanted = principals(notRequestPrincipals, 'notRequestPrincipals')
  const conditions: TokenCondition[] = []
  if (wanted !== undefined)
    conditions.push({ name: 'requestPrincipals', truth: (token) => isPrincipal(wanted, token) ?? false })
  const compiled = parseEntries(claims, `${field}.claims`, violations, (claim, at) => compileClaim(claim, at, scope))
  for (const [index, truth] of compiled?.entries() ?? [])
    if (truth !== undefined) conditions.push({ name: `claims[${index}]`, truth })
  const criteria = [
    ...(conditions.length === 0 ? [] : [oneToken(conditions, onUnknown)]),
    ...(unwanted === undefined
      ? []
      : [listCriterion({ name: 'notRequestPrincipals', layer7: true, onUnknown }, true, unwanted, someIsPrincipal)]),
  ]
  return { criteria, principals: wanted }
}

/** A condition of `when` on a claim: one token has to satisfy it. */
export function claimCriterion(
  claim: ClaimMatch,
  name: string,
  field: string,
  scope: RuleScope,
): Criterion | undefined {
  const truth = compileClaim(claim, field, scope)
  return truth === undefined ? undefined : oneToken([{ name, truth }], scope.onUnknown)
}

function compileClaim(claim: ClaimMatch, field: string, scope: RuleScope): TokenCondition['truth'] | undefined {
  const path = parseOne(claim.claim, `${field}.claim`, parseClaimPath, scope.violations)
  const matcher = compileValueMatch(claim, field, scope)
  if (path === undefined || matcher === undefined) return undefined
  return (token) => matchesClaim(path, matcher, token?.claims)
}

/** All conditions, on one and the same token: rights of one must not be lent to another. */
function oneToken(conditions: readonly TokenCondition[], onUnknown: boolean): Criterion {
  const holds = ({ truth }: TokenCondition, token: TokenIdentity | undefined): boolean => {
    const value = truth(token)
    return value === 'unknown' ? onUnknown : value
  }
  const {
    name,
    layer7,
    checks,
    holds: all,
  } = criterion({ name: conditions[0]!.name, layer7: true, checks: conditions.length, onUnknown }, (query) =>
    tokensOf(query).some((token) => conditions.every((condition) => holds(condition, token))),
  )
  const failures = (query: Query): readonly string[] => {
    if (query.isConnection) return conditions.map((condition) => condition.name)
    const each = tokensOf(query).map((token) => conditions.filter((condition) => !holds(condition, token)))
    return each
      .reduce((best, failed) => (failed.length < best.length ? failed : best))
      .map((condition) => condition.name)
  }
  return { name, layer7, checks, holds: all, failures }
}

/** One absent token where there is none: what a negation says of it is unknown. */
const noToken: readonly [undefined] = [undefined]

function tokensOf({ user: { tokens } }: Query): readonly (TokenIdentity | undefined)[] {
  return tokens.length === 0 ? noToken : tokens
}

function isPrincipal(matcher: PrincipalMatcher, token: TokenIdentity | undefined): boolean | undefined {
  return token?.subject === undefined ? undefined : matchesPrincipal(matcher, token.issuer, token.subject)
}

/** One is, for certain; or none is, if each names somebody. */
function someIsPrincipal(matcher: PrincipalMatcher, query: Query): Truth {
  let some: Truth = false
  for (const token of tokensOf(query)) {
    const is = isPrincipal(matcher, token)
    if (is === true) return true
    if (is === undefined) some = 'unknown'
  }
  return some
}
