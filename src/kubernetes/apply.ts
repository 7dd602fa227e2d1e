import type { PathCall } from './exchange.ts'
import { ApiError } from './failure.ts'
import { type ClusterObject, pathOfType, type ResourceType } from './objects.ts'

export interface ApplyOptions {
  /** Whose fields they become. */
  readonly fieldManager: string
  /** Takes fields that belong to other managers; without it they are a `kubernetes-conflict` whose causes name them. */
  readonly force?: boolean
  /** Everything but storing it. */
  readonly dryRun?: boolean
  readonly subresource?: string
}

/** The call of a server-side apply. A field that the API server does not know is refused, not dropped. */
export function applyCall(type: ResourceType, object: ClusterObject, options: ApplyOptions): PathCall {
  const { fieldManager, force = false, dryRun = false, subresource } = options
  const { name, namespace } = object.metadata
  if (object.apiVersion === undefined || object.kind === undefined)
    throw new ApiError('kubernetes-object', `${name}: an object that is applied says its apiVersion and kind`)
  const query = new URLSearchParams({
    fieldManager,
    force: String(force),
    fieldValidation: 'Strict',
    ...(dryRun ? { dryRun: 'All' } : {}),
  })
  return {
    method: 'PATCH',
    path: `${pathOfType(type, namespace, name, subresource)}?${query.toString()}`,
    // JSON is YAML.
    contentType: 'application/apply-patch+yaml',
    body: object,
  }
}
