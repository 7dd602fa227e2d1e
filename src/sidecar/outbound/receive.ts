import type { RequestHead } from '../../http/exchange.ts'
import { normalisePath } from '../../policy/normalise.ts'
import { type Refusal, refuse } from '../refusal.ts'
import type { Request } from '../request.ts'
import type { OutboundConnection } from './connection.ts'

/** A request in the form in which it will be forwarded. */
export interface Received {
  readonly kind: 'received'
  readonly request: Request
  readonly head: RequestHead
  /** Path and query; empty for a TCP connection. */
  readonly target: string
}

/** Bounds what is in flight, and normalises the path, so that both sidecars of a hop see the same one. */
export function receive(request: Request, connection: OutboundConnection): Received | Refusal {
  const { load, config } = connection.runtime
  if (load.inFlight > config.maxInFlight) return refuse('overloaded')
  const { head } = request
  if (head.method === 'CONNECT') return { kind: 'received', request, head, target: '' }
  const normalised = normalisePath(head.target)
  if (!normalised.ok) return refuse(normalised.code)
  const { path, query } = normalised
  request.path = path
  return { kind: 'received', request, head, target: query === '' ? path : path + query }
}
