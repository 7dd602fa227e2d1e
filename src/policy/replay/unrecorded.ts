import type {
  Action,
  AuthorizationPolicy,
  AuthorizationRule,
  Condition,
  OperationMatch,
  SourceMatch,
} from '../model.ts'

/** What a record of a request leaves out. */
export interface Unrecorded {
  readonly host: boolean
  readonly address: boolean
  readonly sni: boolean
  /** Which tokens and API key it had. */
  readonly user: boolean
  /** What else its tokens said; false when it is known that it had none. */
  readonly claims: boolean
  /** The headers that are known, by name; all others are not. `undefined`: a TCP connection, which has none. */
  readonly headers: ReadonlySet<string> | undefined
}

const userKeys = [
  'requestPrincipals',
  'notRequestPrincipals',
  'apiKeyOwners',
  'notApiKeyOwners',
  'apiKeyScopes',
] as const

/** The facts that a rule asks for and a record may lack: `host`, `claims`, `header x-team`. */
export function factsOf(rule: AuthorizationRule): ReadonlySet<string> {
  const facts = new Set<string>()
  for (const source of rule.from ?? []) for (const [, fact] of sourceFacts(source)) facts.add(fact)
  for (const operation of rule.to ?? []) for (const [, fact] of operationFacts(operation)) facts.add(fact)
  for (const condition of rule.when ?? []) facts.add(conditionFact(condition))
  facts.delete('time')
  return facts
}

type Facts<T> = readonly (readonly [keyof T, string])[]

function sourceFacts(source: SourceMatch): Facts<SourceMatch> {
  const facts: (readonly [keyof SourceMatch, string])[] = []
  for (const key of userKeys) if (source[key] !== undefined) facts.push([key, 'user'])
  if (source.claims !== undefined)
    facts.push(['claims', source.claims.every(({ claim }) => isRecordedClaim(claim)) ? 'user' : 'claims'])
  for (const key of ['ipBlocks', 'notIpBlocks'] as const) if (source[key] !== undefined) facts.push([key, 'address'])
  return facts
}

function operationFacts(operation: OperationMatch): Facts<OperationMatch> {
  const keys = (['hosts', 'notHosts'] as const).filter((key) => operation[key] !== undefined)
  return keys.map((key) => [key, 'host'])
}

function conditionFact(condition: Condition): string {
  if ('header' in condition) return `header ${condition.header}`
  if ('claim' in condition) return isRecordedClaim(condition.claim) ? 'user' : 'claims'
  if ('sni' in condition) return 'sni'
  // An expression may read anything, also what is never written down.
  return 'cel' in condition ? 'cel' : 'time'
}

/** Issuer and subject are written down with every token. */
function isRecordedClaim(claim: string): boolean {
  return claim === 'iss' || claim === 'sub'
}

/** Is this fact, of `factsOf`, missing in the record? */
export function lacks({ host, address, sni, user, claims, headers }: Unrecorded, fact: string): boolean {
  switch (fact) {
    case 'host':
      return host
    case 'address':
      return address
    case 'sni':
      return sni
    case 'user':
      return user
    case 'claims':
      return user || claims
    case 'cel':
      return true
    case 'time':
      return false
    default:
      return headers !== undefined && !headers.has(fact.slice('header '.length))
  }
}

/**
 * The policies as they decide on a request of which the facts `missing` are not known: with what these could make true or false
 * taken for what allows the least, or the most. Where both decide alike, the missing facts do not matter. Policies that decide
 * nothing are left out.
 */
export function bounded(
  policies: readonly AuthorizationPolicy[],
  missing: ReadonlySet<string>,
  allowing: 'least' | 'most',
): readonly AuthorizationPolicy[] {
  return policies.flatMap((policy) => {
    const { spec } = policy
    if (spec.action === 'AUDIT' || spec.dryRun === true) return []
    const holds = holdsUnknown(spec.action, allowing)
    // The name of a rule must not depend on which others are left out.
    const rules = spec.rules.flatMap((rule, index) => {
      const assumed = assume(rule, missing, holds)
      return assumed === undefined ? [] : [{ ...assumed, name: rule.name ?? `rules[${index}]` }]
    })
    return [{ ...policy, spec: { ...spec, rules } }]
  })
}

function holdsUnknown(action: Exclude<Action, 'AUDIT'>, allowing: 'least' | 'most'): boolean {
  return (action === 'ALLOW') === (allowing === 'most')
}

/** The rule with every condition on a missing fact taken for `holds`; `undefined`: it then matches nothing. */
function assume(rule: AuthorizationRule, missing: ReadonlySet<string>, holds: boolean): AuthorizationRule | undefined {
  const from = assumeEntries(rule.from, sourceFacts, missing, holds)
  const to = assumeEntries(rule.to, operationFacts, missing, holds)
  const when = rule.when?.filter((condition) => !missing.has(conditionFact(condition)))
  if (from === 'never' || to === 'never' || (!holds && when?.length !== rule.when?.length)) return undefined
  return {
    ...(rule.name === undefined ? {} : { name: rule.name }),
    ...(from === undefined ? {} : { from }),
    ...(to === undefined ? {} : { to }),
    ...(when === undefined || when.length === 0 ? {} : { when }),
    ...(rule.unknown === true ? { unknown: true as const } : {}),
  }
}

function assumeEntries<T extends object>(
  entries: readonly T[] | undefined,
  factsOf: (entry: T) => Facts<T>,
  missing: ReadonlySet<string>,
  holds: boolean,
): readonly T[] | undefined | 'never' {
  if (entries === undefined) return undefined
  const kept: T[] = []
  for (const entry of entries) {
    const open = factsOf(entry).filter(([, fact]) => missing.has(fact))
    if (open.length === 0) kept.push(entry)
    else if (holds) {
      const rest = { ...entry }
      for (const [key] of open) delete rest[key]
      // One entry that matches everything is a list that does.
      if (Object.keys(rest).length === 0) return undefined
      kept.push(rest)
    }
  }
  return kept.length === 0 ? 'never' : kept
}
