import type { RequestHandler } from '../../http/exchange.ts'
import { isStillTrusted } from '../../mtls/peer.ts'
import { serveHttp } from '../serve-http.ts'
import type { InboundConnection } from './connection.ts'

/** The connection ends gracefully this long before one of its certificates expires, and by force when it does. */
const EXPIRY_MARGIN = 0.02
const LONGEST_EXPIRY_MARGIN_MS = 5_000

/**
 * Speaks HTTP on a connection whose peer is known, until it closes, a certificate of it expires or the root of the peer is
 * withdrawn.
 */
export function serve(connection: InboundConnection, handler: RequestHandler): void {
  const { runtime, remote, peer, expiresAtMs } = connection
  const { clock, credentials, log } = runtime
  const open = serveHttp(connection, handler, () => {
    closing.cancel()
    cutting.cancel()
    unsubscribe()
  })
  const left = expiresAtMs - clock.now()
  const closing = clock.after(left - Math.min(LONGEST_EXPIRY_MARGIN_MS, left * EXPIRY_MARGIN), () => open.close())
  const cutting = clock.after(left, () => {
    log.info({ remote, peer: peer.id }, 'connection cut: a certificate of it has expired')
    open.destroy()
  })
  const unsubscribe = credentials.subscribe(({ bundles }) => {
    if (isStillTrusted(peer, bundles)) return
    log.warn({ remote, peer: peer.id }, 'connection cut: the root of its peer is no longer trusted')
    open.destroy()
  })
}
