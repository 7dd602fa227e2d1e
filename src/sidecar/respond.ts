import type { ResponseHead } from '../http/exchange.ts'
import { type Refusal, refusals } from './refusal.ts'

export interface RefusalResponse {
  readonly head: ResponseHead
  readonly body: Buffer
}

/**
 * The response to a refused request. `explain` says whether the client may know why: it is the own application or a verified
 * peer.
 */
export function respond(refusal: Refusal, requestId: string, explain: boolean): RefusalResponse {
  const { status, text } = refusals[refusal.code]
  const body = Buffer.from(explain ? `${refusal.code}: ${text}\n` : '')
  const headers = ['x-request-id', requestId, ...(refusal.headers ?? [])]
  if (explain) headers.push('content-type', 'text/plain; charset=utf-8', 'x-outrider-refusal', refusal.code)
  return { head: { status, headers, bodyLength: body.length, close: false }, body }
}
