import type { Headers } from '../../http/headers.ts'
import type { Principal } from '../../policy/decision.ts'
import { rateLimitHeaders } from '../../ratelimit/limiter.ts'
import { type Refusal, refuse } from '../refusal.ts'
import type { InboundConnection } from './connection.ts'
import type { Received } from './receive.ts'

/** The request is within every limit; `headers` tell the caller how far. */
export interface Admitted {
  readonly kind: 'admitted'
  readonly headers: Headers | undefined
}

const unlimited: Admitted = { kind: 'admitted', headers: undefined }

/** Takes one from each limit that counts this request, or from none and refuses. */
export function limit(principal: Principal, received: Received, connection: InboundConnection): Admitted | Refusal {
  const { policy, metrics } = connection.runtime
  const { head, path, port } = received
  const method = path === undefined ? undefined : head.method
  const plans = policy.current.limits.of({ principal, method, path, port })
  if (plans.length === 0) return unlimited
  const verdict = connection.inbound.limiter.check(plans, principal.kind === 'peer' ? principal.id : 'anonymous')
  const headers = rateLimitHeaders(verdict)
  if (!verdict.limited) return { kind: 'admitted', headers }
  const name = verdict.limit.label
  metrics.rateLimited.with({ limit: name }).inc()
  return refuse('rate-limited', { limit: name, headers })
}
