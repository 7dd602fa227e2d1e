import type { TrustDomain } from '../../identity/spiffe-id.ts'
import { type ClusterObject, keyOf, type ResourceType } from '../../kubernetes/objects.ts'
import { type Kind, kinds, type ResourceName } from '../../policy/model.ts'
import type { ClusterIndex } from './cluster-index.ts'
import { clusterServiceOf, sliceOf, slimService, slimSlice } from './cluster-objects.ts'
import { meshedPodOf, slimPod } from './meshed-pod.ts'
import { clusterTypes, typeOfKind } from './types.ts'
import { slimWritten, type WrittenObjects } from './written.ts'

/** A type of objects that is read, and where what is read goes. */
export interface Part {
  readonly type: ResourceType
  readonly slim: (object: ClusterObject) => ClusterObject
  readonly sink: PartSink
}

export interface PartSink {
  /** Of ours: which kind. */
  readonly kind?: Kind
  /** False: nothing comes of it. */
  put(object: ClusterObject): boolean
  /** By `namespace/name`; as `put`. */
  delete(key: string): boolean
}

/** Our resources, and the objects of Kubernetes that say who is where. */
export function partsOf(index: ClusterIndex, written: WrittenObjects, trustDomain: TrustDomain): readonly Part[] {
  return [
    ...kinds.map(
      (kind): Part => ({
        type: typeOfKind(kind),
        slim: slimWritten,
        sink: {
          kind,
          put: (object) => written.put(kind, object),
          delete: (key) => written.delete(nameIn(kind, key)),
        },
      }),
    ),
    {
      type: clusterTypes.services,
      slim: slimService,
      sink: {
        put: (object) => {
          const service = clusterServiceOf(object)
          return service === undefined ? index.deleteService(keyOf(object)) : index.putService(service)
        },
        delete: (key) => index.deleteService(key),
      },
    },
    {
      type: clusterTypes.endpointSlices,
      slim: slimSlice,
      sink: {
        put: (object) => {
          const slice = sliceOf(object)
          return slice === undefined ? index.deleteSlice(keyOf(object)) : index.putSlice(slice)
        },
        delete: (key) => index.deleteSlice(key),
      },
    },
    {
      type: clusterTypes.pods,
      slim: slimPod,
      sink: {
        put: (object) => {
          const pod = meshedPodOf(object, trustDomain)
          return pod === undefined ? index.deletePod(keyOf(object)) : index.putPod(pod)
        },
        delete: (key) => index.deletePod(key),
      },
    },
  ]
}

export function nameIn(kind: Kind, key: string): ResourceName {
  const [namespace = '', name = ''] = key.split('/')
  return { kind, namespace, name }
}
