import { type Destination, resolveDestination } from '../../policy/destinations.ts'
import { type Refusal, refuse } from '../refusal.ts'
import type { OutboundConnection } from './connection.ts'
import type { Received } from './receive.ts'

export interface Resolved {
  readonly kind: 'resolved'
  readonly destination: Destination
}

/** The service that the listener stands for or the authority names, in the policy of this moment. */
export function resolve(received: Received, connection: OutboundConnection): Resolved | Refusal {
  const { runtime, authority } = connection
  const { request, head } = received
  const { closed, destinations } = runtime.policy.current
  if (closed?.code === 'policy-missing') return refuse('policy-missing', { detail: closed.detail })
  const destination = resolveDestination(destinations, authority === '' ? head.authority : authority)
  if (destination === undefined) return refuse('service-unknown', { detail: head.authority })
  const { service, protocol } = destination
  request.destination = `${service.metadata.namespace}/${service.metadata.name}`
  if (protocol !== 'auto' && (head.method === 'CONNECT') !== (protocol === 'tcp')) return refuse('protocol-mismatch')
  return { kind: 'resolved', destination }
}
