import type { PolicyUpdate__Output } from '../../wire/outrider/policy/v1/PolicyUpdate.ts'
import type { SubscribeRequest } from '../../wire/outrider/policy/v1/SubscribeRequest.ts'
import { apply } from './apply.ts'
import { compile } from './compile.ts'
import { decode } from './decode.ts'
import type { Origin, Snapshot } from './snapshot.ts'

/*
 * THE END OF THE POLICY PATH. docs/architecture/policy-path.md lists the stages; subscribe.ts brings the updates here and
 * takes the answers back.
 */

/** One update, from its bytes to what requests are decided with. Synchronous: nothing is ever half-applied. */
export function takeUpdate(update: PolicyUpdate__Output, snapshot: Snapshot): SubscribeRequest {
  const decoded = decode(update, snapshot)
  if (decoded.kind === 'stale') return decoded.nack
  const compiled = compile(decoded, snapshot)
  return apply(compiled, snapshot, { source: 'control' })
}

/** A last-good copy in place of the first update: the very same way. */
export function takeLastGood(update: PolicyUpdate__Output, snapshot: Snapshot, origin: Origin): void {
  const decoded = decode(update, snapshot)
  if (decoded.kind === 'stale') return
  const compiled = compile(decoded, snapshot)
  apply(compiled, snapshot, origin)
}
