import type { Pointer } from '../../policy/document-change.ts'
import { fieldsOf, isFields, itemsOf, textOf } from '../pod.ts'

/** A pod, or the template of pods, in a manifest. */
export interface FoundTemplate {
  readonly pointer: Pointer
  readonly value: unknown
  readonly kind: string
  /** Name of the object that it is in. */
  readonly owner: string | undefined
}

/** Where an object has the template of its pods, by group and kind. Other kinds are left alone. */
const places: Readonly<Record<string, Pointer>> = {
  '/Pod': [],
  '/PodTemplate': ['template'],
  '/ReplicationController': ['spec', 'template'],
  'apps/Deployment': ['spec', 'template'],
  'apps/StatefulSet': ['spec', 'template'],
  'apps/DaemonSet': ['spec', 'template'],
  'apps/ReplicaSet': ['spec', 'template'],
  'batch/Job': ['spec', 'template'],
  'batch/CronJob': ['spec', 'jobTemplate', 'spec', 'template'],
}
const MAX_DEPTH = 4

/** All pod templates of a document, in its order; those of lists too. */
export function templatesOf(document: unknown, at: Pointer = []): FoundTemplate[] {
  if (!isFields(document)) return []
  const kind = textOf(document['kind']) ?? ''
  const apiVersion = textOf(document['apiVersion']) ?? ''
  if (kind.endsWith('List') && Array.isArray(document['items'])) {
    if (at.length >= 2 * MAX_DEPTH) return []
    return itemsOf(document['items']).flatMap((item, index) => templatesOf(item, [...at, 'items', index]))
  }
  const group = apiVersion.includes('/') ? apiVersion.split('/')[0]! : ''
  const place = places[`${group}/${kind}`]
  if (place === undefined) return []
  const value = place.reduce<unknown>((inside, step) => fieldsOf(inside)[step], document)
  // Without a template the API server has something to say about it.
  if (value === undefined) return []
  return [{ pointer: [...at, ...place], value, kind, owner: textOf(fieldsOf(document['metadata'])['name']) }]
}
