import { isoOf, timestampOf } from '../../lib/protobuf-time.ts'
import { unreachable } from '../../lib/unreachable.ts'
import type {
  AuthorizationPolicySpec,
  AuthorizationPolicySpec__Output,
} from '../../wire/outrider/policy/v1/AuthorizationPolicySpec.ts'
import type { AuthorizationRule, AuthorizationRule__Output } from '../../wire/outrider/policy/v1/AuthorizationRule.ts'
import type { Condition, Condition__Output } from '../../wire/outrider/policy/v1/Condition.ts'
import type { OperationMatch, OperationMatch__Output } from '../../wire/outrider/policy/v1/OperationMatch.ts'
import type { SourceMatch, SourceMatch__Output } from '../../wire/outrider/policy/v1/SourceMatch.ts'
import type { ValueMatch, ValueMatch__Output } from '../../wire/outrider/policy/v1/ValueMatch.ts'
import type * as model from '../model.ts'
import { fieldCount, ownFieldCount, present } from './presence.ts'

const actions = { ALLOW: 'ACTION_ALLOW', DENY: 'ACTION_DENY', AUDIT: 'ACTION_AUDIT' } as const satisfies Record<
  model.Action,
  string
>

export function policyToWire(spec: model.AuthorizationPolicy['spec']): AuthorizationPolicySpec {
  const { workloads, action, dryRun = false, notBeforeMs, notAfterMs, reason = '', approver = '', rules } = spec
  const message = {
    workloads: [...workloads],
    action: actions[action],
    dryRun,
    notBefore: notBeforeMs === undefined ? null : timestampOf(notBeforeMs),
    notAfter: notAfterMs === undefined ? null : timestampOf(notAfterMs),
    reason,
    approver,
    rules: rules.map(ruleToWire),
  }
  return { ...message, fieldCount: ownFieldCount(message) }
}

function ruleToWire({ name = '', from = [], to = [], when = [] }: model.AuthorizationRule): AuthorizationRule {
  const message = {
    name,
    from: from.map(sourceToWire),
    to: to.map(operationToWire),
    when: when.map(conditionToWire),
  }
  return { ...message, fieldCount: fieldCount(message) }
}

function sourceToWire({ claims = [], ...lists }: model.SourceMatch): SourceMatch {
  return { ...copied(lists), claims: claims.map(({ claim, ...match }) => valueToWire(claim, match)) }
}

export function operationToWire(operation: model.OperationMatch): OperationMatch {
  return copied(operation)
}

/** The fields of the message have the names of the model. */
function copied<T extends object>(
  lists: T,
): { -readonly [K in keyof T]: T[K] extends readonly (infer E)[] | undefined ? E[] : never } {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- every member is a list
  return Object.fromEntries(Object.entries(lists).map(([name, list]) => [name, [...list]])) as ReturnType<
    typeof copied<T>
  >
}

function valueToWire(name: string, { values = [], notValues = [], matches = [] }: model.ValueMatch): ValueMatch {
  return { name, values: [...values], notValues: [...notValues], matches: [...matches] }
}

function conditionToWire(condition: model.Condition): Condition {
  if ('header' in condition) return { header: valueToWire(condition.header, condition) }
  if ('claim' in condition) return { claim: valueToWire(condition.claim, condition) }
  if ('sni' in condition) return { sni: { names: [...condition.sni] } }
  if ('cel' in condition) return { cel: condition.cel }
  const { days = [], ...time } = condition.time
  return { time: { days: [...days], ...time } }
}

export function actionOf(action: AuthorizationPolicySpec__Output['action'] | undefined): model.Action | undefined {
  return action === actions.ALLOW
    ? 'ALLOW'
    : action === actions.DENY
      ? 'DENY'
      : action === actions.AUDIT
        ? 'AUDIT'
        : undefined
}

/** As a document; `undefined` when there is more in the message than this version knows, which leaves the whole unreadable. */
export function policyDocument(message: AuthorizationPolicySpec__Output): unknown {
  const { workloads, action, dryRun, notBefore, notAfter, reason, approver, rules, fieldCount } = message
  if (ownFieldCount(message) < fieldCount) return undefined
  return {
    workloads,
    action: actionOf(action),
    dryRun,
    ...present({ notBefore: isoOf(notBefore), notAfter: isoOf(notAfter), reason, approver }),
    rules: rules.map(ruleDocument),
  }
}

/** The places of the rules with conditions that this version does not know. */
export function unknownRules({ rules }: AuthorizationPolicySpec__Output): ReadonlySet<number> {
  return new Set(rules.flatMap((rule, index) => (isUnknown(rule) ? [index] : [])))
}

function isUnknown(rule: AuthorizationRule__Output): boolean {
  return fieldCount(rule) < rule.fieldCount || rule.when.some(({ condition }) => condition === undefined)
}

function ruleDocument(rule: AuthorizationRule__Output): unknown {
  const { name, from, to, when } = rule
  const unknown = isUnknown(rule)
  return present({
    name,
    from: legible(from.map(sourceDocument), unknown),
    to: legible(to.map(operationDocument), unknown),
    when: when.flatMap((condition) => conditionDocument(condition) ?? []),
  })
}

/** An entry of which nothing can be read may match anything, and so may then the list. */
function legible(entries: readonly object[], unknown: boolean): readonly object[] {
  return unknown && entries.some((entry) => Object.keys(entry).length === 0) ? [] : entries
}

function sourceDocument({ claims, ...lists }: SourceMatch__Output): object {
  return { ...present(lists), ...present({ claims: claims.map((match) => valueDocument('claim', match)) }) }
}

export function operationDocument(operation: OperationMatch__Output): object {
  return present(operation)
}

function valueDocument(key: 'header' | 'claim', { name, ...match }: ValueMatch__Output): object {
  return { [key]: name, ...present(match) }
}

function conditionDocument({ condition, header, claim, sni, time, cel }: Condition__Output): object | undefined {
  switch (condition) {
    case 'header':
      return valueDocument('header', header!)
    case 'claim':
      return valueDocument('claim', claim!)
    case 'sni':
      return { sni: sni!.names }
    case 'cel':
      return { cel }
    case 'time': {
      const { days, fromMinute, toMinute, zone } = time!
      return { time: { ...present({ days, zone }), from: timeText(fromMinute), to: timeText(toMinute) } }
    }
    case undefined:
      return undefined
    default:
      return unreachable(condition)
  }
}

function timeText(minutes: number): string {
  return [Math.floor(minutes / 60), minutes % 60].map((part) => String(part).padStart(2, '0')).join(':')
}
