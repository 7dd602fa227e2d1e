import { type Refusal, refuse } from '../refusal.ts'
import { choose, type Endpoint } from '../upstream/endpoints.ts'
import type { OutboundConnection } from './connection.ts'
import type { Resolved } from './resolve.ts'

export interface Balanced {
  readonly kind: 'balanced'
  readonly endpoint: Endpoint
  /** How many endpoints the service has: no more attempts than that. */
  readonly choices: number
}

/** One endpoint of the service. */
export function balance({ destination }: Resolved, connection: OutboundConnection): Balanced | Refusal {
  const { endpoints, random, runtime } = connection.outbound
  const candidates = endpoints.of(destination)
  const endpoint = choose(candidates, runtime.clock.monotonic(), random)
  if (endpoint === undefined) return refuse('no-endpoint')
  return { kind: 'balanced', endpoint, choices: candidates.length }
}
