import { contradictionsOf } from './contradictions.ts'
import { CoverIndex } from './cover-index.ts'
import { coversRule } from './covers.ts'
import { type Finding, findingOf, type SourceRule } from './finding.ts'

/**
 * Rules that decide nothing from `nowMs` on, each with the reason. Every one of them is proven: it can be taken out, and all of them
 * together, without a change of any decision. Of `rule-shadowed` another rule may be named for the same decision then; the others
 * are never named.
 */
export function undeciding(rules: readonly SourceRule[], nowMs: number): readonly Finding[] {
  const findings: Finding[] = []
  const alive = new Set(rules)
  for (const rule of rules) {
    const finding = deadBy(rule, nowMs)
    if (finding === undefined) continue
    findings.push(finding)
    alive.delete(rule)
  }
  const shadows = new Shadows(alive)
  // The later of two equal rules is the one that goes. A rule is only taken out for one that stays so far: what that one is
  // taken out for later covers both.
  for (const rule of [...alive].toReversed()) {
    const finding = shadows.findingFor(rule)
    if (finding === undefined) continue
    findings.push(finding)
    shadows.remove(rule)
  }
  return findings
}

function deadBy(rule: SourceRule, nowMs: number): Finding | undefined {
  const { action, notAfterMs } = rule.policy.spec
  if (notAfterMs !== undefined && notAfterMs <= nowMs) {
    const ended = new Date(notAfterMs).toISOString()
    return findingOf(
      rule,
      '',
      'policy-expired',
      `its policy ended at ${ended}`,
      'take the policy out, or set notAfter anew',
    )
  }
  const contradiction = contradictionsOf(rule.rule).find(({ layer7 }) => !layer7 || action === 'ALLOW')
  if (contradiction === undefined) return undefined
  const { field, message } = contradiction
  return findingOf(
    rule,
    field,
    'rule-dead',
    `this rule can match nothing: ${message}`,
    'correct the condition, or take the rule out',
  )
}

class Shadows {
  readonly #index: CoverIndex

  constructor(rules: Iterable<SourceRule>) {
    this.#index = new CoverIndex(rules)
  }

  remove(rule: SourceRule): void {
    this.#index.remove(rule)
  }

  findingFor(rule: SourceRule): Finding | undefined {
    const { action } = rule.policy.spec
    // Each AUDIT rule that matches is recorded: none stands in for another.
    if (action === 'AUDIT') return undefined
    let shadowing: SourceRule | undefined
    for (const other of this.#index.mayCover(rule)) {
      if (other === rule) continue
      const isDeny = other.policy.spec.action === 'DENY'
      if (!isDeny && other.policy.spec.action !== action) continue
      if (!coversRule(other, rule)) continue
      if (isDeny && action === 'ALLOW') return denied(rule, other)
      shadowing ??= other
    }
    return shadowing === undefined
      ? undefined
      : findingOf(
          rule,
          '',
          'rule-shadowed',
          `${shadowing.name} ${action === 'ALLOW' ? 'allows' : 'denies'} all that this rule does`,
          'take one of the two out, or make it narrower',
        )
  }
}

function denied(rule: SourceRule, other: SourceRule): Finding {
  return coversRule(rule, other)
    ? findingOf(
        rule,
        '',
        'rule-contradicted',
        `${other.name} denies exactly what this rule allows`,
        'DENY wins: take one of the two out',
      )
    : findingOf(
        rule,
        '',
        'rule-denied',
        `${other.name} denies all that this rule allows`,
        'DENY wins: take the rule out, or make the other one narrower',
      )
}
