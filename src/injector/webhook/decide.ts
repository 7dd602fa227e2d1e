import { unreachable } from '../../lib/unreachable.ts'
import { apiVersion } from '../../policy/model.ts'
import { beyondNamespace } from '../../policy/tenancy.ts'
import { validateResource } from '../../policy/validate.ts'
import { annotationChange, injectPod } from '../inject-pod.ts'
import { jsonPatch } from '../json-patch.ts'
import { fieldsOf, isFields, itemsOf, textOf } from '../pod.ts'
import { refusalText } from '../refusal.ts'
import type { InjectSettings } from '../settings.ts'
import type { ReviewAnswer, ReviewRequest } from './review.ts'

export type DecisionResult = 'injected' | 'unchanged' | 'refused' | 'valid' | 'invalid'

export interface Decision {
  readonly result: DecisionResult
  readonly answer: ReviewAnswer
}

/** Answers to the API server; pure. By the path that it asks at. */
export type Decide = (request: ReviewRequest) => Decision

const unchanged: Decision = { result: 'unchanged', answer: { allowed: true } }
/** Of a pod that a kubelet has from a file: it runs already, and cannot be changed. */
const MIRROR = 'kubernetes.io/config.mirror'
/** An object that is long in refusals fills no log. */
const MAX_MESSAGE = 4000

/** Gives new pods their sidecar, and refuses those that cannot have one. Which pods are asked about is for the webhook configuration. */
export function decideInjection(settings: InjectSettings): Decide {
  return ({ resource, operation, object }) => {
    if (resource !== 'v1/pods' || operation !== 'CREATE') return unchanged
    const { annotations } = fieldsOf(fieldsOf(object)['metadata'])
    if (fieldsOf(annotations)[MIRROR] !== undefined) return unchanged
    const outcome = injectPod(object, ownerOf(object), settings)
    switch (outcome.kind) {
      case 'unchanged':
        return unchanged
      case 'refused':
        return {
          result: 'refused',
          answer: {
            allowed: false,
            message: messageOf(
              'this pod gets no sidecar, and does not run without one',
              outcome.refusals.map(refusalText),
            ),
          },
        }
      case 'injected': {
        const changes = [annotationChange(object, outcome.record), ...outcome.changes]
        return { result: 'injected', answer: { allowed: true, patch: jsonPatch(object, changes) } }
      }
      default:
        return unreachable(outcome)
    }
  }
}

/** Checks our own resources as `outrider apply` does, with the same words, and that none reaches beyond its namespace. */
export function decideValidity(meshNamespace: string): Decide {
  return ({ resource, operation, object }) => {
    const ours = resource.startsWith(`${apiVersion}/`)
    if (!ours || (operation !== 'CREATE' && operation !== 'UPDATE')) return { ...unchanged, result: 'valid' }
    const validation = validateResource(documentOf(object))
    const beyond = validation.ok ? beyondNamespace(validation.resource, meshNamespace) : undefined
    const violations = validation.ok ? (beyond === undefined ? [] : [beyond]) : validation.violations
    if (violations.length === 0) return { result: 'valid', answer: { allowed: true } }
    const lines = violations.map(({ field, message, code }) => `${field}: ${message} (${code})`)
    return { result: 'invalid', answer: { allowed: false, message: messageOf('this resource is not valid', lines) } }
  }
}

/** What was written, without what the API server adds. */
function documentOf(object: unknown): unknown {
  if (!isFields(object)) return object
  const { status: _, metadata, ...rest } = object
  const { name, namespace } = fieldsOf(metadata)
  return {
    ...rest,
    metadata: { ...(name === undefined ? {} : { name }), ...(namespace === undefined ? {} : { namespace }) },
  }
}

function messageOf(what: string, lines: readonly string[]): string {
  const text = `${what}: ${lines.join('; ')}`
  return text.length <= MAX_MESSAGE ? text : `${text.slice(0, MAX_MESSAGE)}...`
}

/**
 * The name of the workload that a pod is of, as people know it: its controller's, without what controllers of controllers add. A
 * pod of a ReplicaSet has its hash in a label; a CronJob names its Jobs by the minute.
 */
function ownerOf(pod: unknown): string | undefined {
  const metadata = fieldsOf(fieldsOf(pod)['metadata'])
  const owner = fieldsOf(itemsOf(metadata['ownerReferences']).find((one) => fieldsOf(one)['controller'] === true))
  const name = textOf(owner['name'])
  if (name === undefined) return textOf(metadata['name'])
  if (owner['kind'] === 'Job') return name.replace(/-[0-9]{8,11}$/, '')
  const hash = textOf(fieldsOf(metadata['labels'])['pod-template-hash'])
  return hash !== undefined && name.endsWith(`-${hash}`) ? name.slice(0, -hash.length - 1) : name
}
