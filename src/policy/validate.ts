import { type Kind, kinds, type ResolvedResource, type Resource, type Violation } from './model.ts'
import type { Reader } from './schema.ts'
import type { StructuralSchema } from './structural-schema.ts'
import { apiKey, externalAuthorization, requestAuthentication } from './validate/authentication.ts'
import { authorizationPolicy } from './validate/authorization.ts'
import { meshConfig } from './validate/mesh.ts'
import { rateLimit } from './validate/rate-limit.ts'
import { resolvedService, resolvedWorkload, service, storedService, workload } from './validate/service.ts'
import { revocation, trustDomain } from './validate/trust.ts'
import { describe, unknownValue } from './violations.ts'

export { MAX_LIST, MAX_STRING } from './validate/readers.ts'
export { MAX_ENDPOINTS } from './validate/service.ts'

export type Validation<T> =
  | { readonly ok: true; readonly resource: T }
  | { readonly ok: false; readonly violations: readonly Violation[] }

/** Checks a document against the schema of its kind and fills in defaults. Reports everything that is wrong. */
export function validateResource(document: unknown): Validation<Resource> {
  return validate(document, schemas)
}

/** As `validateResource`, for what a control server has stored: its services may have as many endpoints as those of sidecars. */
export function validateStored(document: unknown): Validation<Resource> {
  return validate(document, storedSchemas)
}

/** As `validateResource`, for what goes to a sidecar: services and workloads in their resolved form. */
export function validateResolved(document: unknown): Validation<ResolvedResource> {
  return validate(document, resolvedSchemas)
}

/** What a document of this kind looks like, as far as a schema can say. */
export function documentSchema(kind: Kind): StructuralSchema {
  return schemas[kind].schema
}

function validate<K extends Kind, T>(document: unknown, schemas: Readonly<Record<K, Reader<T>>>): Validation<T> {
  const kind = kindOf(
    document,
    kinds.filter((kind): kind is K => Object.hasOwn(schemas, kind)),
  )
  if (typeof kind !== 'string') return { ok: false, violations: [kind] }
  const violations: Violation[] = []
  const resource = schemas[kind](document, '', (violation) => {
    violations.push(violation)
    return undefined
  })
  return resource === undefined ? { ok: false, violations } : { ok: true, resource }
}

function kindOf<K extends Kind>(document: unknown, kinds: readonly K[]): K | Violation {
  if (typeof document !== 'object' || document === null || Array.isArray(document))
    return { field: '', code: 'type-mismatch', message: `a resource is a mapping, not ${describe(document)}` }
  const kind: unknown = 'kind' in document ? document.kind : undefined
  if (kind === undefined) return { field: 'kind', code: 'field-missing', message: `is required: ${kinds.join(', ')}` }
  return kinds.find((known) => known === kind) ?? { field: 'kind', ...unknownValue(kind, kinds) }
}

const governing = {
  ApiKey: apiKey,
  AuthorizationPolicy: authorizationPolicy,
  ExternalAuthorization: externalAuthorization,
  RateLimit: rateLimit,
  RequestAuthentication: requestAuthentication,
}

const schemas: Readonly<Record<Kind, Reader<Resource>>> = {
  ...governing,
  MeshConfig: meshConfig,
  Revocation: revocation,
  Service: service,
  TrustDomain: trustDomain,
  Workload: workload,
}

const storedSchemas: typeof schemas = { ...schemas, Service: storedService }

const resolvedSchemas: Readonly<Record<ResolvedResource['kind'], Reader<ResolvedResource>>> = {
  ...governing,
  MeshConfig: meshConfig,
  Revocation: revocation,
  Service: resolvedService,
  Workload: resolvedWorkload,
}
