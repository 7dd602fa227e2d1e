import { type SpiffeId, trustDomainOf } from '../identity/spiffe-id.ts'
import type { CompiledPolicy, PolicyInput } from './compile.ts'
import { compilePolicy } from './compile.ts'
import type { ParsedDocument, Place } from './document.ts'
import {
  type GoverningResource,
  nameOf,
  type Reference,
  type ResolvedWorkload,
  type Resource,
  type ResourceName,
  resourceKey,
  type Violation,
  type Workload,
} from './model.ts'
import { validateResource } from './validate.ts'

/** A document and the file that it stands in. */
export interface SourceDocument {
  readonly file: string
  readonly document: ParsedDocument
}

export interface SourceResource extends SourceDocument {
  readonly resource: Resource
}

/** What is wrong, and where to look. */
export interface LocatedViolation extends Violation, Place {
  readonly file: string
}

/** Resources that nobody has applied yet, or a copy of those that somebody has: what the offline tools ask. */
export interface ResourceSet {
  readonly sources: readonly SourceResource[]
  readonly workloads: readonly Workload[]
  find(name: ResourceName): SourceResource | undefined
  workload(reference: Reference): Workload | undefined
  /** With this identity. */
  workloadOf(id: SpiffeId): Workload | undefined
}

/** Validates every document. What is not valid is left out of the set and stands in `violations`. */
export function readResourceSet(documents: readonly SourceDocument[]): {
  readonly set: ResourceSet
  readonly violations: readonly LocatedViolation[]
} {
  const violations: LocatedViolation[] = []
  const byKey = new Map<string, SourceResource>()
  for (const source of documents) {
    const result = validateResource(source.document.value)
    if (!result.ok) {
      violations.push(...result.violations.map((violation) => located(source, violation)))
      continue
    }
    const key = resourceKey(nameOf(result.resource))
    const first = byKey.get(key)
    if (first === undefined) byKey.set(key, { ...source, resource: result.resource })
    else {
      const { line } = first.document.locate('')
      const message = `${key} is given twice: also in ${first.file}, line ${line}`
      violations.push(located(source, { field: 'metadata.name', code: 'duplicate-resource', message }))
    }
  }
  return { set: setOf([...byKey.values()], byKey), violations }
}

export function located({ file, document }: SourceDocument, violation: Violation): LocatedViolation {
  return { ...violation, file, ...document.locate(violation.field) }
}

function setOf(sources: readonly SourceResource[], byKey: ReadonlyMap<string, SourceResource>): ResourceSet {
  const workloads = sources.flatMap(({ resource }) => (resource.kind === 'Workload' ? [resource] : []))
  const byId = new Map(workloads.map((workload) => [workload.spec.spiffeId, workload]))
  return {
    sources,
    workloads,
    find: (name) => byKey.get(resourceKey(name)),
    workload: (reference) => {
      const found = byKey.get(resourceKey({ kind: 'Workload', ...reference }))?.resource
      return found?.kind === 'Workload' ? found : undefined
    },
    workloadOf: (id) => byId.get(id),
  }
}

export function resolvedWorkload({ kind, metadata, spec }: Workload): ResolvedWorkload {
  return { kind, metadata, spec: { spiffeId: spec.spiffeId } }
}

/** The trust domain of the set's workloads; `undefined` when it has none. */
export function trustDomainOfSet({ workloads: [first] }: ResourceSet): ReturnType<typeof trustDomainOf> | undefined {
  return first === undefined ? undefined : trustDomainOf(first.spec.spiffeId)
}

/** Do these resources govern that workload? */
export function governs({ metadata, spec }: GoverningResource, workload: Reference): boolean {
  return (
    metadata.namespace === workload.namespace && (spec.workloads.length === 0 || spec.workloads.includes(workload.name))
  )
}

/** What the sidecar of `workload` would be sent, but for the services that it may call. */
export function policyInput(resources: readonly Resource[], workload: ResolvedWorkload): PolicyInput {
  const of = <K extends Resource['kind']>(kind: K): Extract<Resource, { kind: K }>[] =>
    resources.filter((resource): resource is Extract<Resource, { kind: K }> => resource.kind === kind)
  return {
    workload,
    policies: of('AuthorizationPolicy'),
    limits: of('RateLimit'),
    services: [],
    revocations: of('Revocation'),
    authentications: of('RequestAuthentication'),
    apiKeys: of('ApiKey'),
    external: of('ExternalAuthorization'),
  }
}

/**
 * Compiles what governs `workload` with the code that sidecars run. What cannot be compiled is in `violations`, where
 * admission would have found it.
 */
export function compileFor(
  sources: readonly SourceResource[],
  workload: ResolvedWorkload,
): { readonly policy: CompiledPolicy; readonly violations: readonly LocatedViolation[] } {
  const resources = sources.map(({ resource }) => resource)
  const { policy, violations } = compilePolicy(policyInput(resources, workload))
  const byKey = new Map(sources.map((source) => [resourceKey(nameOf(source.resource)), source]))
  return {
    policy,
    violations: violations.flatMap(({ resource, ...violation }) => {
      const source = byKey.get(resourceKey(resource))
      return source === undefined ? [] : [located(source, violation)]
    }),
  }
}

/**
 * What no document shows by itself: each resource is compiled once, for the first workload that it governs. Those that govern none are
 * for lint.
 */
export function uncompilable(set: ResourceSet): readonly LocatedViolation[] {
  const waiting = new Set(set.sources.filter(isGoverning))
  return set.workloads.flatMap((workload) => {
    const mine = [...waiting].filter(({ resource }) => governs(resource, workload.metadata))
    for (const source of mine) waiting.delete(source)
    return mine.length === 0 ? [] : compileFor(mine, resolvedWorkload(workload)).violations
  })
}

export type GoverningSource = SourceResource & { readonly resource: GoverningResource }

export function isGoverning(source: SourceResource): source is GoverningSource {
  return source.resource.kind !== 'Service' && 'workloads' in source.resource.spec
}
