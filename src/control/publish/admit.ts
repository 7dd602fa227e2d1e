import { isDeepStrictEqual } from 'node:util'
import { spiffeIdOf, type TrustDomain as TrustDomainName } from '../../identity/spiffe-id.ts'
import { OutriderError } from '../../lib/errors.ts'
import { unreachable } from '../../lib/unreachable.ts'
import { compilePolicy, type PolicyInput } from '../../policy/compile.ts'
import {
  type GoverningResource,
  nameOf,
  type Reference,
  type Resource,
  type ResourceName,
  resourceKey,
} from '../../policy/model.ts'
import { validateResource } from '../../policy/validate.ts'
import type { Change, Store } from '../store/store.ts'
import type { Catalogue } from './catalogue.ts'
import type { Mesh } from './mesh.ts'
import { type DocumentViolation, label, type Proposed } from './proposal.ts'
import { resolvedWorkload, visible } from './resolve.ts'
import { identities } from './unique.ts'
import { viewsOf } from './views.ts'

export interface Outcome {
  readonly name: ResourceName
  readonly change: 'created' | 'configured' | 'unchanged'
}

export interface Admitted {
  readonly kind: 'admitted'
  /** What is to be stored; without the documents that change nothing. */
  readonly changes: readonly Change[]
  /** One per document, in their order. */
  readonly outcomes: readonly Outcome[]
}

export interface Refused {
  readonly kind: 'refused'
  readonly violations: readonly DocumentViolation[]
}

export const MAX_DOCUMENTS = 1000
export const MAX_DOCUMENT_BYTES: number = 4 * 1024 * 1024
/** A broken file should not print a book. */
const MAX_VIOLATIONS = 100

/**
 * First stage of the policy path: all documents are valid, name only what exists, and compile in every workload they
 * touch, by the very code that sidecars run; or nothing is admitted. Throws `too-many-documents`,
 * `documents-too-large`, `too-many-resources`.
 */
export function admit(documents: readonly string[], mesh: Mesh): Admitted | Refused {
  checkSize(documents)
  const proposed: Proposed[] = []
  const violations: DocumentViolation[] = []
  for (const [document, text] of documents.entries()) {
    const result = validateResource(parseJson(text))
    if (result.ok) proposed.push({ document, text, resource: result.resource })
    else violations.push(...result.violations.map((violation) => ({ ...violation, document })))
  }
  violations.push(...duplicates(proposed))
  return violations.length > 0 ? refused(violations) : admitResources(proposed, mesh)
}

/** As `admit`, of documents that are read, and differ in their names. `without`: as if these were deleted with it. */
export function admitResources(
  proposed: readonly Proposed[],
  mesh: Mesh,
  without: readonly ResourceName[] = [],
): Admitted | Refused {
  const { catalogue, store, limits } = mesh
  const violations: DocumentViolation[] = []
  const resources = proposed.map(({ resource }) => resource)
  const moved = new Set(resources.filter((resource) => onlyMoves(resource, catalogue.get(nameOf(resource)))))
  catalogue.whatIf(
    resources,
    () => {
      if (catalogue.size > limits.maxResources) {
        throw new OutriderError(
          'too-many-resources',
          `the store would hold ${catalogue.size} resources; the limit is ${limits.maxResources}`,
        )
      }
      violations.push(...references(proposed, catalogue), ...identities(proposed, catalogue, limits.trustDomain))
      if (violations.length > 0) return
      violations.push(
        ...compilation(
          proposed.filter(({ resource }) => !moved.has(resource)),
          mesh,
        ),
      )
    },
    without,
  )
  return violations.length > 0 ? refused(violations) : { kind: 'admitted', ...compare(proposed, store) }
}

function refused(violations: readonly DocumentViolation[]): Refused {
  return { kind: 'refused', violations: violations.slice(0, MAX_VIOLATIONS) }
}

/** Where a service is found has no part in whether it can be compiled; and it changes all the time. */
function onlyMoves(resource: Resource, before: Resource | undefined): boolean {
  if (resource.kind !== 'Service' || before?.kind !== 'Service') return false
  const { endpoints: _, ...rest } = resource.spec
  const { endpoints: __, ...restBefore } = before.spec
  return isDeepStrictEqual(rest, restBefore)
}

/** Refuses to take away a workload that another resource names. Throws `resource-in-use`. */
export function admitDeletion(name: ResourceName, { catalogue }: Mesh): void {
  if (name.kind !== 'Workload') return
  const users = [...catalogue.namersOf(name)].map((resource) => label(nameOf(resource)))
  if (users.length === 0) return
  const more = users.length > 3 ? ` and ${users.length - 3} more` : ''
  throw new OutriderError('resource-in-use', `${label(name)} is named by ${users.slice(0, 3).join(', ')}${more}`)
}

function checkSize(documents: readonly string[]): void {
  if (documents.length > MAX_DOCUMENTS) {
    throw new OutriderError('too-many-documents', `${documents.length} documents; one call takes ${MAX_DOCUMENTS}`)
  }
  const bytes = documents.reduce((sum, text) => sum + Buffer.byteLength(text), 0)
  if (bytes > MAX_DOCUMENT_BYTES) {
    throw new OutriderError('documents-too-large', `${bytes} bytes; one call takes ${MAX_DOCUMENT_BYTES}`)
  }
}

