import { createServer } from 'node:net'
import type { Address } from '../../lib/address.ts'
import { listen, stopListening } from '../../lib/listen.ts'
import type { Random } from '../../lib/random.ts'
import { type Runtime, shareOf } from '../runtime.ts'
import { Sockets } from '../sockets.ts'
import { Endpoints } from '../upstream/endpoints.ts'
import { dialMesh } from '../upstream/mesh.ts'
import { UpstreamPool } from '../upstream/pool.ts'
import { speakHttp2 } from '../upstream/speak.ts'
import type { Outbound } from './connection.ts'
import { outboundConnection } from './path.ts'

/** An open port for the own application. */
export interface OutboundListener {
  readonly address: Address
  stop(): Promise<void>
  /** Cuts what is still open. */
  release(): void
}

/** Opens one outbound listener: for every service, or for `service` alone. Rejects with `listen-failed`. */
export async function openOutbound(
  at: Address,
  service: Address | undefined,
  endpoints: Endpoints,
  runtime: Runtime,
  random: Random,
): Promise<OutboundListener> {
  const outbound: Outbound = { runtime, endpoints, random, sockets: new Sockets('outbound', runtime), service }
  const server = createServer({ noDelay: true, allowHalfOpen: true }, (socket) => outboundConnection(socket, outbound))
  const address = await listen(server, at, service === undefined ? 'outbound' : 'outboundServices', runtime.ports)
  return {
    address,
    stop: () => stopListening(server),
    release: () => outbound.sockets.destroy(),
  }
}

/** The connections to other sidecars, shared by all outbound listeners. */
export interface MeshEndpoints {
  readonly endpoints: Endpoints
  release(): void
}

/** They follow policy and credentials until `release`. */
export function openEndpoints(runtime: Runtime): MeshEndpoints {
  const { config, sweep, clock, metrics, credentials, policy, log } = runtime
  const endpoints = new Endpoints(
    (target, service) =>
      new UpstreamPool({
        dial: dialMesh(target, service, runtime),
        speak: speakHttp2(runtime, 'https', (code) =>
          log.warn({ service, code }, 'an upstream sent a malformed response'),
        ),
        multiplexed: true,
        keepsIdle: true,
        maxConnections: shareOf(config.maxMeshConnections, runtime),
        queueTimeoutMs: config.upstreamQueueTimeoutMs,
        sweep,
        clock,
        active: metrics.upstreamConnectionsActive.with({ service }),
      }),
  )
  endpoints.update(policy.current)
  const unsubscribe = [
    policy.subscribe((current) => endpoints.update(current)),
    credentials.subscribe(() => endpoints.retire()),
  ]
  return {
    endpoints,
    release: () => {
      for (const stop of unsubscribe) stop()
      endpoints.destroy()
    },
  }
}
