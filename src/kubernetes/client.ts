import type { Clock } from '../lib/clock.ts'
import { type ApplyOptions, applyCall } from './apply.ts'
import type { ApiAnswer } from './call.ts'
import type { ApiConnection } from './connection.ts'
import { Exchange, type PathCall } from './exchange.ts'
import { ApiError } from './failure.ts'
import { listObjects, type ListOptions, type ObjectList, presentVersion } from './list.ts'
import { type ClusterObject, isRecord, objectOf, pathOfType, type ResourceType } from './objects.ts'
import { type Asked, describeAsked, refusalOf } from './status.ts'
import { type WatchCall, watchObjects } from './watch.ts'

export interface PatchOptions {
  readonly subresource?: string
}

const verbs = { GET: 'get', POST: 'create', PUT: 'update', PATCH: 'patch', DELETE: 'delete' } as const

/** What is in the query of a write: a field that the API server does not know is refused, not dropped. */
const STRICT = '?fieldValidation=Strict'

/**
 * A client of one API server. Every call reads token and authorities anew, has a time-out of 10 s (a page of a list 30 s), and throws
 * `ApiError`: `kubernetes-unreachable`, `kubernetes-credentials`, `kubernetes-refused`, `kubernetes-conflict`, `kubernetes-gone`,
 * `kubernetes-forbidden`, `kubernetes-answer`; `kubernetes-object` for what cannot be asked for at all. Nothing is tried again here.
 */
export class ApiClient {
  readonly #exchange: Exchange

  constructor(connection: ApiConnection, clock: Clock) {
    this.#exchange = new Exchange(connection, clock)
  }

  /** Ends everything that is going on, watches too. */
  close(): void {
    this.#exchange.close()
  }

  /** undefined: there is none of this name. A type that the API server does not know is `kubernetes-refused` with status 404. */
  async get(type: ResourceType, name: string, namespace?: string): Promise<ClusterObject | undefined> {
    const path = pathOfType(type, namespace, name)
    const asked: Asked = { verb: 'get', type, name, namespace, path }
    const answer = await this.#exchange.ask({ path }, asked)
    return isMissing(answer, name) ? undefined : this.#object(answer, asked)
  }