/** `undefined`, which no schema accepts, for what is not JSON: `validateResource` then says so. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function* duplicates(proposed: readonly Proposed[]): Generator<DocumentViolation> {
  const first = new Map<string, number>()
  for (const { document, resource } of proposed) {
    const key = resourceKey(nameOf(resource))
    const other = first.get(key)
    if (other === undefined) first.set(key, document)
    else {
      const message = `${label(nameOf(resource))} is given twice: also as document ${other + 1}`
      yield { document, field: 'metadata.name', code: 'duplicate-resource', message }
    }
  }
}

/** A policy that governs nobody and a service that nobody may serve are typing errors with consequences. */
function* references(proposed: readonly Proposed[], catalogue: Catalogue): Generator<DocumentViolation> {
  for (const { document, resource } of proposed) {
    for (const [index, reference] of namedWorkloads(resource).entries()) {
      if (catalogue.workload(reference) !== undefined) continue
      const message = `there is no Workload ${reference.namespace}/${reference.name}: apply it before, or in the same call`
      yield { document, field: `spec.workloads[${index}]`, code: 'reference-not-found', message }
    }
  }
}

function namedWorkloads(resource: Resource): readonly Reference[] {
  switch (resource.kind) {
    case 'MeshConfig':
    case 'Revocation':
    case 'TrustDomain':
    case 'Workload':
      return []
    case 'Service':
      return resource.spec.workloads
    case 'ApiKey':
    case 'AuthorizationPolicy':
    case 'ExternalAuthorization':
    case 'RateLimit':
    case 'RequestAuthentication':
      return resource.spec.workloads.map((name) => ({ namespace: resource.metadata.namespace, name }))
    default:
      return unreachable(resource)
  }
}

function* compilation(proposed: readonly Proposed[], mesh: Mesh): Generator<DocumentViolation> {
  const documents = new Map(proposed.map(({ document, resource }) => [resourceKey(nameOf(resource)), document]))
  const seen = new Set<string>()
  for (const input of compilerInputs(proposed, mesh)) {
    for (const { resource, field, code, message } of compilePolicy(input).violations) {
      const key = resourceKey(resource)
      // The same fault shows to every workload that sees the resource.
      if (seen.has(`${key} ${field} ${code}`)) continue
      seen.add(`${key} ${field} ${code}`)
      const document = documents.get(key)
      if (document === undefined) {
        yield { document: 0, field: '', code, message: `${label(resource)} would break: ${field}: ${message}` }
      } else yield { document, field, code, message }
    }
  }
}

/**
 * What sidecars will compile, without repetition: a policy or limit compiles alike in every workload it governs, and services in all
 * workloads of one view. A mesh with thousands of workloads thus costs what one of them does.
 */
function* compilerInputs(
  proposed: readonly Proposed[],
  { catalogue, limits: { trustDomain } }: Mesh,
): Generator<PolicyInput> {
  const changed: Resource[] = []
  for (const { resource } of proposed) {
    if (resource.kind === 'Service' || resource.kind === 'Workload') changed.push(resource)
    else if (resource.kind !== 'Revocation' && resource.kind !== 'TrustDomain' && resource.kind !== 'MeshConfig')
      yield governedInput(resource, trustDomain)
  }
  for (const workload of viewsOf(changed, catalogue)) {
    yield { workload: resolvedWorkload(workload), policies: [], limits: [], services: visible(workload, catalogue) }
  }
}

function governedInput(resource: GoverningResource, trustDomain: TrustDomainName): PolicyInput {
  const { namespace } = resource.metadata
  const workload: PolicyInput['workload'] = {
    kind: 'Workload',
    metadata: { namespace, name: resource.spec.workloads[0] ?? 'any' },
    spec: { spiffeId: spiffeIdOf(trustDomain, '/any') },
  }
  const input: PolicyInput = { workload, policies: [], limits: [], services: [] }
  switch (resource.kind) {
    case 'ApiKey':
      return { ...input, apiKeys: [resource] }
    case 'AuthorizationPolicy':
      return { ...input, policies: [resource] }
    case 'ExternalAuthorization':
      return { ...input, external: [resource] }
    case 'RateLimit':
      return { ...input, limits: [resource] }
    case 'RequestAuthentication':
      return { ...input, authentications: [resource] }
    default:
      return unreachable(resource)
  }
}

function compare(
  proposed: readonly Proposed[],
  store: Store,
): { changes: readonly Change[]; outcomes: readonly Outcome[] } {
  const changes: Change[] = []
  const outcomes: Outcome[] = []
  for (const { text, resource } of proposed) {
    const name = nameOf(resource)
    const present = store.get(name)
    if (present !== undefined && isDeepStrictEqual(JSON.parse(present.document), JSON.parse(text))) {
      outcomes.push({ name, change: 'unchanged' })
      continue
    }
    outcomes.push({ name, change: present === undefined ? 'created' : 'configured' })
    changes.push({ kind: 'put', resource, document: text })
  }
  return { changes, outcomes }
}
