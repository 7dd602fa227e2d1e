import { resourceKey } from '../../policy/model.ts'
import { fromWire } from '../../policy/wire.ts'
import type { PolicyUpdate__Output } from '../../wire/outrider/policy/v1/PolicyUpdate.ts'
import type { SubscribeRequest } from '../../wire/outrider/policy/v1/SubscribeRequest.ts'
import { heldAfter } from './changes.ts'
import type { Held, HeldResources, Snapshot } from './snapshot.ts'

/** The full set after an update, each resource read or known to be unreadable. */
export interface Decoded {
  readonly kind: 'decoded'
  readonly nonce: string
  readonly revision: number
  readonly held: HeldResources
  readonly startedMs: number
}

/** An update that is older than what is in force. It changes nothing. */
export interface Stale {
  readonly kind: 'stale'
  readonly nack: SubscribeRequest
}

/** Lays the update over what is held. An older revision never replaces a newer one. */
export function decode(update: PolicyUpdate__Output, snapshot: Snapshot): Decoded | Stale {
  const { nonce, revision } = update
  const startedMs = snapshot.clock.monotonic()
  if (revision < snapshot.revision) {
    const message = `revision ${revision} is older than ${snapshot.revision}, which is in force`
    snapshot.log.error({ revision, inForce: snapshot.revision }, 'policy update refused: it is older')
    return { kind: 'stale', nack: { nack: { nonce, revision, violations: [{ code: 'revision-older', message }] } } }
  }
  const held = new Map(snapshot.held)
  for (const name of update.removed) held.delete(resourceKey(name))
  for (const message of update.changed) {
    const read = fromWire(message)
    const name = message.name ?? { kind: '', namespace: '', name: '' }
    const entry: Held = read.ok
      ? { ok: true, name, revision: message.revision, resource: read.resource }
      : { ok: false, name, revision: message.revision, unreadable: read.unreadable, violations: read.violations }
    const key = resourceKey(name)
    const shared = heldAfter(entry, snapshot.held.get(key))
    snapshot.sent?.note(shared, message)
    held.set(key, shared)
  }
  return { kind: 'decoded', nonce, revision, held, startedMs }
}
