import { parseIdPattern } from '../../identity/match.ts'
import { parseTrustDomain } from '../../identity/spiffe-id.ts'
import { OutriderError } from '../../lib/errors.ts'
import { compileCel } from '../cel/compile.ts'
import { parseServiceAccount } from '../match/account.ts'
import { parseClaimPath } from '../match/claim.ts'
import { parseGrpcMethod } from '../match/grpc.ts'
import { parseHeaderName } from '../match/header.ts'
import { parseHostPattern } from '../match/host.ts'
import { parseIpBlock } from '../match/ip.ts'
import { parseMethod } from '../match/method.ts'
import { parsePath } from '../match/path.ts'
import { parseRequestPrincipal } from '../match/principal.ts'
import { compileRegex } from '../match/regex.ts'
import { parseZone } from '../match/time.ts'
import { parseValuePattern } from '../match/value.ts'
import {
  type AuthorizationPolicy,
  actions,
  type Condition,
  defaultNamespace,
  type OperationMatch,
  weekdays,
} from '../model.ts'
import { andThen, boolean, list, object, oneOf, optional, parsed, pathOf, type Reader, withDefault } from '../schema.ts'
import {
  conditionOf,
  envelope,
  label,
  listOf,
  MAX_STRING,
  notEmpty,
  port,
  text,
  timestamp,
  words,
  workloads,
} from './readers.ts'

const spiffeIds = conditionOf(text(parseIdPattern))
const trustDomains = conditionOf(text(parseTrustDomain))
const namespaces = conditionOf(label)
const texts = conditionOf(words)
const methods = conditionOf(text(parseMethod))
const paths = conditionOf(text(parsePath))
const ports = conditionOf(port)

const hosts = conditionOf(text(parseHostPattern))
const ipBlocks = conditionOf(text(parseIpBlock))
const grpcMethods = conditionOf(text(parseGrpcMethod))
const requestPrincipals = conditionOf(text(parseRequestPrincipal))
const serviceAccounts = conditionOf(text((name) => parseServiceAccount(name, defaultNamespace)))
const values = conditionOf(text(parseValuePattern))
const claimPath = text(parseClaimPath)

const valueMatch = { values, notValues: values, matches: conditionOf(text(compileRegex)) }

/** A name without conditions is a condition that its author forgot. */
function withValues<T extends { values?: unknown; notValues?: unknown; matches?: unknown }>(
  read: Reader<T>,
): Reader<T> {
  return andThen(read, (value, field, report) =>
    value.values === undefined && value.notValues === undefined && value.matches === undefined
      ? report({
          field,
          code: 'entry-empty',
          message: 'has no condition: give values, notValues or matches; "*" in values is any value',
        })
      : value,
  )
}

const claim = withValues(object({ claim: claimPath, ...valueMatch }))

const source = notEmpty(
  object({
    spiffeIds,
    notSpiffeIds: spiffeIds,
    namespaces,
    notNamespaces: namespaces,
    serviceAccounts,
    notServiceAccounts: serviceAccounts,
    trustDomains,
    notTrustDomains: trustDomains,
    ipBlocks,
    notIpBlocks: ipBlocks,
    requestPrincipals,
    notRequestPrincipals: requestPrincipals,
    claims: conditionOf(claim),
    apiKeyOwners: texts,
    notApiKeyOwners: texts,
    apiKeyScopes: texts,
  }),
)

/** What a request asks for: of rules, limits and external authorization alike. */
export const operation: Reader<OperationMatch> = notEmpty(
  object({
    hosts,
    notHosts: hosts,
    methods,
    notMethods: methods,
    paths,
    notPaths: paths,
    ports,
    notPorts: ports,
    grpcMethods,
    notGrpcMethods: grpcMethods,
  }),
)

