import { createServer, type Server } from 'node:net'
import type { Mapping } from '../../lib/address.ts'
import type { Terminator } from '../../mtls/server.ts'
import type { RateLimiter } from '../../ratelimit/limiter.ts'
import { listen, stopListening } from '../../lib/listen.ts'
import { clientLimits, type Runtime } from '../runtime.ts'
import { Sockets } from '../sockets.ts'
import { dialApplication } from '../upstream/application.ts'
import { UpstreamPool } from '../upstream/pool.ts'
import type { Inbound } from './connection.ts'
import { inboundConnection } from './path.ts'

/** An open inbound port. */
export interface InboundListener {
  readonly address: { readonly host: string; readonly port: number }
  readonly appPort: number
  /** Accepts no more; connections that are open go on. */
  stop(): Promise<void>
  /** Cuts what is still open: handshakes that did not end, and the connections to the application. */
  release(): void
}

/** Opens one inbound listener. Rejects with `listen-failed` when the address cannot be had. */
export async function openInbound(
  mapping: Mapping,
  runtime: Runtime,
  terminator: Terminator,
  limiter: RateLimiter,
): Promise<InboundListener> {
  const { config, sweep, clock, metrics } = runtime
  const pool = new UpstreamPool({
    dial: dialApplication(mapping.app, config.upstreamConnectTimeoutMs, clock),
    limits: clientLimits(config),
    maxConnections: config.maxUpstreamConnections,
    queueTimeoutMs: config.upstreamQueueTimeoutMs,
    sweep,
    clock,
    active: metrics.upstreamConnectionsActive.with({ service: 'application' }),
    onFault: (code) => runtime.log.warn({ code }, 'the application sent a malformed response'),
  })
  const inbound: Inbound = {
    runtime,
    app: mapping.app,
    pool,
    limiter,
    terminator,
    sockets: new Sockets('inbound', runtime),
  }
  const server: Server = createServer({ noDelay: true, allowHalfOpen: true }, (socket) =>
    inboundConnection(socket, inbound),
  )
  const address = await listen(server, mapping.listen, 'inbound')
  return {
    address,
    appPort: mapping.app.port,
    stop: () => stopListening(server),
    release: () => {
      inbound.sockets.destroy()
      pool.destroy()
    },
  }
}
