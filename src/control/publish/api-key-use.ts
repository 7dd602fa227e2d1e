import { millisecondsOf } from '../../lib/protobuf-time.ts'
import type { ApiKeyUse__Output } from '../../wire/outrider/policy/v1/ApiKeyUse.ts'
import { protocolError } from './protocol-error.ts'

/** In one report. */
const MAX_API_KEY_USES = 1000

/** When each secret was last good. Times from a clock that is ahead of ours are now. Throws `stream-protocol` for too many. */
export function usesOf({ secrets }: ApiKeyUse__Output, nowMs: number): ReadonlyMap<string, number> {
  if (secrets.length > MAX_API_KEY_USES) {
    throw protocolError(`a report of API keys has at most ${MAX_API_KEY_USES} of them`)
  }
  return new Map(secrets.map(({ id, lastUsed }) => [id, Math.min(nowMs, millisecondsOf(lastUsed) ?? nowMs)]))
}
