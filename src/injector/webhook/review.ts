import { OutriderError } from '../../lib/errors.ts'
import { fieldsOf, isFields, textOf } from '../pod.ts'

/** What the API server asks about: `admission.k8s.io/v1` AdmissionReview, its request. */
export interface ReviewRequest {
  readonly uid: string
  readonly operation: 'CREATE' | 'UPDATE' | 'DELETE' | 'CONNECT'
  /** `v1/pods`, `outrider.mesh/v1/ratelimits`. */
  readonly resource: string
  readonly namespace: string | undefined
  readonly object: unknown
}

export interface ReviewAnswer {
  readonly allowed: boolean
  /** Why not, for who made the object. */
  readonly message?: string
  /** RFC 6902. */
  readonly patch?: readonly object[]
}

const API_VERSION = 'admission.k8s.io/v1'
const operations = ['CREATE', 'UPDATE', 'DELETE', 'CONNECT'] as const

/** Reads a review. Throws `review-malformed`. */
export function readReview(bytes: Uint8Array): ReviewRequest {
  let review: unknown
  try {
    review = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch {
    // The message of JSON.parse quotes its input, which may be a Secret that was sent to the wrong place.
    throw malformed('', 'is not JSON in UTF-8')
  }
  const { apiVersion, kind, request } = fieldsOf(review)
  if (apiVersion !== API_VERSION) throw malformed('apiVersion', `is not ${API_VERSION}`)
  if (kind !== 'AdmissionReview') throw malformed('kind', 'is not AdmissionReview')
  if (!isFields(request)) throw malformed('request', 'is missing')
  const uid = textOf(request['uid'])
  if (uid === undefined || uid === '' || uid.length > 128)
    throw malformed('request.uid', 'is no text of 1 to 128 characters')
  const operation = operations.find((one) => one === request['operation'])
  if (operation === undefined) throw malformed('request.operation', `is none of ${operations.join(', ')}`)
  const { group, version, resource } = fieldsOf(request['resource'])
  if (typeof group !== 'string' || typeof version !== 'string' || typeof resource !== 'string')
    throw malformed('request.resource', 'has no group, version and resource')
  return {
    uid,
    operation,
    resource: [group, version, resource].filter((part) => part !== '').join('/'),
    namespace: textOf(request['namespace']),
    object: request['object'],
  }
}

function malformed(place: string, message: string): OutriderError<'review-malformed'> {
  return new OutriderError('review-malformed', `the review ${place === '' ? '' : `has a ${place} that `}${message}`, {
    place,
  })
}

/** The same document with a response in place of the request. */
export function writeReview({ uid }: ReviewRequest, { allowed, message, patch }: ReviewAnswer): string {
  const hasPatch = patch !== undefined && patch.length > 0
  return JSON.stringify({
    apiVersion: API_VERSION,
    kind: 'AdmissionReview',
    response: {
      uid,
      allowed,
      ...(message === undefined ? {} : { status: { code: 422, reason: 'Invalid', message } }),
      ...(hasPatch ? { patchType: 'JSONPatch', patch: Buffer.from(JSON.stringify(patch)).toString('base64') } : {}),
    },
  })
}
