import { pathOf, type SpiffeId, trustDomainOf, type TrustDomain } from '../../identity/spiffe-id.ts'
import {
  nameOf,
  type Reference,
  type Resource,
  type ResourceName,
  resourceKey,
  type Workload,
} from '../../policy/model.ts'
import type { ClusterIndex } from './cluster-index.ts'
import type { MeshedPod } from './meshed-pod.ts'
import {
  type DerivedService,
  deriveService,
  mergedService,
  serviceDocument,
  withoutAddresses,
  workloadDocument,
} from './derive.ts'

/** What the cluster wants a resource of ours to be. */
export interface Wanted {
  readonly resource: Resource
  /** JSON, as it is stored. */
  readonly text: string
}

/**
 * What the store should hold: the custom resources of the operator, what follows from Services and pods, and both together where they have
 * one name. Pure: it is told of changes, and says which names they concern.
 */
export class Desired {
  readonly #index: ClusterIndex
  readonly #trustDomain: TrustDomain
  readonly #clusterDomain: string
  readonly #written = new Map<string, Wanted>()
  /** Written, and of no valid form: `#written` has the one before, if this process has seen it. */
  readonly #invalid = new Set<string>()
  readonly #writtenWorkloads = new Map<SpiffeId, Map<string, Workload>>()
  /** Written Services by the addresses that they claim. */
  readonly #claimers = new Map<string, Map<string, ResourceName>>()
  readonly #derivedServices = new Map<string, DerivedService>()
  readonly #derivedWorkloads = new Map<string, Wanted>()
  /** What the Workload derived for an identity is called, or would be if no written one were in its place; and the other way round. */
  readonly #derivedNames = new Map<SpiffeId, ResourceName>()
  readonly #accounts = new Map<string, SpiffeId>()
  /** The Workload of the pods with an identity. */
  readonly #members = new Map<SpiffeId, Reference>()
  readonly #dirty = new Map<string, ResourceName>()

  constructor(index: ClusterIndex, trustDomain: TrustDomain, clusterDomain: string) {
    this.#index = index
    this.#trustDomain = trustDomain
    this.#clusterDomain = clusterDomain
  }

  /** A custom resource as it is now. `undefined`: there is none; `invalid`: it cannot be read. */
  write(name: ResourceName, wanted: Wanted | undefined | 'invalid'): void {
    const key = resourceKey(name)
    const before = this.#written.get(key)
    this.#dirty.set(key, name)
    if (wanted === 'invalid') {
      this.#invalid.add(key)
      return
    }
    this.#invalid.delete(key)
    if (before?.resource.kind === 'Workload') this.#claim(before.resource, false)
    this.#claimAddresses(name, before, wanted)
    if (wanted === undefined) this.#written.delete(key)
    else this.#written.set(key, wanted)
    if (wanted?.resource.kind === 'Workload') this.#claim(wanted.resource, true)
    // A derived Workload makes way for one of its name, and comes back after it.
    const kept = name.kind === 'Workload' ? this.#accounts.get(`${name.namespace}/${name.name}`) : undefined
    if (kept !== undefined) this.#index.touchIdentity(kept)
  }

