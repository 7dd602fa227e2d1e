import type { Resource, Service, Workload } from '../../policy/model.ts'
import { type Catalogue, concerns } from './catalogue.ts'

/** Workloads that see the same services. */
interface Group {
  readonly byNamespace: Map<string, Workload>
  /** One of them is changed. */
  changed: boolean
}

/** A workload is another object when its upstreams change. */
const upstreamsOf = new WeakMap<Workload, string>()

/**
 * One workload of each view that a change of these services and workloads may break. Who sees the same services compiles the same, from
 * whatever namespace, but for short names: in its own namespace `orders` is the service of that name, and nobody else may claim it
 * as a host.
 */
export function* viewsOf(changed: readonly Resource[], catalogue: Catalogue): Generator<Workload> {
  if (changed.length === 0) return
  const workloads = new Set(changed.filter((resource) => resource.kind === 'Workload'))
  const services = changed.filter((resource) => resource.kind === 'Service')
  const groups = new Map<string, Group>()
  for (const workload of catalogue.workloads()) {
    const key = upstreamsOf.get(workload) ?? JSON.stringify(workload.spec.upstreams)
    upstreamsOf.set(workload, key)
    const group = groups.get(key) ?? { byNamespace: new Map<string, Workload>(), changed: false }
    groups.set(key, group)
    if (!group.byNamespace.has(workload.metadata.namespace))
      group.byNamespace.set(workload.metadata.namespace, workload)
    if (workloads.has(workload)) group.changed = true
  }
  const special = specialNamespaces(catalogue)
  for (const { byNamespace, changed } of groups.values()) {
    const [first] = byNamespace.values()
    if (first === undefined) continue
    const isSeen = ({ kind, metadata }: Service): boolean => concerns({ kind, ...metadata }, first)
    if (!changed && !services.some(isSeen)) continue
    yield first
    for (const [namespace, workload] of byNamespace) if (special.has(namespace) && workload !== first) yield workload
  }
}

/** Namespaces with a service whose short name is a host of some service. */
function specialNamespaces(catalogue: Catalogue): ReadonlySet<string> {
  const plain = new Set<string>()
  for (const { spec } of catalogue.services()) for (const host of spec.hosts) if (!host.includes('.')) plain.add(host)
  const namespaces = new Set<string>()
  if (plain.size === 0) return namespaces
  for (const { metadata } of catalogue.services()) if (plain.has(metadata.name)) namespaces.add(metadata.namespace)
  return namespaces
}
