import { namespaceOf, serviceAccountOf, trustDomainOf } from '../identity/spiffe-id.ts'
import { compilePolicy } from './compile.ts'
import type { DecisionRequest } from './decision.ts'
import { explain } from './explain.ts'
import { claimOf, parseClaimPath } from './match/claim.ts'
import { headerValues } from './match/header.ts'
import type {
  AuthorizationPolicy,
  AuthorizationRule,
  Condition,
  ResolvedWorkload,
  SourceMatch,
  ValueMatch,
} from './model.ts'

/** One condition of a rule, held against a request. */
export interface HeldCondition {
  /** `from[0].namespaces`, `to[0].paths`, `when[1]`. */
  readonly field: string
  readonly holds: boolean
  /** What the rule asks for, in words. */
  readonly wants: string
  /** What the request has, in words. */
  readonly has: string
}

/**
 * Every condition of `rule` with what the request has there. Whether one holds is decided by the compiled code: each entry of `from`
 * and `to` is compiled as a rule of its own.
 */
export function holdConditions(
  policy: AuthorizationPolicy,
  rule: AuthorizationRule,
  workload: ResolvedWorkload,
  request: DecisionRequest,
): readonly HeldCondition[] {
  const failed = (part: AuthorizationRule): ReadonlySet<string> => {
    const { notBeforeMs: _, notAfterMs: __, ...spec } = policy.spec
    const alone = { ...policy, spec: { ...spec, rules: [part] } }
    const compiled = compilePolicy({ workload, policies: [alone], limits: [], services: [] }).policy
    return new Set(explain(compiled, request).steps.flatMap((step) => step.failed))
  }
  const from = (rule.from ?? []).flatMap((source, index) => {
    const failures = failed({ from: [source] })
    return sourceConditions(source).map(([key, wants]) => ({
      field: `from[${index}].${key}`,
      holds: !failures.has(`from.${key}`),
      wants,
      has: callerHas(key, source, request),
    }))
  })
  const to = (rule.to ?? []).flatMap((operation, index) => {
    const failures = failed({ to: [operation] })
    return Object.entries(operation).map(([key, values]) => ({
      field: `to[${index}].${key}`,
      holds: !failures.has(`to.${key}`),
      wants: listWords(key, values),
      has: operationHas(key, request),
    }))
  })
  const when = (rule.when ?? []).map((condition, index) => ({
    field: `when[${index}]`,
    holds: !failed({ when: [condition] }).has('when[0]'),
    wants: conditionWants(condition),
    has: conditionHas(condition, request),
  }))
  return [...from, ...to, ...when]
}

function sourceConditions({ claims, ...lists }: SourceMatch): readonly (readonly [key: string, wants: string])[] {
  return [
    ...Object.entries(lists).map(([key, values]) => [key, listWords(key, values)] as const),
    ...(claims ?? []).map((claim, index) => [`claims[${index}]`, `${claim.claim} ${valuesWords(claim)}`] as const),
  ]
}

const NONE = 'none'

function callerHas(key: string, source: SourceMatch, request: DecisionRequest): string {
  const { principal, address, user } = request
  const id = principal.kind === 'peer' ? principal.id : undefined
  const tokens = user?.tokens ?? []
  const claim = /^claims\[(\d+)\]$/.exec(key)?.[1]
  if (claim !== undefined) return claimHas(source.claims![Number(claim)]!.claim, request)
  switch (key.replace(/^not([A-Z])/, (_, letter: string) => letter.toLowerCase())) {
    case 'spiffeIds':
      return id ?? 'no identity'
    case 'namespaces':
      return id === undefined ? 'no identity' : `${namespaceOf(id) ?? NONE}, of ${trustDomainOf(id)}`
    case 'serviceAccounts':
      return id === undefined ? 'no identity' : `${serviceAccountOf(id) ?? NONE}, of ${trustDomainOf(id)}`
    case 'trustDomains':
      return id === undefined ? 'no identity' : trustDomainOf(id)
    case 'ipBlocks':
      return address ?? 'unknown'
    case 'requestPrincipals':
      return listed(tokens.map(({ issuer, subject }) => `${issuer}/${subject ?? '(no subject)'}`))
    case 'apiKeyOwners':
      return user?.apiKey?.owner ?? 'no API key'
    case 'apiKeyScopes':
      return user?.apiKey === undefined ? 'no API key' : listed(user.apiKey.scopes)
    default:
      return ''
  }
}

function operationHas(key: string, { host, port, method, path, headers }: DecisionRequest): string {
  const tcp = method === undefined || path === undefined
  switch (key.replace(/^not([A-Z])/, (_, letter: string) => letter.toLowerCase())) {
    case 'ports':
      return String(port)
    case 'hosts':
      return host ?? (tcp ? 'unknown: a TCP connection' : NONE)
    case 'grpcMethods':
      return tcp
        ? 'unknown: a TCP connection'
        : `${path}, content-type ${listed(headerValues(headers ?? [], 'content-type'))}`
    case 'methods':
      return method ?? 'unknown: a TCP connection'
    case 'paths':
      return path ?? 'unknown: a TCP connection'
    default:
      return ''
  }
}

function conditionWants(condition: Condition): string {
  if ('header' in condition) return `header ${condition.header} ${valuesWords(condition)}`
  if ('claim' in condition) return `claim ${condition.claim} ${valuesWords(condition)}`
  if ('sni' in condition) return `SNI ${wordsOf(condition.sni)}`
  if ('cel' in condition) return condition.cel
  const { days, fromMinute, toMinute, zone } = condition.time
  return `${days === undefined ? 'every day' : days.join(', ')} from ${clock(fromMinute)} to ${clock(toMinute)} ${zone}`
}

function conditionHas(condition: Condition, request: DecisionRequest): string {
  if ('header' in condition) return listed(headerValues(request.headers ?? [], condition.header))
  if ('claim' in condition) return claimHas(condition.claim, request)
  if ('sni' in condition) return request.sni ?? NONE
  if ('time' in condition) return request.nowMs === undefined ? 'no time' : new Date(request.nowMs).toISOString()
  return 'the request'
}

function claimHas(claim: string, { user }: DecisionRequest): string {
  const path = parseClaimPath(claim)
  const tokens = user?.tokens ?? []
  if (tokens.length === 0) return 'no token'
  return tokens
    .map(({ issuer, claims }) => `${JSON.stringify(claimOf(path, claims)) ?? NONE} (token of ${issuer})`)
    .join('; ')
}

function valuesWords({ values, notValues, matches }: ValueMatch): string {
  return [
    ...(values === undefined ? [] : [`is ${wordsOf(values)}`]),
    ...(notValues === undefined ? [] : [`is not ${wordsOf(notValues)}`]),
    ...(matches === undefined ? [] : [`matches ${wordsOf(matches)}`]),
  ].join(' and ')
}

function listWords(key: string, values: readonly (string | number)[]): string {
  return `${/^not[A-Z]/.test(key) ? 'none of ' : ''}${wordsOf(values)}`
}

function wordsOf(values: readonly (string | number)[]): string {
  return values.join(' or ')
}

function listed(values: readonly string[]): string {
  return values.length === 0 ? NONE : values.join(', ')
}

function clock(minutes: number): string {
  return [Math.floor(minutes / 60), minutes % 60].map((part) => String(part).padStart(2, '0')).join(':')
}
