import { ApiError } from '../../kubernetes/failure.ts'
import { OutriderError } from '../../lib/errors.ts'
import { apiVersion } from '../../policy/model.ts'
import type { Collection } from './collection.ts'

/** A failure of which the operator can be told what to do; `undefined`: the failure says it by itself. */
export function explained(
  failure: OutriderError,
  { type, name }: Collection,
): OutriderError<'kubernetes-type-missing'> | undefined {
  if (!(failure instanceof ApiError) || failure.status !== 404) return undefined
  const ours = apiVersion.startsWith(`${type.group}/`)
  return new OutriderError(
    'kubernetes-type-missing',
    ours
      ? `the API server does not know ${name}: apply what "outrider crds" prints`
      : `the API server does not know ${name} ${type.version}: Kubernetes 1.29 or later is needed`,
    { source: 'dependency', cause: failure },
  )
}
