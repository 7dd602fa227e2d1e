import type { RequestHandler } from '../../http/exchange.ts'
import { H1ServerConnection } from '../../http/h1/server.ts'
import type { OpenConnection } from '../connections.ts'
import { serverLimits } from '../runtime.ts'
import type { OutboundConnection } from './connection.ts'

/** Speaks HTTP with the own application until it closes the connection. */
export function serve(connection: OutboundConnection, handler: RequestHandler): void {
  const { runtime, socket, remote } = connection
  const { clock, sweep, config, connections, metrics, log } = runtime
  const h1 = new H1ServerConnection(socket, {
    limits: serverLimits(config),
    sweep,
    handler: (head, stream) => {
      open.requests += 1
      return handler(head, stream)
    },
    onFault: (code) => {
      metrics.httpProtocolErrors.with({ listener: 'outbound', code }).inc()
      log.warn({ remote, code }, 'request of the application refused by the HTTP engine')
    },
    onClosed: () => connections.remove(open),
  })
  const open: OpenConnection = {
    listener: 'outbound',
    remote,
    peer: 'application',
    openedAtMs: clock.now(),
    expiresAtMs: Number.POSITIVE_INFINITY,
    requests: 0,
    retire: () => h1.retire(),
    close: () => h1.close(),
    destroy: () => h1.destroy(),
  }
  connections.add(open)
}
