import { OutriderError } from '../../lib/errors.ts'
import { type Kind, nameOf, type ResourceName } from '../../policy/model.ts'
import type { ServerStream } from '../../rpc/stream.ts'
import type { ResourceEvent } from '../../wire/outrider/admin/v1/ResourceEvent.ts'
import type { Change, Store } from '../store/store.ts'
import { wireRef, wireStored } from './wire.ts'

export interface ResourceFilter {
  readonly kind?: Kind
  readonly namespace?: string
}

const MAX_WATCHERS = 100
/** Events a slow watcher may leave waiting, beside the resources that were there when it came. */
const MAX_BACKLOG = 10_000

/** Streams what is there, a bookmark, then every change in the order of revisions. */
export function watchResources(store: Store): (filter: ResourceFilter, stream: ServerStream<ResourceEvent>) => void {
  let watchers = 0
  return (filter, stream) => {
    if (watchers >= MAX_WATCHERS) {
      throw new OutriderError('too-many-watchers', `${MAX_WATCHERS} watch the resources, and that is the limit`)
    }
    watchers += 1
    const present = store.list(filter)
    for (const stored of present) {
      stream.send({ type: 'TYPE_PRESENT', revision: stored.revision, resource: wireStored(stored) })
    }
    stream.send({ type: 'TYPE_BOOKMARK', revision: store.revision })
    const most = present.length + MAX_BACKLOG
    const stop = store.watch(({ revision, changes }) => {
      for (const change of changes) {
        const name = change.kind === 'put' ? nameOf(change.resource) : change.name
        if (matches(filter, name)) stream.send(eventOf(change, name, revision, store))
      }
      if (stream.backlog > most) {
        stream.end(new OutriderError('watcher-too-slow', `more than ${most} events wait to be read`))
      }
    })
    stream.onClose(() => {
      watchers -= 1
      stop()
    })
  }
}

function eventOf(change: Change, name: ResourceName, revision: number, store: Store): ResourceEvent {
  const stored = store.get(name)
  if (change.kind === 'put' && stored !== undefined) {
    return { type: 'TYPE_CHANGED', revision, resource: wireStored(stored) }
  }
  return { type: 'TYPE_DELETED', revision, resource: { ref: wireRef(name), revision } }
}

function matches({ kind, namespace }: ResourceFilter, name: ResourceName): boolean {
  return (kind === undefined || kind === name.kind) && (namespace === undefined || namespace === name.namespace)
}
