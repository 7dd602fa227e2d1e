import type { RequestHandler } from '../../http/exchange.ts'
import { H1ServerConnection } from '../../http/h1/server.ts'
import { isStillTrusted } from '../../mtls/peer.ts'
import type { OpenConnection } from '../connections.ts'
import { serverLimits } from '../runtime.ts'
import type { InboundConnection } from './connection.ts'

/** The connection ends gracefully this long before one of its certificates expires, and by force when it does. */
const EXPIRY_MARGIN = 0.02
const LONGEST_EXPIRY_MARGIN_MS = 5_000

/**
 * Speaks HTTP on a connection whose peer is known, until it closes, a certificate of it expires or the root of the peer is
 * withdrawn.
 */
export function serve(connection: InboundConnection, handler: RequestHandler): void {
  const { runtime, socket, remote, peer, expiresAtMs } = connection
  const { clock, sweep, config, connections, credentials, metrics, log } = runtime
  const h1 = new H1ServerConnection(socket, {
    limits: serverLimits(config),
    sweep,
    handler: (head, stream) => {
      open.requests += 1
      return handler(head, stream)
    },
    onFault: (code) => {
      metrics.httpProtocolErrors.with({ listener: 'inbound', code }).inc()
      log.warn({ remote, peer: peer.id, code }, 'request refused by the HTTP engine')
    },
    onClosed: () => {
      closing.cancel()
      cutting.cancel()
      unsubscribe()
      connections.remove(open)
    },
  })
  const open: OpenConnection = {
    listener: 'inbound',
    remote,
    peer: peer.id,
    openedAtMs: clock.now(),
    expiresAtMs,
    requests: 0,
    retire: () => h1.retire(),
    close: () => h1.close(),
    destroy: () => h1.destroy(),
  }
  const left = expiresAtMs - clock.now()
  const closing = clock.after(left - Math.min(LONGEST_EXPIRY_MARGIN_MS, left * EXPIRY_MARGIN), () => h1.close())
  const cutting = clock.after(left, () => {
    log.info({ remote, peer: peer.id }, 'connection cut: a certificate of it has expired')
    h1.destroy()
  })
  const unsubscribe = credentials.subscribe(({ bundles }) => {
    if (isStillTrusted(peer, bundles)) return
    log.warn({ remote, peer: peer.id }, 'connection cut: the root of its peer is no longer trusted')
    h1.destroy()
  })
  connections.add(open)
}
