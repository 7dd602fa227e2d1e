import { INJECTED, SIDECAR } from '../../enrolment/pod-marks.ts'
import { parseSpiffeId, type SpiffeId, spiffeIdOf, type TrustDomain } from '../../identity/spiffe-id.ts'
import { type ClusterObject, isRecord } from '../../kubernetes/objects.ts'
import { itemsAt, mappingAt, textAt } from './fields.ts'

/** A pod with a sidecar, as far as peers need to know it. */
export interface MeshedPod {
  readonly namespace: string
  readonly name: string
  readonly serviceAccount: string
  readonly identity: SpiffeId
  /** The identity is that of the service account, and not another one that the pod asks for. */
  readonly ofAccount: boolean
  /** Where the sidecar takes connections for a port of the application, by that port. */
  readonly listeners: ReadonlyMap<number, number>
}

/** Variables of the sidecar's container that are read here. */
const read = ['OUTRIDER_SPIFFE_ID', 'OUTRIDER_CAPTURE_MODE', 'OUTRIDER_CAPTURE_INBOUND_PORTS', 'OUTRIDER_INBOUND']

/** What is kept of a pod: little, and of one without a sidecar next to nothing. */
export function slimPod(pod: ClusterObject): ClusterObject {
  const { name, namespace, resourceVersion, annotations } = pod.metadata
  const metadata = { name, ...(namespace && { namespace }), ...(resourceVersion && { resourceVersion }) }
  const record = annotations?.[INJECTED]
  if (record === undefined) return { metadata }
  const spec = mappingAt(pod, 'spec')
  const sidecar = sidecarOf(spec)
  const env = itemsAt(sidecar, 'env').filter((item) => isRecord(item) && read.some((known) => known === item['name']))
  return {
    // The record may hold much else; that it is there is what counts.
    metadata: { ...metadata, annotations: { [INJECTED]: '' } },
    spec: { serviceAccountName: spec['serviceAccountName'], initContainers: sidecar && [{ name: SIDECAR, env }] },
    status: { phase: mappingAt(pod, 'status')['phase'] },
  }
}

/** The pod, if it has a sidecar and has not ended. */
export function meshedPodOf(pod: ClusterObject, trustDomain: TrustDomain): MeshedPod | undefined {
  const { name, namespace, annotations } = pod.metadata
  if (namespace === undefined || annotations?.[INJECTED] === undefined) return undefined
  const phase = textAt(mappingAt(pod, 'status'), 'phase')
  // The containers of such a pod do not run any more; its address may be that of another one.
  if (phase === 'Succeeded' || phase === 'Failed') return undefined
  const spec = mappingAt(pod, 'spec')
  const sidecar = sidecarOf(spec)
  if (sidecar === undefined) return undefined
  const environment = new Map(
    itemsAt(sidecar, 'env').flatMap((item): [string, string][] => {
      if (!isRecord(item)) return []
      const { name, value } = item
      return typeof name === 'string' && typeof value === 'string' ? [[name, value]] : []
    }),
  )
  const serviceAccount = textAt(spec, 'serviceAccountName') ?? 'default'
  const ofAccount = spiffeIdOf(trustDomain, `/ns/${namespace}/sa/${serviceAccount}`)
  const identity = askedIdentity(environment.get('OUTRIDER_SPIFFE_ID')) ?? ofAccount
  return {
    namespace,
    name,
    serviceAccount,
    identity,
    ofAccount: identity === ofAccount,
    listeners: environment.has('OUTRIDER_CAPTURE_MODE')
      ? captured(environment.get('OUTRIDER_CAPTURE_INBOUND_PORTS') ?? '')
      : mapped(environment.get('OUTRIDER_INBOUND') ?? ''),
  }
}

function sidecarOf(spec: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> | undefined {
  return [...itemsAt(spec, 'initContainers'), ...itemsAt(spec, 'containers')]
    .filter((container) => isRecord(container))
    .find((container) => container['name'] === SIDECAR)
}

/** One that the injector wrote in full; others have variables in it, and are of the service account. */
function askedIdentity(text: string | undefined): SpiffeId | undefined {
  if (text === undefined || text.includes('$')) return undefined
  try {
    return parseSpiffeId(text)
  } catch {
    return undefined
  }
}

/** `8080,tcp://6379?mode=strict`: with capture the sidecar answers on the port of the application itself. */
function captured(text: string): ReadonlyMap<number, number> {
  return new Map(
    text.split(',').flatMap((entry): [number, number][] => {
      const port = Number(/^(?:[a-z0-9]+:\/\/)?(\d{1,5})(?:\?.*)?$/.exec(entry.trim())?.[1])
      return isPort(port) ? [[port, port]] : []
    }),
  )
}

/** `[::]:15100=tcp://127.0.0.1:6379`: without it, each port of the application has a listener of its own. */
function mapped(text: string): ReadonlyMap<number, number> {
  return new Map(
    text.split(',').flatMap((entry): [number, number][] => {
      const [, listener, app] = /:(\d{1,5})=(?:[a-z0-9]+:\/\/)?[^?]*?:(\d{1,5})(?:\?.*)?$/.exec(entry.trim()) ?? []
      return isPort(Number(listener)) && isPort(Number(app)) ? [[Number(app), Number(listener)]] : []
    }),
  )
}

function isPort(value: number): boolean {
  return value >= 1 && value <= 65_535
}
