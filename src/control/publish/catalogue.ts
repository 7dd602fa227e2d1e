import type { SpiffeId } from '../../identity/spiffe-id.ts'
import type { Revocations } from '../../identity/revocation.ts'
import { compileRevocations } from '../../policy/revocations.ts'
import { unreachable } from '../../lib/unreachable.ts'
import {
  type GoverningResource,
  matchesReference,
  type MeshConfig,
  nameOf,
  type Reference,
  type Resource,
  type ResourceName,
  resourceKey,
  type Revocation,
  type Service,
  type TrustDomain,
  type Workload,
} from '../../policy/model.ts'
import type { Change } from '../store/store.ts'

/** What governs a workload, as a name in an index: `namespace/name`, or `namespace/` for a whole namespace. */
type Selector = string

/**
 * The resources of the mesh with the questions that publishing asks already answered: which workload has this identity,
 * what governs it, which services may it call, which services does it serve. Kept current one resource at a time.
 */
export class Catalogue {
  readonly #resources = new Map<string, Resource>()
  /** More than one only while a proposal is looked at that will be refused for it. */
  readonly #workloadsById = new Map<SpiffeId, readonly Workload[]>()
  readonly #governing = new Index<GoverningResource>()
  readonly #revocations = new Map<string, Revocation>()
  /** Absent after a change, until it is asked for. */
  #revoked: Revocations | undefined
  readonly #trustDomains = new Map<string, TrustDomain>()
  readonly #meshConfigs = new Map<string, MeshConfig>()
  readonly #services = new Index<Service>()
  readonly #servicesOfWorkload = new Index<Service>()

  constructor(resources: Iterable<Resource> = []) {
    for (const resource of resources) this.put(resource)
  }

  /** Takes over what the store has committed. */
  follow(changes: readonly Change[]): void {
    for (const change of changes) {
      if (change.kind === 'put') this.put(change.resource)
      else this.delete(change.name)
    }
  }

  get size(): number {
    return this.#resources.size
  }

  get(name: ResourceName): Resource | undefined {
    return this.#resources.get(resourceKey(name))
  }

  put(resource: Resource): void {
    this.delete(nameOf(resource))
    const key = resourceKey(nameOf(resource))
    this.#resources.set(key, resource)
    switch (resource.kind) {
      case 'Workload':
        this.#claim(resource.spec.spiffeId, [...(this.#workloadsById.get(resource.spec.spiffeId) ?? []), resource])
        break
      case 'Service':
        this.#services.add(key, resource, [`${resource.metadata.namespace}/`, selector(resource.metadata), EVERYTHING])
        this.#servicesOfWorkload.add(key, resource, resource.spec.workloads.map(selector))
        break
      case 'ApiKey':
      case 'AuthorizationPolicy':
      case 'ExternalAuthorization':
      case 'RateLimit':
      case 'RequestAuthentication':
        this.#governing.add(key, resource, governed(resource))
        break
      case 'Revocation':
        this.#revocations.set(key, resource)
        this.#revoked = undefined
        break
      case 'TrustDomain':
        this.#trustDomains.set(key, resource)
        break
      case 'MeshConfig':
        this.#meshConfigs.set(key, resource)
        break
    }
  }

