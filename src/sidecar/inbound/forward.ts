import type { ClientConnection, RequestHead } from '../../http/exchange.ts'
import type { Permit } from '../../policy/decision.ts'
import { type RefusalCode, refuse } from '../refusal.ts'
import type { Attempt, Request } from '../request.ts'
import type { UpstreamPool } from '../upstream/pool.ts'
import type { InboundConnection } from './connection.ts'
import type { Consulted } from './consult.ts'
import type { Admitted } from './limit.ts'
import type { Received } from './receive.ts'
import type { Target } from './route.ts'

/** Sends the request to the application, in the very form that was decided on. The permit is the proof that it was. */
export function forward(
  _permit: Permit,
  received: Received,
  consulted: Consulted,
  admitted: Admitted,
  target: Target,
  connection: InboundConnection,
): void {
  const { request, head } = received
  request.upstream = target.address
  request.responseHeaders = admitted.headers
  const outgoing: RequestHead = {
    method: head.method,
    authority: received.authority,
    target: consulted.target,
    headers:
      consulted.headers ??
      request.forwardedHeaders('x-forwarded-client-cert', connection.clientCertificate, received.headers),
    bodyLength: head.bodyLength,
    upgrade: head.upgrade,
    acceptsTrailers: head.acceptsTrailers,
    version: request.protocol,
  }
  const attempt = new ApplicationAttempt(request, target.pool, outgoing)
  request.attempt = attempt
  target.pool.acquire(attempt)
}

class ApplicationAttempt implements Attempt {
  readonly #request: Request
  readonly #pool: UpstreamPool
  readonly #outgoing: RequestHead

  constructor(request: Request, pool: UpstreamPool, outgoing: RequestHead) {
    this.#request = request
    this.#pool = pool
    this.#outgoing = outgoing
  }

  get gone(): boolean {
    return this.#request.exchange.finished
  }

  connected(application: ClientConnection): void {
    this.#request.exchange.forward(application, this.#outgoing)
  }

  /** There is one application: nobody else to ask. */
  failed(code: RefusalCode, detail: string): void {
    this.#request.countFailure(code)
    // Of a connection that could not be opened the application knows nothing.
    this.#request.refuse(refuse(code, { detail, unprocessed: code === 'upstream-unreachable' }))
  }

  replay(): void {
    this.#pool.acquireFresh(this)
  }
}
