import type { AuthorizationRule, ResolvedResource } from './model.ts'

/** As data: where members are only in another order it says no, which does no harm. */
export function isSameRule(rule: AuthorizationRule, other: AuthorizationRule | undefined): boolean {
  return rule === other || JSON.stringify(rule) === JSON.stringify(other)
}

/**
 * An AuthorizationPolicy that came anew, with the very rules of the one before that stand for the same in the same place: what is
 * new is then little, and soon gone. Other resources are left as they are.
 */
export function withSameRules(resource: ResolvedResource, before: ResolvedResource | undefined): ResolvedResource {
  if (resource.kind !== 'AuthorizationPolicy' || before?.kind !== 'AuthorizationPolicy') return resource
  const known = before.spec.rules
  const rules = resource.spec.rules.map((rule, place) => {
    const other = known[place]
    return other !== undefined && isSameRule(rule, other) ? other : rule
  })
  return { ...resource, spec: { ...resource.spec, rules } }
}
