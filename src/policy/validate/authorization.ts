import { idPatternForm, parseIdPattern } from '../../identity/match.ts'
import { parseTrustDomain, trustDomainForm } from '../../identity/spiffe-id.ts'
import { OutriderError } from '../../lib/errors.ts'
import { compileCel } from '../cel/compile.ts'
import { parseServiceAccount, serviceAccountForm } from '../match/account.ts'
import { parseClaimPath } from '../match/claim.ts'
import { grpcMethodForm, parseGrpcMethod } from '../match/grpc.ts'
import { headerNameForm, parseHeaderName } from '../match/header.ts'
import { parseHostPattern } from '../match/host.ts'
import { ipBlockForm, parseIpBlock } from '../match/ip.ts'
import { methodForm, parseMethod } from '../match/method.ts'
import { parsePath, pathForm } from '../match/path.ts'
import { parseRequestPrincipal } from '../match/principal.ts'
import { compileRegex } from '../match/regex.ts'
import { parseZone, zoneForm } from '../match/time.ts'
import { parseValuePattern, valueForm } from '../match/value.ts'
import {
  type AuthorizationPolicy,
  actions,
  type Condition,
  defaultNamespace,
  type OperationMatch,
  weekdays,
} from '../model.ts'
import {
  andThen,
  boolean,
  byOptional,
  itselfUnruled,
  list,
  object,
  oneOf,
  optional,
  parsed,
  pathOf,
  type Reader,
  withDefault,
} from '../schema.ts'
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

const spiffeIds = conditionOf(text(parseIdPattern, { pattern: idPatternForm }))
const trustDomains = conditionOf(text(parseTrustDomain, { pattern: trustDomainForm, maxLength: 255 }))
const namespaces = conditionOf(label)
const texts = conditionOf(words)
const methods = conditionOf(text(parseMethod, { pattern: methodForm }))
const paths = conditionOf(text(parsePath, { pattern: pathForm }))
const ports = conditionOf(port)

const hosts = conditionOf(text(parseHostPattern))
const ipBlocks = conditionOf(text(parseIpBlock, { pattern: ipBlockForm }))
const grpcMethods = conditionOf(text(parseGrpcMethod, { pattern: grpcMethodForm }))
const requestPrincipals = conditionOf(text(parseRequestPrincipal))
const serviceAccounts = conditionOf(
  text((name) => parseServiceAccount(name, defaultNamespace), { pattern: serviceAccountForm }),
)
const values = conditionOf(text(parseValuePattern, { pattern: valueForm }))
const claimPath = text(parseClaimPath)

const valueMatch = { values, notValues: values, matches: conditionOf(text(compileRegex)) }

const noValues = 'has no condition: give values, notValues or matches; "*" in values is any value'

