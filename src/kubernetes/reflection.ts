import type { OutriderError } from '../lib/errors.ts'
import type { Selection } from './list.ts'
import type { ClusterObject, ResourceType } from './objects.ts'

export interface Reflection extends Selection {
  readonly type: ResourceType
  /** A collection of more is refused: what was told so far stays in force. */
  readonly maxObjects: number
  /** Keeps of each object what is needed, so that the rest takes no memory. */
  readonly slim?: (object: ClusterObject) => ClusterObject
}

/** What a collection is and becomes; called one at a time, in order. */
export interface ReflectEvents {
  /** The whole state after a list: what is not in it is gone. */
  replaced(objects: readonly ClusterObject[], resourceVersion: string): void
  changed(type: 'put' | 'delete', object: ClusterObject): void
  /** A bookmark: everything up to here has been told. */
  progressed(resourceVersion: string): void
  /**
   * `synced`: changes come as they happen. `broken`: they do not, for the reason given; what was told so far stays in force. Told when
   * it changes, and when the reason does.
   */
  state(state: 'synced' | 'broken', error?: OutriderError): void
}
