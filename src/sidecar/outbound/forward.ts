import type { ClientConnection, RequestHead } from '../../http/exchange.ts'
import { type RefusalCode, refuse } from '../refusal.ts'
import { ORIGINAL_PROTOCOL } from '../own-fields.ts'
import type { Attempt } from '../request.ts'
import type { Balanced } from './balance.ts'
import type { OutboundConnection } from './connection.ts'
import type { Received } from './receive.ts'

/** An endpoint that could not be reached is avoided for so long. */
const AVOID_MS = 5_000
const MAX_ATTEMPTS = 3

/** Sends a request whose number of attempts so far is given. */
export type Send = (received: Received, connection: OutboundConnection, attempts: number) => void

/**
 * Sends the request on a mutual TLS connection to the endpoint, whose server has shown an identity that may serve the
 * service: an idle one, or one that is opened now (upstream/mesh.ts). When there can be none, `send` tries another endpoint:
 * nothing of the request has left yet. Who we are, the other side reads from our certificate, never from a field.
 */
export function forward(
  balanced: Balanced,
  received: Received,
  connection: OutboundConnection,
  attempts: number,
  send: Send,
): void {
  const { request } = received
  const attempt = new EndpointAttempt(balanced, received, connection, attempts, send)
  request.upstream = balanced.endpoint.address
  request.attempt = attempt
  balanced.endpoint.pool.acquire(attempt)
}

class EndpointAttempt implements Attempt {
  readonly #balanced: Balanced
  readonly #received: Received
  readonly #connection: OutboundConnection
  readonly #attempts: number
  readonly #send: Send

  constructor(balanced: Balanced, received: Received, connection: OutboundConnection, attempts: number, send: Send) {
    this.#balanced = balanced
    this.#received = received
    this.#connection = connection
    this.#attempts = attempts
    this.#send = send
  }

  get gone(): boolean {
    return this.#received.request.exchange.finished
  }

  connected(upstream: ClientConnection): void {
    const { request, head } = this.#received
    const original = head.version === 'HTTP/1.1' || head.version === 'HTTP/1.0' ? 'HTTP/1.1' : undefined
    const outgoing: RequestHead = {
      method: head.method,
      authority: head.authority,
      target: head.target,
      headers: request.forwardedHeaders(ORIGINAL_PROTOCOL, original),
      bodyLength: head.bodyLength,
      upgrade: head.upgrade,
      acceptsTrailers: head.acceptsTrailers,
      version: head.version,
    }
    request.exchange.forward(upstream, outgoing)
  }

  failed(code: RefusalCode, detail: string): void {
    const { request } = this.#received
    const { endpoint, choices } = this.#balanced
    request.countFailure(code)
    endpoint.avoidUntilMs = this.#connection.runtime.clock.monotonic() + AVOID_MS
    // An endpoint that was withdrawn meanwhile may have been the only one, and have a successor.
    const others = code === 'no-endpoint' || this.#attempts < choices
    if (others && this.#attempts < MAX_ATTEMPTS) this.#send(this.#received, this.#connection, this.#attempts + 1)
    else request.refuse(refuse(code, { detail }))
  }

  replay(): void {
    this.#balanced.endpoint.pool.acquireFresh(this)
  }
}
