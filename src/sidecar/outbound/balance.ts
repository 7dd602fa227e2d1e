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

/** One endpoint of the service: the one that was meant, where the application has called it by its own address. */
export function balance({ destination }: Resolved, connection: OutboundConnection): Balanced | Refusal {
  const { endpoints, random, runtime, endpoint: meant } = connection.outbound
  const all = endpoints.of(destination)
  const candidates = meant === undefined ? all : all.filter(({ address }) => address === meant)
  const endpoint = choose(candidates, runtime.clock.monotonic(), random)
  if (endpoint === undefined) return refuse('no-endpoint')
  return { kind: 'balanced', endpoint, choices: candidates.length }
}