  delete(name: ResourceName): void {
    const key = resourceKey(name)
    const resource = this.#resources.get(key)
    if (resource === undefined) return
    this.#resources.delete(key)
    switch (resource.kind) {
      case 'Workload':
        this.#claim(
          resource.spec.spiffeId,
          this.#workloadsById.get(resource.spec.spiffeId)?.filter((other) => other !== resource) ?? [],
        )
        break
      case 'Service':
        this.#services.delete(key)
        this.#servicesOfWorkload.delete(key)
        break
      case 'ApiKey':
      case 'AuthorizationPolicy':
      case 'ExternalAuthorization':
      case 'RateLimit':
      case 'RequestAuthentication':
        this.#governing.delete(key)
        break
      case 'Revocation':
        this.#revocations.delete(key)
        this.#revoked = undefined
        break
      case 'TrustDomain':
        this.#trustDomains.delete(key)
        break
      case 'MeshConfig':
        this.#meshConfigs.delete(key)
        break
    }
  }

  /** Answers `question` about the catalogue as it would be with `proposed` in it, and not `without`; afterwards all is as before. */
  whatIf<T>(proposed: readonly Resource[], question: () => T, without: readonly ResourceName[] = []): T {
    const names = [...proposed.map(nameOf), ...without]
    const before = names.map((name) => this.get(name))
    try {
      for (const name of without) this.delete(name)
      for (const resource of proposed) this.put(resource)
      return question()
    } finally {
      for (const name of names) this.delete(name)
      for (const resource of before) if (resource !== undefined) this.put(resource)
    }
  }

  workload(reference: Reference): Workload | undefined {
    const found = this.#resources.get(resourceKey({ kind: 'Workload', ...pick(reference) }))
    return found?.kind === 'Workload' ? found : undefined
  }

  /** Another workload that has the identity of this one. */
  identityConflict({ metadata, spec }: Workload): Workload | undefined {
    const claims = this.#workloadsById.get(spec.spiffeId) ?? []
    return claims.find((other) => selector(other.metadata) !== selector(metadata))
  }

  workloadOf(id: SpiffeId): Workload | undefined {
    return this.#workloadsById.get(id)?.[0]
  }

  services(): Iterable<Service> {
    return this.#services.get(EVERYTHING)
  }

  *workloads(): Iterable<Workload> {
    for (const claims of this.#workloadsById.values()) yield* claims
  }

  /** The policies, limits and so on that select this workload. */
  governing(workload: Reference): GoverningResource[] {
    const { namespace } = workload
    return [...this.#governing.get(`${namespace}/`), ...this.#governing.get(selector(workload))]
  }

  /** They are for everybody. */
  revocations(): Iterable<Revocation> {
    return this.#revocations.values()
  }

  /** What holds for the whole mesh: one at most, but while a proposal is looked at that will be refused for it. */
  meshConfigs(): Iterable<MeshConfig> {
    return this.#meshConfigs.values()
  }

  /** What they revoke. */
  get revoked(): Revocations {
    this.#revoked ??= compileRevocations(this.#revocations.values())
    return this.#revoked
  }

  /** Those that this mesh is federated with. */
  trustDomains(): Iterable<TrustDomain> {
    return this.#trustDomains.values()
  }

  /** The services whose endpoints this workload is sent. */
  upstreams({ spec }: Workload): Service[] {
    const found = new Set<Service>()
    for (const { namespace, name } of spec.upstreams) {
      const where = namespace === '*' ? EVERYTHING : name === '*' ? `${namespace}/` : `${namespace}/${name}`
      for (const service of this.#services.get(where)) {
        if (matchesReference({ namespace, name }, service.metadata)) found.add(service)
      }
    }
    return [...found]
  }

  /** The services that this workload may serve. */
  servedBy(workload: Reference): Iterable<Service> {
    return this.#servicesOfWorkload.get(selector(workload))
  }

  /** What names this workload by its name, so that it cannot be deleted. */
  *namersOf(workload: Reference): Iterable<Resource> {
    yield* this.servedBy(workload)
    yield* this.#governing.get(selector(workload))
  }

  #claim(id: SpiffeId, claims: readonly Workload[]): void {
    if (claims.length === 0) this.#workloadsById.delete(id)
    else this.#workloadsById.set(id, claims)
  }
}

/** May a change of this resource change what the workload is sent? Never a false no. */
export function concerns({ kind, namespace, name }: ResourceName, { metadata, spec }: Workload): boolean {
  switch (kind) {
    case 'ApiKey':
    case 'AuthorizationPolicy':
    case 'ExternalAuthorization':
    case 'RateLimit':
    case 'RequestAuthentication':
      return namespace === metadata.namespace
    case 'Revocation':
    case 'MeshConfig':
      return true
    case 'TrustDomain':
      // Its bundle travels with the trust bundles.
      return false
    case 'Workload':
      return namespace === metadata.namespace && name === metadata.name
    case 'Service':
      return spec.upstreams.some((pattern) => matchesReference(pattern, { namespace, name }))
    default:
      return unreachable(kind)
  }
}

const EVERYTHING = '*'

function selector({ namespace, name }: Reference): Selector {
  return `${namespace}/${name}`
}

function pick({ namespace, name }: Reference): Reference {
  return { namespace, name }
}

function governed({ metadata, spec }: GoverningResource): Selector[] {
  if (spec.workloads.length === 0) return [`${metadata.namespace}/`]
  return spec.workloads.map((name) => selector({ namespace: metadata.namespace, name }))
}

/** Resources by the selectors they are found under. */
class Index<R> {
  readonly #bySelector = new Map<Selector, Map<string, R>>()
  readonly #selectors = new Map<string, readonly Selector[]>()

  add(key: string, resource: R, selectors: readonly Selector[]): void {
    this.#selectors.set(key, selectors)
    for (const selector of selectors) {
      const entries = this.#bySelector.get(selector) ?? new Map<string, R>()
      entries.set(key, resource)
      this.#bySelector.set(selector, entries)
    }
  }

  delete(key: string): void {
    for (const selector of this.#selectors.get(key) ?? []) {
      const entries = this.#bySelector.get(selector)
      entries?.delete(key)
      if (entries?.size === 0) this.#bySelector.delete(selector)
    }
    this.#selectors.delete(key)
  }

  get(selector: Selector): Iterable<R> {
    return this.#bySelector.get(selector)?.values() ?? []
  }
}
