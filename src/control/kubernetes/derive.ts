import { createHash } from 'node:crypto'
import { selectorText } from '../../policy/match/selector.ts'
import {
  apiVersion,
  type Endpoint,
  type Reference,
  type Service,
  type ServicePort,
  type Workload,
} from '../../policy/model.ts'
import { MAX_ENDPOINTS, MAX_LIST } from '../../policy/validate.ts'
import type { ClusterService, Slice } from './cluster-objects.ts'
import type { MeshedPod } from './meshed-pod.ts'

/** What a Service of Kubernetes is in the mesh. */
export interface DerivedService {
  readonly namespace: string
  readonly name: string
  readonly hosts: readonly string[]
  readonly ports: readonly ServicePort[]
  /** Of the pods behind it, ready or not; never none. */
  readonly workloads: readonly Reference[]
  readonly addresses: readonly string[]
  /** Of the pods that are ready, in a fixed order. */
  readonly endpoints: readonly DerivedEndpoint[]
}

export interface DerivedEndpoint extends Endpoint {
  /** Port of the application as its pod has it. Where a named port has several numbers, `appPort` is one of them for all. */
  readonly realPort: number
  readonly workload: Reference
}

/** A pod with a sidecar, and the Workload whose identity it has. */
export interface Member {
  readonly pod: MeshedPod
  readonly workload: Reference
}

export interface DeriveContext {
  readonly clusterDomain: string
  /** By namespace and name; `undefined`: it has no sidecar, or no Workload. */
  readonly memberOf: (namespace: string, pod: string) => Member | undefined
}

/** Every Service answers to these names by itself, and to no others that end in `.svc.`. */
const BUILT_IN_DOMAIN = 'cluster.local'

/**
 * The Service of ours that a Service of Kubernetes is; `undefined` without a pod with a sidecar behind it. Only pods with a sidecar become
 * endpoints: the others could not prove who they are. The order of `slices` does not matter.
 */
export function deriveService(
  service: ClusterService,
  slices: readonly Slice[],
  { clusterDomain, memberOf }: DeriveContext,
): DerivedService | undefined {
  const { namespace, name } = service
  const targets = targetPorts(service, slices)
  const workloads = new Map<string, Reference>()
  const endpoints = new Map<string, DerivedEndpoint>()
  for (const { ports, endpoints: listed } of slices) {
    for (const { address, ready, pod } of listed) {
      const member = memberOf(namespace, pod)
      if (member === undefined) continue
      const { workload } = member
      workloads.set(`${workload.namespace}/${workload.name}`, workload)
      if (!ready) continue
      for (const [portName, realPort] of ports) {
        const appPort = targets.get(portName)
        const port = member.pod.listeners.get(realPort)
        // A port that its sidecar does not serve is refused there.
        if (appPort === undefined || port === undefined) continue
        endpoints.set(`${address} ${port} ${appPort}`, { address, port, appPort, realPort, workload })
      }
    }
  }
  if (workloads.size === 0) return undefined
  const host = clusterDomain === BUILT_IN_DOMAIN ? [] : [`${name}.${namespace}.svc.${clusterDomain}`]
  return {
    namespace,
    name,
    hosts: host,
    ports: service.ports
      .slice(0, MAX_LIST)
      .map(({ name, port, protocol }) => ({ port, targetPort: targets.get(name) ?? port, protocol })),
    workloads: sorted(workloads).slice(0, MAX_LIST),
    addresses: service.clusterIps,
    endpoints: sorted(endpoints).slice(0, MAX_ENDPOINTS),
  }
}

/** The port of the application behind each port of the Service, by its name; the lowest where pods differ. */
function targetPorts({ ports }: ClusterService, slices: readonly Slice[]): ReadonlyMap<string, number> {
  const targets = new Map<string, number>()
  for (const slice of slices) {
    for (const [name, port] of slice.ports) targets.set(name, Math.min(port, targets.get(name) ?? port))
  }
  return new Map(ports.map(({ name, port, targetPort }) => [name, targets.get(name) ?? targetPort ?? port]))
}