  /** The names whose `want` may be another one than when this was last asked. */
  takeDirty(): readonly ResourceName[] {
    for (const ip of this.#index.takeDirtyAddresses())
      for (const [key, name] of this.#claimers.get(ip) ?? []) this.#dirty.set(key, name)
    for (const identity of this.#index.takeDirtyIdentities()) this.#deriveWorkload(identity)
    for (const key of this.#index.takeDirtyServices()) this.#deriveService(key)
    const dirty = [...this.#dirty.values()]
    this.#dirty.clear()
    return dirty
  }

  /** `held`: what is stored stays, whatever it is. */
  want(name: ResourceName): Wanted | 'held' | undefined {
    const key = resourceKey(name)
    const written = this.#written.get(key)
    // The form before it goes on, with endpoints that are current; only the store may know that form.
    if (written === undefined && this.#invalid.has(key)) return 'held'
    if (name.kind === 'Workload') return written ?? this.#derivedWorkloads.get(key)
    if (name.kind !== 'Service') return written
    const own = `${name.namespace}/${name.name}`
    const derived = this.#derivedServices.get(own)
    if (written?.resource.kind !== 'Service') return derived && serviceDocument(derived)
    const cut = withoutAddresses(written.resource, (ip) => (this.#index.ownerOf(ip) ?? own) !== own)
    return derived === undefined ? (cut ?? written) : mergedService(cut?.resource ?? written.resource, derived)
  }

  get derived(): { readonly services: number; readonly workloads: number } {
    return { services: this.#derivedServices.size, workloads: this.#derivedWorkloads.size }
  }

  #claimAddresses(name: ResourceName, before: Wanted | undefined, now: Wanted | undefined): void {
    const key = resourceKey(name)
    for (const ip of addressesOf(before)) {
      this.#claimers.get(ip)?.delete(key)
      if (this.#claimers.get(ip)?.size === 0) this.#claimers.delete(ip)
    }
    for (const ip of addressesOf(now)) this.#claimers.set(ip, (this.#claimers.get(ip) ?? new Map()).set(key, name))
  }

  #claim(workload: Workload, claims: boolean): void {
    const { spiffeId } = workload.spec
    const key = resourceKey(nameOf(workload))
    const all = this.#writtenWorkloads.get(spiffeId) ?? new Map<string, Workload>()
    if (claims) all.set(key, workload)
    else all.delete(key)
    if (all.size === 0) this.#writtenWorkloads.delete(spiffeId)
    else this.#writtenWorkloads.set(spiffeId, all)
    this.#index.touchIdentity(spiffeId)
  }

  #deriveWorkload(identity: SpiffeId): void {
    const pod = this.#podOfAccount(identity)
    const written = this.#writtenFor(identity)
    const derived = pod && workloadDocument(pod)
    const name = derived ? nameOf(derived.resource) : this.#derivedNames.get(identity)
    if (name !== undefined) this.#putDerived(name, identity, derived, written !== undefined)
    const workload = written ?? (name && this.#derivedWorkloads.get(resourceKey(name))?.resource)
    const member = workload && { namespace: workload.metadata.namespace, name: workload.metadata.name }
    const known = this.#members.get(identity)
    if (known?.namespace === member?.namespace && known?.name === member?.name) return
    if (member === undefined) this.#members.delete(identity)
    else this.#members.set(identity, member)
    this.#index.touchServicesOf(identity)
  }

  #putDerived(name: ResourceName, identity: SpiffeId, derived: Wanted | undefined, hasWritten: boolean): void {
    const key = resourceKey(name)
    const account = `${name.namespace}/${name.name}`
    if (derived === undefined) {
      this.#derivedNames.delete(identity)
      this.#accounts.delete(account)
    } else {
      this.#derivedNames.set(identity, name)
      this.#accounts.set(account, identity)
    }
    const next = hasWritten || this.#written.has(key) || this.#invalid.has(key) ? undefined : derived
    if (this.#derivedWorkloads.get(key)?.text === next?.text) return
    if (next === undefined) this.#derivedWorkloads.delete(key)
    else this.#derivedWorkloads.set(key, next)
    this.#dirty.set(key, name)
  }

  /** A pod whose identity is that of its service account. */
  #podOfAccount(identity: SpiffeId): MeshedPod | undefined {
    for (const pod of this.#index.podsOf(identity)) if (pod.ofAccount) return pod
    return undefined
  }

  /** The Workload of the operator's that has this identity; the first by name where there are several, of which one is refused. */
  #writtenFor(identity: SpiffeId): Workload | undefined {
    if (trustDomainOf(identity) !== this.#trustDomain || pathOf(identity) === '') return undefined
    const [first] = [...(this.#writtenWorkloads.get(identity) ?? [])].toSorted(([a], [b]) => (a < b ? -1 : 1))
    return first?.[1]
  }

  #deriveService(key: string): void {
    const service = this.#index.service(key)
    const derived =
      service &&
      deriveService(service, this.#index.slicesOf(key), {
        clusterDomain: this.#clusterDomain,
        memberOf: (namespace, name) => {
          const pod = this.#index.pod(`${namespace}/${name}`)
          const workload = pod && this.#members.get(pod.identity)
          return pod && workload && { pod, workload }
        },
      })
    const before = this.#derivedServices.get(key)
    if (JSON.stringify(before) === JSON.stringify(derived)) return
    if (derived === undefined) this.#derivedServices.delete(key)
    else this.#derivedServices.set(key, derived)
    const [namespace = '', name = ''] = key.split('/')
    const changed: ResourceName = { kind: 'Service', namespace, name }
    this.#dirty.set(resourceKey(changed), changed)
  }
}

function addressesOf(wanted: Wanted | undefined): readonly string[] {
  return wanted?.resource.kind === 'Service' ? wanted.resource.spec.addresses : []
}