/** A name without conditions is a condition that its author forgot. */
function withValues<T extends { values?: unknown; notValues?: unknown; matches?: unknown }>(
  read: Reader<T>,
): Reader<T> {
  return andThen(
    read,
    (value, field, report) =>
      value.values === undefined && value.notValues === undefined && value.matches === undefined
        ? report({ field, code: 'entry-empty', message: noValues })
        : value,
    // The name and one of the three. As a rule it would cost too much: it stands in a list of a list of a list.
    { minProperties: 2 },
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

const timeForm = /^(?:([01]\d|2[0-3]):([0-5]\d)|24:00)$/

const timeOfDay = parsed(
  (text) => {
    const [whole, hour = 24, minute = 0] = timeForm.exec(text) ?? []
    if (whole !== undefined) return Number(hour) * 60 + Number(minute)
    throw new OutriderError(
      'time-malformed',
      `a time of day is from 00:00 to 24:00, not ${JSON.stringify(text.slice(0, 100))}`,
    )
  },
  MAX_STRING,
  { pattern: timeForm, maxLength: 5 },
)

const zone = parsed(parseZone, MAX_STRING, { pattern: zoneForm })

const timeEmpty = 'begins when it, or the day, ends; for a whole day leave both out'

const time = andThen(
  object({
    days: optional(list(oneOf(weekdays), { min: 1, max: 7, unique: itselfUnruled })),
    from: withDefault(timeOfDay, 0),
    to: withDefault(timeOfDay, 1440),
    zone: withDefault(zone, 'UTC'),
  }),
  ({ from: fromMinute, to: toMinute, ...rest }, field, report) =>
    fromMinute === toMinute || fromMinute === 1440
      ? report({ field, code: 'time-empty', message: timeEmpty })
      : { ...rest, fromMinute, toMinute },
  {
    rules: [
      {
        rule: "!has(self.from) || self.from != '24:00' && (!has(self.to) || self.to != self.from)",
        message: timeEmpty,
      },
      { rule: "has(self.from) || !has(self.to) || self.to != '00:00'", message: timeEmpty },
    ],
  },
)

const conditionKeys = ['header', 'claim', 'sni', 'time', 'cel'] as const
const valuesElsewhere = 'values, notValues and matches are for header and claim'
const aboutValues = 'has(self.header) || has(self.claim)'
const someValues = 'has(self.values) || has(self.notValues) || has(self.matches)'

const condition: Reader<Condition> = andThen(
  object({
    header: optional(text(parseHeaderName, { pattern: headerNameForm })),
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
        message: valuesElsewhere,
      })
    if (header !== undefined || claim !== undefined) {
      if (!some) return report({ field, code: 'entry-empty', message: noValues })
      return header === undefined ? { claim: claim!, ...match } : { header, ...match }
    }
    if (sni !== undefined) return { sni }
    return time === undefined ? { cel: cel! } : { time }
  },
  {
    rules: [
      {
        rule: `${conditionKeys.map((key) => `(has(self.${key}) ? 1 : 0)`).join(' + ')} == 1`,
        message: `is about one thing; give one of ${conditionKeys.join(', ')}`,
      },
      { rule: `${aboutValues} || !(${someValues})`, message: valuesElsewhere },
      { rule: `!(${aboutValues}) || ${someValues}`, message: noValues },
    ],
  },
)

const rule = object({
  name: optional(label),
  from: conditionOf(source),
  to: conditionOf(operation),
  when: conditionOf(condition),
})

const windowEmpty = 'must be later than notBefore'
const windowUnexplained = 'is required of a policy with a beginning or an end: say why, and who agreed'

const authorizationPolicySpec = andThen(
  object({
    workloads,
    action: oneOf(actions),
    dryRun: withDefault(boolean, false),
    notBefore: optional(timestamp),
    notAfter: optional(timestamp),
    reason: optional(words),
    approver: optional(words),
    rules: listOf(rule, { unique: byOptional('name') }),
  }),
  ({ dryRun, notBefore: notBeforeMs, notAfter: notAfterMs, ...others }, field, report) => {
    const rest = { ...others, ...(dryRun ? { dryRun } : {}) }
    if (notBeforeMs !== undefined && notAfterMs !== undefined && notBeforeMs >= notAfterMs)
      return report({ field: pathOf(field, 'notAfter'), code: 'window-empty', message: windowEmpty })
    if (notBeforeMs === undefined && notAfterMs === undefined) return rest
    for (const key of ['reason', 'approver'] as const)
      if (rest[key] === undefined)
        return report({ field: pathOf(field, key), code: 'field-missing', message: windowUnexplained })
    return {
      ...rest,
      ...(notBeforeMs === undefined ? {} : { notBeforeMs }),
      ...(notAfterMs === undefined ? {} : { notAfterMs }),
    }
  },
  {
    rules: [
      ...(['reason', 'approver'] as const).map((key) => ({
        rule: `has(self.${key}) || !has(self.notBefore) && !has(self.notAfter)`,
        message: `${key} ${windowUnexplained}`,
      })),
      {
        // An offset may lead out of the years that CEL knows, which end with 9999.
        rule: "!has(self.notBefore) || !has(self.notAfter) || self.notBefore.startsWith('9999') || self.notAfter.startsWith('9999') || timestamp(self.notBefore) < timestamp(self.notAfter)",
        message: windowEmpty,
        fieldPath: '.notAfter',
      },
    ],
  },
)

export const authorizationPolicy: Reader<AuthorizationPolicy> = envelope('AuthorizationPolicy', authorizationPolicySpec)
