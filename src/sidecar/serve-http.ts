import type { Socket } from 'node:net'
import type { RequestHandler } from '../http/exchange.ts'
import { H1ServerConnection } from '../http/h1/server.ts'
import type { OpenConnection } from './connections.ts'
import type { RequestSource } from './request.ts'
import { serverLimits } from './runtime.ts'

/** A connection that requests may come on. */
export interface HttpSource extends RequestSource {
  readonly socket: Socket
  /** Address and port of the other end. */
  readonly remote: string
  /** The peer's SPIFFE ID, or `application`. */
  readonly peerName: string
  /** Wall-clock time at which it is cut. */
  readonly expiresAtMs: number
}

/** Speaks HTTP on an accepted connection, and keeps it among the open ones until it closes; then calls `onClosed`. */
export function serveHttp(source: HttpSource, handler: RequestHandler, onClosed: () => void): OpenConnection {
  const { runtime, reporter, socket, remote, peerName, expiresAtMs } = source
  const { clock, sweep, config, connections, metrics, log } = runtime
  const h1 = new H1ServerConnection(socket, {
    limits: serverLimits(config),
    sweep,
    handler: (head, stream) => {
      open.requests += 1
      return handler(head, stream)
    },
    onFault: (code) => {
      metrics.httpProtocolErrors.with({ listener: reporter, code }).inc()
      log.warn({ listener: reporter, remote, peer: peerName, code }, 'request refused by the HTTP engine')
    },
    onClosed: () => {
      connections.remove(open)
      onClosed()
    },
  })
  const open: OpenConnection = {
    listener: reporter,
    remote,
    peer: peerName,
    openedAtMs: clock.now(),
    expiresAtMs,
    requests: 0,
    retire: () => h1.retire(),
    close: () => h1.close(),
    destroy: () => h1.destroy(),
  }
  connections.add(open)
  return open
}
