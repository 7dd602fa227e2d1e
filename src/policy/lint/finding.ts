import type { Place } from '../document.ts'
import { nameOf } from '../model.ts'
import { ruleName } from '../decision.ts'
import type { SourceResource } from '../resource-set.ts'
import type { PlacedRule } from './covers.ts'

export type LintLevel = 'error' | 'warning' | 'info'

/** Everything that lint finds; `doc` is for the reference page. */
export const lintRules = {
  'rule-dead': { level: 'warning', doc: 'The conditions of the rule contradict each other: it can match nothing.' },
  'policy-expired': { level: 'warning', doc: 'The `notAfter` of the policy is over.' },
  'rule-denied': { level: 'warning', doc: 'A DENY rule matches whenever this ALLOW rule does: it allows nothing.' },
  'rule-contradicted': { level: 'error', doc: 'An ALLOW rule and a DENY rule match exactly the same.' },
  'rule-shadowed': {
    level: 'warning',
    doc: 'Another rule of the same action matches whenever this one does: without it no decision would change.',
  },
  'allows-everybody': { level: 'warning', doc: 'An ALLOW rule with neither `from` nor `when`.' },
  'workload-missing': { level: 'error', doc: 'There is no Workload of a name in `workloads`.' },
  'workload-without-policy': { level: 'info', doc: 'No ALLOW rule governs the Workload: every call to it is denied.' },
  'namespace-unknown': { level: 'warning', doc: 'No Workload is of that namespace.' },
  'service-account-unknown': { level: 'warning', doc: 'No Workload is of that service account.' },
  'spiffe-id-unknown': { level: 'warning', doc: 'No Workload has that SPIFFE ID of our own trust domain.' },
  'layer7-on-tcp': {
    level: 'error',
    doc: 'A rule asks for methods, paths, hosts, headers, tokens or keys at a port that a Service declares as TCP: in ALLOW it allows no connection there, in DENY it denies every one.',
  },
  'issuer-not-accepted': {
    level: 'warning',
    doc: 'No RequestAuthentication of these workloads takes tokens of that issuer.',
  },
  'tokens-not-accepted': {
    level: 'warning',
    doc: 'No RequestAuthentication of these workloads takes any token, or any API key.',
  },
  'api-key-owner-unknown': { level: 'warning', doc: 'No ApiKey of the namespace has that owner.' },
  'window-open': { level: 'info', doc: 'A grant has a `notBefore` and no `notAfter`.' },
  'regex-literal': { level: 'info', doc: 'A regular expression without any operator.' },
  'host-unknown': { level: 'warning', doc: 'No Service has that host name.' },
  'prefix-trap': { level: 'warning', doc: 'A DENY rule names a path, and not what is below it.' },
  'prefix-too-wide': {
    level: 'warning',
    doc: 'An ALLOW or AUDIT rule has a prefix that ends in the middle of a word.',
  },
} as const
export type LintCode = keyof typeof lintRules

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
  return {
    file,
    ...place,
    field,
    code,
    level: lintRules[code].level,
    message,
    hint,
    ...(rule === undefined ? {} : { rule }),
  }
}

/** `field` is below the rule; empty: the rule itself. */
export function findingOf(rule: SourceRule, field: string, code: LintCode, message: string, hint: string): Finding {
  return findingAt(rule.source, field === '' ? rule.field : `${rule.field}.${field}`, code, message, hint, rule.name)
}
