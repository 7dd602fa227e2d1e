import type { RequestHead } from '../../http/exchange.ts'
import { type Refusal, refuse } from '../refusal.ts'
import type { Request } from '../request.ts'
import type { OutboundConnection } from './connection.ts'

export interface Received {
  readonly kind: 'received'
  readonly request: Request
  readonly head: RequestHead
}

/**
 * Bounds what is in flight. The path goes as it came: what it means is the business of the listener that decides on it, and only
 * that one knows the mode that its application declares.
 */
export function receive(request: Request, connection: OutboundConnection): Received | Refusal {
  const { load, config } = connection.runtime
  if (load.inFlight > config.maxInFlight) return refuse('overloaded')
  return { kind: 'received', request, head: request.head }
}
