import { brokenPlan, planLimit } from '../ratelimit/plan.ts'
import { compileOperations } from './compile/operation.ts'
import { type CompiledLimit, LimitTable } from './limits.ts'
import { type Metadata, nameOf, type RateLimit, type ResourceViolation, resourceKey, type Violation } from './model.ts'

/** A RateLimit that could not be read has no spec: it limits to zero, as one that cannot be compiled. */
type MaybeRateLimit = RateLimit | { readonly kind: string; readonly metadata: Metadata; readonly spec?: never }

/** The order does not depend on the order of arrival, so that all sidecars do the same. */
export function compileLimits(resources: readonly MaybeRateLimit[]): {
  readonly table: LimitTable
  readonly violations: readonly ResourceViolation[]
} {
  const violations: ResourceViolation[] = []
  const sorted = resources.toSorted((a, b) => (labelOf(a) < labelOf(b) ? -1 : 1))
  const limits = sorted.flatMap((resource) => {
    if (resource.spec === undefined) return [brokenLimit(resource)]
    const found: Violation[] = []
    const compiled = limitsOf(resource, found)
    violations.push(...found.map((violation) => ({ ...violation, resource: nameOf(resource) })))
    return found.length === 0 ? compiled : [brokenLimit(resource)]
  })
  return { table: new LimitTable(limits), violations }
}

function labelOf({ kind, metadata }: MaybeRateLimit): string {
  return resourceKey({ kind, ...metadata })
}

function brokenLimit(resource: MaybeRateLimit): CompiledLimit {
  return { plan: brokenPlan(labelOf(resource)), to: undefined }
}

function limitsOf(resource: RateLimit, violations: Violation[]): CompiledLimit[] {
  return resource.spec.limits.map(({ name, key, requests, perMs, burst, to }, index) => {
    const field = `spec.limits[${index}]`
    for (const [part, value] of Object.entries({ requests, perMs, burst }))
      if (!Number.isSafeInteger(value) || value < 1)
        violations.push({
          field: `${field}.${part === 'perMs' ? 'per' : part}`,
          code: 'number-out-of-range',
          message: `a whole number from 1, not ${value}`,
        })
    return {
      plan: planLimit({ scope: labelOf(resource), name, key, requests, perMs, burst }),
      // A limit on what a request does not say counts it not.
      to: compileOperations(to, field, false, violations),
    }
  })
}
