import type { Place } from '../document.ts'
import { nameOf } from '../model.ts'
import { ruleName } from '../decision.ts'
import type { SourceResource } from '../resource-set.ts'
import type { PlacedRule } from './covers.ts'

export const lintCodes = {
  /** Its conditions contradict each other: it can match nothing. */
  'rule-dead': 'warning',
  /** Its policy has ended. */
  'policy-expired': 'warning',
  /** A DENY rule matches whenever it does: it allows nothing. */
  'rule-denied': 'warning',
  /** An ALLOW and a DENY rule match exactly the same. */
  'rule-contradicted': 'error',
  /** Another rule of its action matches whenever it does: without it nothing would change. */
  'rule-shadowed': 'warning',
  /** It allows everybody everything. */
  'allows-everybody': 'warning',
  'workload-missing': 'error',
  /** A workload that no ALLOW rule governs: every call is denied. */
  'workload-without-policy': 'info',
  'namespace-unknown': 'warning',
  'service-account-unknown': 'warning',
  'spiffe-id-unknown': 'warning',
  /** Layer-7 conditions on a port that carries TCP. */
  'layer7-on-tcp': 'error',
  'issuer-not-accepted': 'warning',
  'tokens-not-accepted': 'warning',
  'api-key-owner-unknown': 'warning',
  'window-open': 'info',
  'regex-literal': 'info',
  'host-unknown': 'warning',
  'prefix-trap': 'warning',
  'prefix-too-wide': 'warning',
} as const
export type LintCode = keyof typeof lintCodes
export type LintLevel = 'error' | 'warning' | 'info'

/** Something about a set of resources that its author hardly wants. */
export interface Finding extends Place {
  readonly file: string
  readonly field: string
  readonly code: LintCode
  readonly level: LintLevel
  readonly message: string
  /** What to do about it. */
  readonly hint: string
  /** `namespace/policy/rule`, of findings about a rule. */
  readonly rule?: string
}

/** A rule of a set, with the document that it stands in. */
export interface SourceRule extends PlacedRule {
  readonly source: SourceResource
  /** `namespace/policy/rule`. */
  readonly name: string
  /** `spec.rules[0]`. */
  readonly field: string
}

export function rulesOf(sources: readonly SourceResource[]): readonly SourceRule[] {
  return sources.flatMap((source) => {
    const { resource } = source
    if (resource.kind !== 'AuthorizationPolicy') return []
    return resource.spec.rules.map((rule, index) => ({
      policy: resource,
      rule,
      index,
      source,
      name: ruleName({ policy: nameOf(resource), rule: rule.name ?? `rules[${index}]` }),
      field: `spec.rules[${index}]`,
    }))
  })
}

export function findingAt(
  source: SourceResource,
  field: string,
  code: LintCode,
  message: string,
  hint: string,
  rule?: string,
): Finding {
  const { file, document } = source
  const place = document.locate(field)
  return { file, ...place, field, code, level: lintCodes[code], message, hint, ...(rule === undefined ? {} : { rule }) }
}

/** `field` is below the rule; empty: the rule itself. */
export function findingOf(rule: SourceRule, field: string, code: LintCode, message: string, hint: string): Finding {
  return findingAt(rule.source, field === '' ? rule.field : `${rule.field}.${field}`, code, message, hint, rule.name)
}
