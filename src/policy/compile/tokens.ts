import { type Criterion, listCriterion } from '../criterion.ts'
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

/** The conditions of a source on tokens, and once more whom one of them has to be about. */
interface CompiledTokens {
  readonly criteria: readonly Criterion[]
  readonly principals: PrincipalMatcher | undefined
}

/** Errors are violations below `field`. */
export function compileTokens(source: SourceMatch, field: string, scope: RuleScope): CompiledTokens {
  const { requestPrincipals, notRequestPrincipals, claims } = source
  // Regular expressions are counted, each time; and what is wrong is told of each rule.
  if (claims === undefined || claims.some(({ matches }) => matches !== undefined))
    return makeTokens(source, field, scope)
  const before = scope.violations.length
  let made: CompiledTokens | undefined
  const key = JSON.stringify(['tokens', scope.onUnknown, requestPrincipals, notRequestPrincipals, claims])
  const shared = scope.shared.get(key, () => {
    made = makeTokens(source, field, scope)
    return scope.violations.length === before ? made : undefined
  })
  return shared ?? made!
}

function makeTokens(
  { requestPrincipals, notRequestPrincipals, claims }: SourceMatch,
  field: string,
  scope: RuleScope,
): CompiledTokens {
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
    ...(conditions.length === 0 ? [] : [new TokenCriterion(conditions, onUnknown)]),
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
  return truth === undefined ? undefined : new TokenCriterion([{ name, truth }], scope.onUnknown)
}

function compileClaim(claim: ClaimMatch, field: string, scope: RuleScope): TokenCondition['truth'] | undefined {
  const make = (): TokenCondition['truth'] | undefined => {
    const path = parseOne(claim.claim, `${field}.claim`, parseClaimPath, scope.violations)
    const matcher = compileValueMatch(claim, field, scope)
    return path === undefined || matcher === undefined
      ? undefined
      : (token) => matchesClaim(path, matcher, token?.claims)
  }
  // Regular expressions are counted, each time.
  return claim.matches === undefined ? scope.shared.get(JSON.stringify(['claim', claim]), make) : make()
}

/** All conditions, on one and the same token: rights of one must not be lent to another. */
class TokenCriterion implements Criterion {
  readonly name: string
  readonly layer7 = true
  readonly checks: number
  readonly #conditions: readonly TokenCondition[]
  readonly #onUnknown: boolean

  constructor(conditions: readonly TokenCondition[], onUnknown: boolean) {
    this.name = conditions[0]!.name
    this.checks = conditions.length
    this.#conditions = conditions
    this.#onUnknown = onUnknown
  }

  holds(query: Query): boolean {
    if (query.isConnection) return this.#onUnknown
    for (const token of tokensOf(query)) if (this.#failed(token).next().done === true) return true
    return false
  }

  failures(query: Query): readonly string[] {
    if (query.isConnection) return this.#conditions.map(({ name }) => name)
    const each = tokensOf(query).map((token) => [...this.#failed(token)])
    return each.reduce((best, failed) => (failed.length < best.length ? failed : best))
  }

  /** The conditions that one token does not satisfy, by their names. */
  *#failed(token: TokenIdentity | undefined): Generator<string, void, undefined> {
    for (const { name, truth } of this.#conditions) {
      const value = truth(token)
      if (!(value === 'unknown' ? this.#onUnknown : value)) yield name
    }
  }
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