const timeOfDay = parsed((text) => {
  const [, hour, minute] = /^([01]\d|2[0-4]):([0-5]\d)$/.exec(text) ?? []
  const minutes = Number(hour) * 60 + Number(minute)
  if (minutes >= 0 && minutes <= 1440) return minutes
  throw new OutriderError(
    'time-malformed',
    `a time of day is from 00:00 to 24:00, not ${JSON.stringify(text.slice(0, 100))}`,
  )
}, MAX_STRING)

const zone = parsed(parseZone, MAX_STRING)

const time = andThen(
  object({
    days: optional(list(oneOf(weekdays), { min: 1, max: 7, uniqueBy: (day) => day })),
    from: withDefault(timeOfDay, 0),
    to: withDefault(timeOfDay, 1440),
    zone: withDefault(zone, 'UTC'),
  }),
  ({ from: fromMinute, to: toMinute, ...rest }, field, report) =>
    fromMinute === toMinute || fromMinute === 1440
      ? report({
          field,
          code: 'time-empty',
          message: 'begins when it, or the day, ends; for a whole day leave both out',
        })
      : { ...rest, fromMinute, toMinute },
)

const conditionKeys = ['header', 'claim', 'sni', 'time', 'cel'] as const

const condition: Reader<Condition> = andThen(
  object({
    header: optional(text(parseHeaderName)),
    claim: optional(claimPath),
    sni: hosts,
    time: optional(time),
    cel: optional(text(compileCel)),
    ...valueMatch,
  }),
  ({ header, claim, sni, time, cel, ...match }, field, report) => {
    const given = Object.entries({ header, claim, sni, time, cel }).filter(([, value]) => value !== undefined)
    if (given.length !== 1)
      return report({
        field,
        code: 'condition-form',
        message: `is about one thing; give one of ${conditionKeys.join(', ')}, not ${given.length}`,
      })
    const { values, notValues, matches } = match
    const some = values !== undefined || notValues !== undefined || matches !== undefined
    if (header === undefined && claim === undefined && some)
      return report({
        field,
        code: 'field-not-applicable',
        message: 'values, notValues and matches are for header and claim',
      })
    if (header !== undefined || claim !== undefined) {
      if (!some)
        return report({
          field,
          code: 'entry-empty',
          message: 'has no condition: give values, notValues or matches; "*" in values is any value',
        })
      return header === undefined ? { claim: claim!, ...match } : { header, ...match }
    }
    if (sni !== undefined) return { sni }
    return time === undefined ? { cel: cel! } : { time }
  },
)

const rule = object({
  name: optional(label),
  from: conditionOf(source),
  to: conditionOf(operation),
  when: conditionOf(condition),
})

const authorizationPolicySpec = andThen(
  object({
    workloads,
    action: oneOf(actions),
    dryRun: withDefault(boolean, false),
    notBefore: optional(timestamp),
    notAfter: optional(timestamp),
    reason: optional(words),
    approver: optional(words),
    rules: listOf(rule, { uniqueBy: ({ name }) => name }),
  }),
  ({ dryRun, notBefore: notBeforeMs, notAfter: notAfterMs, ...others }, field, report) => {
    const rest = { ...others, ...(dryRun ? { dryRun } : {}) }
    if (notBeforeMs !== undefined && notAfterMs !== undefined && notBeforeMs >= notAfterMs)
      return report({ field: pathOf(field, 'notAfter'), code: 'window-empty', message: 'must be later than notBefore' })
    if (notBeforeMs === undefined && notAfterMs === undefined) return rest
    for (const key of ['reason', 'approver'] as const)
      if (rest[key] === undefined) {
        const message = 'is required of a policy with a beginning or an end: say why, and who agreed'
        return report({ field: pathOf(field, key), code: 'field-missing', message })
      }
    return {
      ...rest,
      ...(notBeforeMs === undefined ? {} : { notBeforeMs }),
      ...(notAfterMs === undefined ? {} : { notAfterMs }),
    }
  },
)

export const authorizationPolicy: Reader<AuthorizationPolicy> = envelope('AuthorizationPolicy', authorizationPolicySpec)
