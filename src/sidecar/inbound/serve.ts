import type { RequestHandler } from '../../http/exchange.ts'
import type { VerifiedPeer } from '../../identity/verify.ts'
import { isStillTrusted } from '../../mtls/peer.ts'
import type { OpenConnection } from '../connections.ts'
import { serveHttp } from '../serve-http.ts'
import type { InboundConnection } from './connection.ts'

/** The connection ends gracefully this long before one of its certificates expires, and by force when it does. */
const EXPIRY_MARGIN = 0.02
const LONGEST_EXPIRY_MARGIN_MS = 5_000

/**
 * Takes requests from a connection whose peer is known, until it closes, a certificate of it expires or the root of the peer
 * is withdrawn. One without mutual TLS has neither.
 */
export function serve(connection: InboundConnection, handler: RequestHandler): void {
  const { peer } = connection
  let release: (() => void) | undefined
  const open = serveHttp(connection, handler, () => release?.())
  if (peer !== undefined) release = endWithCertificates(open, connection, peer)
}

function endWithCertificates(open: OpenConnection, connection: InboundConnection, peer: VerifiedPeer): () => void {
  const { runtime, remote, expiresAtMs } = connection
  const { clock, credentials, log } = runtime
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
  return () => {
    closing.cancel()
    cutting.cancel()
    unsubscribe()
  }
}
