import type { Socket } from 'node:net'
import type { Ending, RequestHandler } from '../http/exchange.ts'
import { H1ServerConnection } from '../http/h1/server.ts'
import { H2ServerConnection } from '../http/h2/server.ts'
import type { HttpLimits } from '../http/limits.ts'
import { RawServerConnection } from '../http/raw/server.ts'
import type { OpenConnection } from './connections.ts'
import type { RequestSource } from './request.ts'
import { serverLimits } from './runtime.ts'

/** What is spoken on an accepted connection. */
export type Spoken = 'http1' | 'http2' | 'tcp'

/** A connection that requests may come on. */
export interface HttpSource extends RequestSource {
  readonly socket: Socket
  readonly spoken: Spoken
  /** Whether request targets may have a fragment. */
  readonly fragments: HttpLimits['fragments']
  /** `host:port` that a TCP connection is for. */
  readonly authority: string
  /** Address and port of the other end. */
  readonly remote: string
  /** The peer's SPIFFE ID, or `application`. */
  readonly peerName: string
  /** Wall-clock time at which it is cut. */
  readonly expiresAtMs: number
  /** SHA-256, hexadecimal, of the roots that the SVIDs of both sides end at, each once; none without mutual TLS. */
  readonly authorities: readonly string[]
  /** The client goes away: the error of its GOAWAY, and what it says. HTTP/2 only. */
  readonly onGoingAway?: (error: number, debug: string) => void
}

/** Takes requests from an accepted connection, and keeps it among the open ones until it closes; then calls `onClosed`. */
export function serveHttp(source: HttpSource, handler: RequestHandler, onClosed: () => void): OpenConnection {
  const { runtime, reporter, remote, peerName, expiresAtMs, authorities } = source
  const { clock, connections } = runtime
  const codec = serverCodec(
    source,
    (head, stream) => {
      open.requests += 1
      return handler(head, stream)
    },
    () => {
      connections.remove(open)
      onClosed()
    },
  )
  const open: OpenConnection = {
    listener: reporter,
    remote,
    peer: peerName,
    openedAtMs: clock.now(),
    expiresAtMs,
    requests: 0,
    authorities,
    retire: () => codec.retire(),
    close: () => codec.close(),
    destroy: (ending) => codec.destroy(ending),
  }
  connections.add(open)
  codec.start?.()
  return open
}

interface ServerCodec {
  /** Where the exchange begins with the connection: now that it is among the open ones. */
  start?(): void
  retire(): void
  close(): void
  destroy(ending?: Ending): void
}

function serverCodec(source: HttpSource, handler: RequestHandler, onClosed: () => void): ServerCodec {
  const { runtime, reporter, socket, spoken, authority, remote, peerName } = source
  const { sweep, budget, config, metrics, log } = runtime
  const limits = serverLimits(config, source.fragments)
  if (spoken === 'tcp') {
    return new RawServerConnection(socket, {
      authority,
      sweep,
      idleTimeoutMs: limits.tunnelIdleTimeoutMs,
      handler,
      onClosed,
    })
  }
  const goingAway = source.onGoingAway === undefined ? {} : { onGoingAway: source.onGoingAway }
  const onFault = (code: string): void => {
    metrics.httpProtocolErrors.with({ listener: reporter, code }).inc()
    log.warn({ listener: reporter, remote, peer: peerName, code }, 'request refused by the HTTP engine')
  }
  return spoken === 'http1'
    ? new H1ServerConnection(socket, { limits, sweep, handler, onFault, onClosed })
    : new H2ServerConnection(socket, { limits, sweep, budget, handler, onFault, onClosed, ...goingAway })
}
