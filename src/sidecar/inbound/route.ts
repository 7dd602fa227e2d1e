import { formatAddress } from '../../lib/address.ts'
import { type Refusal, refuse } from '../refusal.ts'
import type { UpstreamPool } from '../upstream/pool.ts'
import type { InboundConnection } from './connection.ts'
import type { Received } from './receive.ts'

/** Where the request goes. */
export interface Target {
  readonly kind: 'target'
  readonly pool: UpstreamPool
  readonly address: string
}

/**
 * An inbound listener has one application behind it. It is spoken to in its declared protocol; without one in the HTTP of the
 * client. Bytes that nobody can read go only to an application that is declared to speak no HTTP: to any other they could be
 * a request, with an identity that its client made up, and past every rule and limit on paths.
 */
export function route({ request }: Received, { inbound }: InboundConnection): Target | Refusal {
  const { application, app, protocol: declared } = inbound
  const address = formatAddress(app)
  const tcp = request.head.method === 'CONNECT'
  if (tcp !== (declared === 'tcp')) return refuse('protocol-mismatch')
  // HTTP/1.1 has no way to say how a gRPC call ended.
  if (declared === 'http1' && request.grpc) return refuse('protocol-mismatch')
  if (tcp) return { kind: 'target', pool: application.tcp, address }
  const http2 = declared === 'auto' ? request.protocol === 'HTTP/2' : declared !== 'http1'
  return { kind: 'target', pool: http2 ? application.http2 : application.http1, address }
}