function sorted<T>(byKey: ReadonlyMap<string, T>): T[] {
  return [...byKey].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, value]) => value)
}

/** As it is stored. `realPort` is where a listener is, when there is no capture in between, and of no use to anybody else. */
export function serviceDocument({ namespace, name, hosts, ports, workloads, addresses, endpoints }: DerivedService): {
  readonly text: string
  readonly resource: Service
} {
  return storedService({
    kind: 'Service',
    metadata: { namespace, name },
    spec: {
      hosts,
      ports,
      workloads,
      endpoints: endpoints.map(({ address, port, appPort }) => ({ address, port, appPort })),
      addresses,
    },
  })
}

/**
 * A Service of the operator's without the addresses that belong to somebody else: a cluster IP is its Service's, whoever claims it. Otherwise
 * who may write Services of ours in one namespace could draw the connections of another one to himself.
 */
export function withoutAddresses(
  service: Service,
  isForeign: (address: string) => boolean,
): { readonly text: string; readonly resource: Service } | undefined {
  const addresses = service.spec.addresses.filter((address) => !isForeign(address))
  if (addresses.length === service.spec.addresses.length) return undefined
  return storedService({ ...service, spec: { ...service.spec, addresses } })
}

/** A Service of the operator's with what the cluster knows of the same name: its addresses, and endpoints of its own workloads. */
export function mergedService(
  { kind, metadata, spec }: Service,
  derived: DerivedService,
): { readonly text: string; readonly resource: Service } {
  const targets = new Set(spec.ports.map(({ targetPort }) => targetPort))
  const served = new Set(spec.workloads.map(({ namespace, name }) => `${namespace}/${name}`))
  const endpoints = new Map(spec.endpoints.map((endpoint) => [endpointKey(endpoint), endpoint]))
  for (const { address, port, appPort, realPort, workload } of derived.endpoints) {
    const target = targets.has(appPort) ? appPort : realPort
    const endpoint = { address, port, appPort: target }
    if (!targets.has(target) || !served.has(`${workload.namespace}/${workload.name}`)) continue
    if (endpoints.size < MAX_ENDPOINTS) endpoints.set(endpointKey(endpoint), endpoint)
  }
  return storedService({
    kind,
    metadata,
    spec: {
      ...spec,
      endpoints: [...endpoints.values()],
      addresses: [...new Set([...spec.addresses, ...derived.addresses])].slice(0, MAX_LIST),
    },
  })
}

function endpointKey({ address, port, appPort }: Endpoint): string {
  return `${address} ${port} ${appPort}`
}

/** The resource with the document that reads as it. */
function storedService(resource: Service): { readonly text: string; readonly resource: Service } {
  const { kind, metadata, spec } = resource
  const workloads = spec.workloads.map(({ namespace, name }) => `${namespace}/${name}`)
  return { text: JSON.stringify({ apiVersion, kind, metadata, spec: { ...spec, workloads } }), resource }
}

const LABEL = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/

/** Names the derived Workload of a service account: as the account, unless that is longer than a name of ours, or has dots. */
export function workloadNameOf(serviceAccount: string): string {
  if (LABEL.test(serviceAccount)) return serviceAccount
  const digest = createHash('sha256').update(serviceAccount).digest('hex').slice(0, 8)
  return `${serviceAccount.replaceAll('.', '-').slice(0, 54)}-${digest}`
}

/** The Workload of the pods of a service account that no Workload of the operator's is for: it may call every Service. */
export function workloadDocument({ namespace, serviceAccount, identity }: MeshedPod): {
  readonly text: string
  readonly resource: Workload
} {
  const metadata = { namespace, name: workloadNameOf(serviceAccount) }
  const selectors = [selectorText('k8s:ns', namespace), selectorText('k8s:sa', serviceAccount)]
  const kind = 'Workload'
  const text = JSON.stringify({ apiVersion, kind, metadata, spec: { spiffeId: identity, selectors, upstreams: ['*'] } })
  const upstreams = [{ namespace: '*', name: '*' }]
  return { text, resource: { kind, metadata, spec: { spiffeId: identity, selectors, dnsNames: [], upstreams } } }
}
