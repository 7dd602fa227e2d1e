import { type ClusterObject, isRecord } from '../../kubernetes/objects.ts'
import { type AppProtocol, protocolOfWord } from '../../lib/app-protocol.ts'
import { canonicalIp } from '../../lib/ip.ts'
import { itemsAt, mappingAt, numberAt, textAt } from './fields.ts'

/** A Service of Kubernetes with TCP ports, as far as a Service of ours is made of it. */
export interface ClusterService {
  readonly namespace: string
  readonly name: string
  readonly ports: readonly ClusterPort[]
  /** Canonical; none where it is headless. */
  readonly clusterIps: readonly string[]
}

export interface ClusterPort {
  /** By which EndpointSlices refer to it; empty for the only one. */
  readonly name: string
  readonly port: number
  /** Absent where it is a name: the EndpointSlices have the number. */
  readonly targetPort: number | undefined
  readonly protocol: AppProtocol
}

/** What is kept of a Service. */
export function slimService(service: ClusterObject): ClusterObject {
  const { type, clusterIPs, clusterIP, ports } = mappingAt(service, 'spec')
  return { metadata: slimMetadata(service), spec: { type, clusterIPs, clusterIP, ports } }
}

/** `undefined`: not one that the mesh can serve, because it is a name for something outside, or has no TCP port. */
export function clusterServiceOf(service: ClusterObject): ClusterService | undefined {
  const { namespace, name } = service.metadata
  const spec = mappingAt(service, 'spec')
  if (namespace === undefined || spec['type'] === 'ExternalName') return undefined
  const ports = itemsAt(spec, 'ports').flatMap((item) => (isRecord(item) ? (portOf(item) ?? []) : []))
  if (ports.length === 0) return undefined
  const all = itemsAt(spec, 'clusterIPs')
  const clusterIps = (all.length > 0 ? all : [spec['clusterIP']]).flatMap((ip) =>
    typeof ip === 'string' ? (canonicalIp(ip) ?? []) : [],
  )
  return { namespace, name, ports, clusterIps: [...new Set(clusterIps)] }
}

function portOf(item: Readonly<Record<string, unknown>>): ClusterPort | undefined {
  const { protocol = 'TCP' } = item
  const port = numberAt(item, 'port')
  if (protocol !== 'TCP' || port === undefined) return undefined
  const name = textAt(item, 'name') ?? ''
  const spoken = ofAppProtocol(textAt(item, 'appProtocol')) ?? protocolOfWord(name) ?? 'auto'
  const { targetPort = port } = item
  return { name, port, targetPort: typeof targetPort === 'number' ? targetPort : undefined, protocol: spoken }
}

/** https://kubernetes.io/docs/concepts/services-networking/service/#application-protocol */
function ofAppProtocol(text: string | undefined): AppProtocol | undefined {
  switch (text) {
    case undefined:
      return undefined
    case 'kubernetes.io/h2c':
      return 'http2'
    case 'kubernetes.io/ws':
      return 'auto'
    case 'kubernetes.io/wss':
      return 'tcp'
    default:
      // As a whole: the words of IANA and of vendors may have dashes that mean something else.
      return text.includes('-') ? undefined : protocolOfWord(text)
  }
}

/** Part of the endpoints of one Service. */
export interface Slice {
  readonly namespace: string
  readonly name: string
  readonly service: string
  /** By name of the port of the Service. */
  readonly ports: ReadonlyMap<string, number>
  readonly endpoints: readonly SliceEndpoint[]
}

export interface SliceEndpoint {
  /** Canonical. */
  readonly address: string
  /** Takes new connections. */
  readonly ready: boolean
  readonly pod: string
}

export const SERVICE_LABEL = 'kubernetes.io/service-name'

/** What is kept of an EndpointSlice. */
export function slimSlice(slice: ClusterObject): ClusterObject {
  const service = slice.metadata.labels?.[SERVICE_LABEL]
  const endpoints = itemsAt(slice, 'endpoints').flatMap((item) => {
    if (!isRecord(item)) return []
    const { kind, name } = mappingAt(item, 'targetRef')
    const { ready, terminating } = mappingAt(item, 'conditions')
    const [address] = itemsAt(item, 'addresses')
    return kind === 'Pod'
      ? [{ addresses: [address], conditions: { ready, terminating }, targetRef: { kind, name } }]
      : []
  })
  return {
    metadata: { ...slimMetadata(slice), ...(service && { labels: { [SERVICE_LABEL]: service } }) },
    ports: slice['ports'],
    endpoints,
  }
}

/** `undefined`: it is of no Service. Endpoints that are no pods, such as those written by hand, are left out. */
export function sliceOf(slice: ClusterObject): Slice | undefined {
  const { namespace, name, labels } = slice.metadata
  const service = labels?.[SERVICE_LABEL]
  if (namespace === undefined || service === undefined) return undefined
  const ports = itemsAt(slice, 'ports').flatMap((item): [string, number][] => {
    if (!isRecord(item)) return []
    const { protocol = 'TCP' } = item
    const port = numberAt(item, 'port')
    return protocol === 'TCP' && port !== undefined ? [[textAt(item, 'name') ?? '', port]] : []
  })
  const endpoints = itemsAt(slice, 'endpoints').flatMap((item): SliceEndpoint[] => {
    if (!isRecord(item)) return []
    const target = mappingAt(item, 'targetRef')
    const [first] = itemsAt(item, 'addresses')
    const address = typeof first === 'string' ? canonicalIp(first) : undefined
    const pod = textAt(target, 'name')
    if (target['kind'] !== 'Pod' || pod === undefined || address === undefined) return []
    const { ready, terminating } = mappingAt(item, 'conditions')
    // Absent means ready to consumers of this version of the API.
    return [{ address, pod, ready: ready !== false && terminating !== true }]
  })
  return { namespace, name, service, ports: new Map(ports), endpoints }
}

function slimMetadata({ metadata }: ClusterObject): ClusterObject['metadata'] {
  const { name, namespace, resourceVersion } = metadata
  return { name, ...(namespace && { namespace }), ...(resourceVersion && { resourceVersion }) }
}
