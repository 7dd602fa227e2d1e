import type { ResourceSet } from '../resource-set.ts'
import type { ValueMatch } from '../model.ts'
import { coversPath } from './patterns.ts'
import { type Finding, findingAt, findingOf, type SourceRule } from './finding.ts'

/** What is allowed to write, and is often not meant. */
export function advice(set: ResourceSet, rules: readonly SourceRule[]): readonly Finding[] {
  return [...openWindows(set), ...rules.flatMap((rule) => [...everybody(rule), ...traps(rule), ...literals(rule)])]
}

function everybody(rule: SourceRule): readonly Finding[] {
  const { from, to, when } = rule.rule
  if (rule.policy.spec.action !== 'ALLOW' || from !== undefined || when !== undefined) return []
  const what = to === undefined ? 'everything' : 'what it lists'
  return [
    findingOf(
      rule,
      '',
      'allows-everybody',
      `this rule allows ${what} to everybody, also to callers without an identity`,
      'say who may with from; everybody with an identity of this mesh is from: [{ trustDomains: [...] }]',
    ),
  ]
}

function openWindows(set: ResourceSet): readonly Finding[] {
  return set.sources.flatMap((source) => {
    const { resource } = source
    if (resource.kind !== 'AuthorizationPolicy') return []
    const { notBeforeMs, notAfterMs, action } = resource.spec
    if (notBeforeMs === undefined || notAfterMs !== undefined || action !== 'ALLOW') return []
    return findingAt(
      source,
      'spec.notBefore',
      'window-open',
      'this grant has a beginning and no end',
      'set notAfter, so that it ends by itself',
    )
  })
}

/** Paths that look as if they covered more, or less, than they do. */
function traps(rule: SourceRule): readonly Finding[] {
  const isDeny = rule.policy.spec.action === 'DENY'
  return (rule.rule.to ?? []).flatMap(({ paths = [] }, at) =>
    paths.flatMap((path, index) => {
      const field = `to[${at}].paths[${index}]`
      const exact = path !== '*' && !/[*{]/.test(path)
      const below = path.endsWith('/') ? `${path}{**}` : `${path}/{**}`
      if (isDeny && exact && path !== '/' && !paths.some((other) => coversPath(other, `${path}/x`)))
        return findingOf(
          rule,
          field,
          'prefix-trap',
          `this denies ${path} and neither ${path}/ nor what is below it; many applications take these for the same`,
          `deny ${below}, which is all of it; paths are compared with their case: allowing what is wanted is safer`,
        )
      if (!isDeny && /[^/]\*$/.test(path))
        return findingOf(
          rule,
          field,
          'prefix-too-wide',
          `this matches ${path.slice(0, -1)}x as well as ${path.slice(0, -1)}/x`,
          `write ${path.slice(0, -1)}/{**} for the path and what is below it`,
        )
      return []
    }),
  )
}

function literals(rule: SourceRule): readonly Finding[] {
  const found: Finding[] = []
  const check = ({ matches = [] }: ValueMatch, field: string): void => {
    for (const [index, text] of matches.entries())
      if (!/[\\^$.|?*+()[\]{}]/.test(text))
        found.push(
          findingOf(
            rule,
            `${field}.matches[${index}]`,
            'regex-literal',
            `${JSON.stringify(text)} has nothing of a regular expression: it is this very text`,
            'put it into values, which is faster and says so',
          ),
        )
  }
  for (const [at, source] of (rule.rule.from ?? []).entries())
    for (const [index, claim] of (source.claims ?? []).entries()) check(claim, `from[${at}].claims[${index}]`)
  for (const [index, condition] of (rule.rule.when ?? []).entries())
    if ('header' in condition || 'claim' in condition) check(condition, `when[${index}]`)
  return found
}
