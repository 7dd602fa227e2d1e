import { formatAddress } from '../../lib/address.ts'
import type { UpstreamPool } from '../upstream/pool.ts'
import type { InboundConnection } from './connection.ts'

/** Where the request goes. */
export interface Target {
  readonly pool: UpstreamPool
  readonly address: string
}

/** An inbound listener has one application behind it. */
export function route(connection: InboundConnection): Target {
  const { pool, app } = connection.inbound
  return { pool, address: formatAddress(app) }
}
