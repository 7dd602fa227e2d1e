import { createServer } from 'node:net'
import type { Address } from '../../lib/address.ts'
import type { Random } from '../../lib/random.ts'
import { listen, stopListening } from '../../lib/listen.ts'
import { clientLimits, type Runtime } from '../runtime.ts'
import { Sockets } from '../sockets.ts'
import { Endpoints } from '../upstream/endpoints.ts'
import { dialMesh } from '../upstream/mesh.ts'
import { UpstreamPool } from '../upstream/pool.ts'
import type { Outbound } from './connection.ts'
import { outboundConnection } from './path.ts'

/** The open outbound port. */
export interface OutboundListener {
  readonly address: Address
  stop(): Promise<void>
  /** Cuts what is still open, here and to other sidecars. */
  release(): void
}

/** Opens the outbound listener and follows policy and credentials. Rejects with `listen-failed`. */
export async function openOutbound(at: Address, runtime: Runtime, random: Random): Promise<OutboundListener> {
  const { config, sweep, clock, metrics, credentials, policy, log } = runtime
  const endpoints = new Endpoints((target, service) => {
    const onRefused = (reason: string, message: string): void => {
      metrics.tlsHandshakeFailures.with({ listener: 'outbound', reason }).inc()
      log.warn({ service, reason, detail: message }, 'upstream refused')
    }
    return new UpstreamPool({
      dial: dialMesh(target, credentials, config.upstreamConnectTimeoutMs, clock, onRefused),
      limits: clientLimits(config),
      maxConnections: config.maxUpstreamConnections,
      queueTimeoutMs: config.upstreamQueueTimeoutMs,
      sweep,
      clock,
      active: metrics.upstreamConnectionsActive.with({ service }),
      onFault: (code) => log.warn({ service, code }, 'an upstream sent a malformed response'),
    })
  })
  const outbound: Outbound = { runtime, endpoints, random, sockets: new Sockets('outbound', runtime) }
  const server = createServer({ noDelay: true, allowHalfOpen: true }, (socket) => outboundConnection(socket, outbound))
  const address = await listen(server, at, 'outbound')
  endpoints.update(policy.current)
  const unsubscribe = [
    policy.subscribe((current) => endpoints.update(current)),
    credentials.subscribe(() => endpoints.retire()),
  ]
  return {
    address,
    stop: () => stopListening(server),
    release: () => {
      for (const stop of unsubscribe) stop()
      outbound.sockets.destroy()
      endpoints.destroy()
    },
  }
}
