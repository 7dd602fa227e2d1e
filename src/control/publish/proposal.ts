import type { Resource, ResourceName, Violation } from '../../policy/model.ts'

/** A document that is to be stored, read. */
export interface Proposed {
  /** Its place among those of one call. */
  readonly document: number
  readonly text: string
  readonly resource: Resource
}

export interface DocumentViolation extends Violation {
  /** Index of the document in the proposal. */
  readonly document: number
}

/** A resource in a message. */
export function label({ kind, namespace, name }: ResourceName): string {
  return `${kind} ${namespace}/${name}`
}
