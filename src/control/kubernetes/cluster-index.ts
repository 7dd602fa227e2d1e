import type { SpiffeId } from '../../identity/spiffe-id.ts'
import type { ClusterService, Slice } from './cluster-objects.ts'
import type { MeshedPod } from './meshed-pod.ts'

/**
 * Services, EndpointSlices and pods with sidecars, and which of them have to do with each other, so that a change costs what it concerns
 * and not what there is. Collects what is to be derived anew.
 */
export class ClusterIndex {
  readonly #services = new Map<string, ClusterService>()
  readonly #slices = new Map<string, Slice>()
  readonly #slicesByService = new Map<string, Map<string, Slice>>()
  readonly #pods = new Map<string, MeshedPod>()
  readonly #podsByIdentity = new Map<SpiffeId, Map<string, MeshedPod>>()
  /** Of the slices in which a pod is, by `namespace/pod`; with how many of a Service there are. */
  readonly #servicesOfPod = new Map<string, Map<string, number>>()
  /** Of cluster IPs. */
  readonly #owners = new Map<string, string>()
  readonly #dirtyAddresses = new Set<string>()
  readonly #dirtyServices = new Set<string>()
  readonly #dirtyIdentities = new Set<SpiffeId>()

  /** This and its like: true when something is to be derived anew. */
  putService(service: ClusterService): boolean {
    const key = keyOf(service)
    if (same(this.#services.get(key), service)) return false
    this.#releaseAddresses(key)
    this.#services.set(key, service)
    for (const ip of service.clusterIps) {
      this.#owners.set(ip, key)
      this.#dirtyAddresses.add(ip)
    }
    this.#dirtyServices.add(key)
    return true
  }

  deleteService(key: string): boolean {
    this.#releaseAddresses(key)
    if (!this.#services.delete(key)) return false
    this.#dirtyServices.add(key)
    return true
  }

  putSlice(slice: Slice): boolean {
    if (same(this.#slices.get(keyOf(slice)), slice)) return false
    this.#takeSlice(keyOf(slice))
    const { namespace, service, endpoints } = slice
    const serviceKey = `${namespace}/${service}`
    this.#slices.set(keyOf(slice), slice)
    mapIn(this.#slicesByService, serviceKey).set(slice.name, slice)
    for (const { pod } of endpoints) {
      const counts = mapIn(this.#servicesOfPod, `${namespace}/${pod}`)
      counts.set(serviceKey, (counts.get(serviceKey) ?? 0) + 1)
    }
    this.#dirtyServices.add(serviceKey)
    return true
  }

  deleteSlice(key: string): boolean {
    return this.#takeSlice(key) !== undefined
  }

  putPod(pod: MeshedPod): boolean {
    const key = keyOf(pod)
    // Most changes of a pod are none for its peers.
    if (same(this.#pods.get(key), pod)) return false
    this.deletePod(key)
    this.#pods.set(key, pod)
    mapIn(this.#podsByIdentity, pod.identity).set(key, pod)
    this.#podChanged(key, pod)
    return true
  }

  deletePod(key: string): boolean {
    const pod = this.#pods.get(key)
    if (pod === undefined) return false
    this.#pods.delete(key)
    removeIn(this.#podsByIdentity, pod.identity, key)
    this.#podChanged(key, pod)
    return true
  }

  /** The Service whose cluster IP this is, in the mesh or not. */
  ownerOf(ip: string): string | undefined {
    return this.#owners.get(ip)
  }

  service(key: string): ClusterService | undefined {
    return this.#services.get(key)
  }

  slicesOf(service: string): readonly Slice[] {
    return [...(this.#slicesByService.get(service)?.values() ?? [])]
  }

  pod(key: string): MeshedPod | undefined {
    return this.#pods.get(key)
  }

  /** With this identity. */
  podsOf(identity: SpiffeId): Iterable<MeshedPod> {
    return this.#podsByIdentity.get(identity)?.values() ?? []
  }

  /** The Workload of an identity may be another one now. */
  touchIdentity(identity: SpiffeId): void {
    this.#dirtyIdentities.add(identity)
  }

  /** The Services whose pods have this identity are to be derived anew. */
  touchServicesOf(identity: SpiffeId): void {
    for (const pod of this.podsOf(identity)) this.#touchServicesOfPod(keyOf(pod))
  }

  /** Identities first: which Services they concern may come of that. */
  takeDirtyIdentities(): readonly SpiffeId[] {
    return take(this.#dirtyIdentities)
  }

  /** Cluster IPs that have another owner now, or none. */
  takeDirtyAddresses(): readonly string[] {
    return take(this.#dirtyAddresses)
  }

  takeDirtyServices(): readonly string[] {
    return take(this.#dirtyServices)
  }

  #releaseAddresses(key: string): void {
    for (const ip of this.#services.get(key)?.clusterIps ?? []) {
      if (this.#owners.get(ip) !== key) continue
      this.#owners.delete(ip)
      this.#dirtyAddresses.add(ip)
    }
  }

  #podChanged(key: string, { identity }: MeshedPod): void {
    this.#dirtyIdentities.add(identity)
    this.#touchServicesOfPod(key)
  }

  #touchServicesOfPod(key: string): void {
    for (const service of this.#servicesOfPod.get(key)?.keys() ?? []) this.#dirtyServices.add(service)
  }

  #takeSlice(key: string): Slice | undefined {
    const slice = this.#slices.get(key)
    if (slice === undefined) return undefined
    const { namespace, name, service, endpoints } = slice
    const serviceKey = `${namespace}/${service}`
    this.#slices.delete(key)
    removeIn(this.#slicesByService, serviceKey, name)
    for (const { pod } of endpoints) {
      const podKey = `${namespace}/${pod}`
      const counts = this.#servicesOfPod.get(podKey)
      const count = counts?.get(serviceKey) ?? 0
      if (count > 1) counts?.set(serviceKey, count - 1)
      else removeIn(this.#servicesOfPod, podKey, serviceKey)
    }
    // Its label may lead elsewhere now.
    this.#dirtyServices.add(serviceKey)
    return slice
  }
}

function keyOf({ namespace, name }: { readonly namespace: string; readonly name: string }): string {
  return `${namespace}/${name}`
}

function mapIn<K, V>(maps: Map<K, Map<string, V>>, key: K): Map<string, V> {
  let map = maps.get(key)
  if (map === undefined) {
    map = new Map()
    maps.set(key, map)
  }
  return map
}

function removeIn<K, V>(maps: Map<K, Map<string, V>>, key: K, inner: string): void {
  const map = maps.get(key)
  map?.delete(inner)
  if (map?.size === 0) maps.delete(key)
}

function take<T>(set: Set<T>): readonly T[] {
  const taken = [...set]
  set.clear()
  return taken
}

function same<T extends object>(a: T | undefined, b: T): boolean {
  return a !== undefined && JSON.stringify(a, mapsAsLists) === JSON.stringify(b, mapsAsLists)
}

function mapsAsLists(_: string, value: unknown): unknown {
  return value instanceof Map ? [...value] : value
}