  /** A whole collection as it was at one moment, in pages. Throws `kubernetes-too-many` above `maxObjects`. */
  list(type: ResourceType, options: ListOptions): Promise<ObjectList> {
    return listObjects(this.#exchange, type, options)
  }

  /** The version at which a collection is now. */
  version(type: ResourceType, options: Omit<ListOptions, 'maxObjects'>): Promise<string> {
    return presentVersion(this.#exchange, type, options)
  }

  /** One stream of changes; see `watchObjects`. `reflect` is what keeps a collection current. */
  watch(type: ResourceType, call: WatchCall): Promise<ApiError | undefined> {
    return watchObjects(this.#exchange, type, call)
  }

  /** Into `namespace`, else into that of the object. `kubernetes-conflict` with reason `AlreadyExists` when there is one. */
  async create(
    type: ResourceType,
    object: ClusterObject,
    namespace: string | undefined = object.metadata.namespace,
  ): Promise<ClusterObject> {
    const { name } = object.metadata
    if (type.namespaced && namespace === undefined)
      throw new ApiError('kubernetes-object', `${name}: an object that is created needs its namespace`)
    const path = `${pathOfType(type, namespace)}${STRICT}`
    return this.#write({ method: 'POST', path, body: object }, { verb: 'create', type, name, namespace, path })
  }

  /** Stores it in place of the version that `metadata.resourceVersion` names; `kubernetes-conflict` when that is not the present one. */
  async replace(type: ResourceType, object: ClusterObject): Promise<ClusterObject> {
    const { name, namespace, resourceVersion } = object.metadata
    if (resourceVersion === undefined)
      throw new ApiError('kubernetes-object', `${name}: an object is only replaced where its resourceVersion is known`)
    const path = `${pathOfType(type, namespace, name)}${STRICT}`
    return this.#write({ method: 'PUT', path, body: object }, { verb: 'update', type, name, namespace, path })
  }

  /** JSON Merge Patch (RFC 7396). With `metadata.resourceVersion` in the patch: `kubernetes-conflict` when that is not the present one. */
  mergePatch(
    type: ResourceType,
    name: string,
    namespace: string | undefined,
    patch: object,
    options: PatchOptions = {},
  ): Promise<ClusterObject> {
    return this.#patch(type, name, namespace, patch, 'application/merge-patch+json', options)
  }

  /** JSON Patch (RFC 6902). */
  jsonPatch(
    type: ResourceType,
    name: string,
    namespace: string | undefined,
    operations: readonly object[],
    options: PatchOptions = {},
  ): Promise<ClusterObject> {
    return this.#patch(type, name, namespace, operations, 'application/json-patch+json', options)
  }

  /** Server-side apply: makes the object, or our fields of it, so. */
  async apply(type: ResourceType, object: ClusterObject, options: ApplyOptions): Promise<ClusterObject> {
    const call = applyCall(type, object, options)
    const { name, namespace } = object.metadata
    const { subresource } = options
    return this.#write(call, { verb: 'patch', type, name, namespace, subresource, path: call.path })
  }

  /** false: there was none. With `resourceVersion`: `kubernetes-conflict` when that is not the present one. */
  async delete(
    type: ResourceType,
    name: string,
    namespace?: string,
    { resourceVersion }: { readonly resourceVersion?: string } = {},
  ): Promise<boolean> {
    const path = pathOfType(type, namespace, name)
    const asked: Asked = { verb: 'delete', type, name, namespace, path }
    const answer = await this.#exchange.ask(
      {
        method: 'DELETE',
        path,
        ...(resourceVersion === undefined
          ? {}
          : { body: { apiVersion: 'v1', kind: 'DeleteOptions', preconditions: { resourceVersion } } }),
      },
      asked,
    )
    if (isMissing(answer, name)) return false
    if (answer.status !== 200 && answer.status !== 202) throw refusalOf(answer, asked)
    return true
  }

  /** Any call by its path, with query. The answer is JSON; what is no success is thrown. */
  async raw(call: PathCall): Promise<unknown> {
    const method = call.method ?? (call.body === undefined ? 'GET' : 'POST')
    const asked: Asked = { verb: verbs[method], path: call.path.replace(/\?.*$/s, '') }
    return this.#json(await this.#exchange.ask(call, asked), asked)
  }

  async #patch(
    type: ResourceType,
    name: string,
    namespace: string | undefined,
    body: object,
    contentType: string,
    { subresource }: PatchOptions,
  ): Promise<ClusterObject> {
    const path = `${pathOfType(type, namespace, name, subresource)}${STRICT}`
    const asked: Asked = { verb: 'patch', type, name, namespace, subresource, path }
    return this.#write({ method: 'PATCH', path, body, contentType }, asked)
  }

  async #write(call: PathCall, asked: Asked): Promise<ClusterObject> {
    return this.#object(await this.#exchange.ask(call, asked), asked)
  }

  #object(answer: ApiAnswer, asked: Asked): ClusterObject {
    return objectOf(this.#json(answer, asked), describeAsked(asked))
  }

  #json(answer: ApiAnswer, asked: Asked): unknown {
    if (answer.status < 200 || answer.status > 299) throw refusalOf(answer, asked)
    try {
      return JSON.parse(answer.text)
    } catch {
      // The message of JSON.parse quotes what it was given.
      throw new ApiError('kubernetes-answer', `${describeAsked(asked)}: the answer is no JSON`)
    }
  }
}

/** An unknown type is a 404 as well, which names no object. */
function isMissing({ status, text }: ApiAnswer, name: string): boolean {
  if (status !== 404) return false
  try {
    const value: unknown = JSON.parse(text)
    return isRecord(value) && isRecord(value['details']) && value['details']['name'] === name
  } catch {
    return false
  }
}
