import type { ResourceType } from './objects.ts'

/** What one of our programs asks the API server for. The manifests grant exactly this; a test compares them. */
export interface Access {
  readonly type: ResourceType
  readonly subresource?: string
  readonly verbs: readonly Verb[]
  /** Of the only objects that are meant. */
  readonly names?: readonly string[]
  /** In the namespace of the program alone. */
  readonly own?: true
}

export type Verb = 'get' | 'list' | 'watch' | 'create' | 'update' | 'patch' | 'delete'
