import type { ClientConnection } from '../../http/exchange.ts'
import { refuse } from '../refusal.ts'
import type { Request } from '../request.ts'
import type { Balanced } from './balance.ts'
import type { OutboundConnection } from './connection.ts'

/** An endpoint that could not be reached is avoided for so long. */
const AVOID_MS = 5_000
const MAX_ATTEMPTS = 3

/**
 * A mutual TLS connection to the endpoint, whose server has shown an identity that may serve the service. When none can be
 * opened the request goes to another endpoint: nothing of it has left yet.
 */
export function originate(
  { endpoint, choices }: Balanced,
  attempt: number,
  request: Request,
  connection: OutboundConnection,
  again: (attempt: number) => void,
  connected: (upstream: ClientConnection) => void,
): void {
  const { clock } = connection.runtime
  request.upstream = endpoint.address
  const waiter = request.waiter(connected, (code, detail) => {
    endpoint.avoidUntilMs = clock.monotonic() + AVOID_MS
    // An endpoint that was withdrawn meanwhile may have been the only one, and have a successor.
    const others = code === 'no-endpoint' || attempt < choices
    if (others && attempt < MAX_ATTEMPTS) again(attempt + 1)
    else request.refuse(refuse(code, { detail }))
  })
  request.resend = () => endpoint.pool.acquireFresh(waiter)
  endpoint.pool.acquire(waiter)
}
