import type { RequestHead } from '../../http/exchange.ts'
import type { Headers } from '../../http/headers.ts'
import { normaliseAuthority } from '../../policy/host.ts'
import { type Refusal, refuse } from '../refusal.ts'
import type { Request } from '../request.ts'
import type { InboundConnection } from './connection.ts'

/** A request in the one form that is decided on and forwarded. */
export interface Received {
  readonly kind: 'received'
  readonly request: Request
  readonly head: RequestHead
  /** Host that is asked for, as `normaliseAuthority` returns it; absent for a TCP connection. */
  readonly host: string | undefined
  /** Host, and port if need be, as they will be forwarded. */
  readonly authority: string
  /** Normalised, without the query; absent for a TCP connection. */
  readonly path: string | undefined
  /** Path and query as they will be forwarded. */
  readonly target: string
  /** End-to-end fields as they will be forwarded, but for those of our own. */
  readonly headers: Headers
  /** Port of the application. */
  readonly port: number
}

/**
 * Bounds what is in flight, and normalises host and path, once. Methods differ by case, and so stay as they are; names of fields
 * are in lower case already. The engine has checked the syntax of everything, and that a request names one host.
 */
export function receive(request: Request, connection: InboundConnection): Received | Refusal {
  const { runtime, inbound } = connection
  request.destination = 'application'
  if (runtime.load.inFlight > runtime.config.maxInFlight) return refuse('overloaded')
  const { head } = request
  const { port } = inbound.app
  if (head.method === 'CONNECT') {
    const { authority } = head
    const { headers } = head
    return { kind: 'received', request, head, host: undefined, authority, path: undefined, target: '', headers, port }
  }
  const { host, authority } = normaliseAuthority(head.authority)
  request.authority = authority
  const normalised = inbound.normalise(head.target)
  if (!normalised.ok) return refuse(normalised.code)
  const { path, query } = normalised
  request.path = path
  const target = query === '' ? path : path + query
  return { kind: 'received', request, head, host, authority, path, target, headers: head.headers, port }
}
