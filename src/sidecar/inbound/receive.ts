import type { RequestHead } from '../../http/exchange.ts'
import type { Headers } from '../../http/headers.ts'
import { normalisePath } from '../../policy/normalise.ts'
import { type Refusal, refuse } from '../refusal.ts'
import type { Request } from '../request.ts'
import type { InboundConnection } from './connection.ts'

/** A request in the one form that is decided on and forwarded. */
export interface Received {
  readonly kind: 'received'
  readonly request: Request
  readonly head: RequestHead
  /** Normalised, without the query; absent for a TCP connection. */
  readonly path: string | undefined
  /** Path and query as they will be forwarded. */
  readonly target: string
  /** End-to-end fields as they will be forwarded, but for those of our own. */
  readonly headers: Headers
  /** Port of the application. */
  readonly port: number
}

/** Bounds what is in flight, and normalises the path once. The engine has checked the syntax of everything else. */
export function receive(request: Request, connection: InboundConnection): Received | Refusal {
  const { runtime, inbound } = connection
  request.destination = 'application'
  if (runtime.load.inFlight > runtime.config.maxInFlight) return refuse('overloaded')
  const { head } = request
  if (head.method === 'CONNECT') {
    return {
      kind: 'received',
      request,
      head,
      path: undefined,
      target: '',
      headers: head.headers,
      port: inbound.app.port,
    }
  }
  const normalised = normalisePath(head.target)
  if (!normalised.ok) return refuse(normalised.code)
  const { path, query } = normalised
  request.path = path
  const target = query === '' ? path : path + query
  return { kind: 'received', request, head, path, target, headers: head.headers, port: inbound.app.port }
}
