import { ApiError } from './failure.ts'

export interface OwnerReference {
  readonly apiVersion: string
  readonly kind: string
  readonly name: string
  readonly uid: string
  readonly controller?: boolean
}

/** `ObjectMeta` of `meta/v1`, as far as it is read here. */
export interface ObjectMeta {
  readonly name: string
  readonly namespace?: string
  readonly uid?: string
  readonly resourceVersion?: string
  readonly generation?: number
  readonly labels?: Readonly<Record<string, string>>
  readonly annotations?: Readonly<Record<string, string>>
  readonly creationTimestamp?: string
  readonly deletionTimestamp?: string
  readonly ownerReferences?: readonly OwnerReference[]
}

/** An object of the cluster. Its metadata were checked; everything else is as the API server sent it. */
export interface ClusterObject {
  readonly apiVersion?: string
  readonly kind?: string
  readonly metadata: ObjectMeta
  readonly [more: string]: unknown
}

/** What collections of the API are called by. */
export interface ResourceType {
  /** `''` for the core group. */
  readonly group: string
  readonly version: string
  readonly plural: string
  readonly namespaced: boolean
}

/** `plural.group`, as in `kubectl get`. */
export function nameOfType({ group, plural }: ResourceType): string {
  return group === '' ? plural : `${plural}.${group}`
}

/**
 * Path of a collection, an object or its subresource. Without a namespace: the collection of all namespaces. Throws
 * `kubernetes-object` for what is no name, or a name without its namespace.
 */
export function pathOfType(type: ResourceType, namespace?: string, name?: string, subresource?: string): string {
  const { group, version, plural, namespaced } = type
  if (!namespaced && namespace !== undefined)
    throw new ApiError('kubernetes-object', `${nameOfType(type)} are in no namespace`)
  if (namespaced && namespace === undefined && name !== undefined)
    throw new ApiError('kubernetes-object', `${nameOfType(type)} have a namespace, and none is given`)
  const root = group === '' ? ['api', version] : ['apis', group, version]
  const within = namespace === undefined ? [] : ['namespaces', namespace]
  const rest = [name, subresource].filter((part) => part !== undefined)
  return `/${[...root, ...within, plural, ...rest].map(pathSegment).join('/')}`
}

/** The same rule as the API server's (`path.IsValidPathSegmentName`): what is left out of a URL must not be left out of a name. */
function pathSegment(text: string): string {
  if (text === '' || text === '.' || text === '..' || /[/%]/.test(text) || text.length > 253)
    throw new ApiError('kubernetes-object', `${JSON.stringify(text.slice(0, 64))} is no name of the API`)
  return encodeURIComponent(text)
}

/** `namespace/name`, or the name of what is in no namespace: one of each in a collection. */
export function keyOf({ metadata: { namespace, name } }: ClusterObject): string {
  return namespace === undefined ? name : `${namespace}/${name}`
}

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

const texts = ['namespace', 'uid', 'resourceVersion', 'creationTimestamp', 'deletionTimestamp'] as const
const tables = ['labels', 'annotations'] as const

/** Checks what `ObjectMeta` promises. Throws `kubernetes-answer`; `what` goes before the message. */
export function objectOf(value: unknown, what: string): ClusterObject {
  if (!isClusterObject(value)) throw new ApiError('kubernetes-answer', `${what}: no object with metadata of meta/v1`)
  return value
}

function isClusterObject(value: unknown): value is ClusterObject {
  if (!isRecord(value)) return false
  const { metadata } = value
  if (!isRecord(metadata) || typeof metadata['name'] !== 'string') return false
  const { generation, ownerReferences } = metadata
  return (
    texts.every((field) => metadata[field] === undefined || typeof metadata[field] === 'string') &&
    tables.every((field) => metadata[field] === undefined || isTable(metadata[field])) &&
    (generation === undefined || typeof generation === 'number') &&
    (ownerReferences === undefined || (Array.isArray(ownerReferences) && ownerReferences.every(isOwner)))
  )
}

function isTable(value: unknown): boolean {
  return isRecord(value) && Object.values(value).every((text) => typeof text === 'string')
}

function isOwner(value: unknown): boolean {
  return isRecord(value) && ['apiVersion', 'kind', 'name', 'uid'].every((field) => typeof value[field] === 'string')
}
