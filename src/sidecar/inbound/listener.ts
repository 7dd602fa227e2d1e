import { createServer, type Server } from 'node:net'
import type { Mapping } from '../../lib/address.ts'
import { spokenProtocol } from '../../lib/app-protocol.ts'
import { listen, stopListening } from '../../lib/listen.ts'
import type { Terminator } from '../../mtls/server.ts'
import type { RateLimiter } from '../../ratelimit/limiter.ts'
import type { Runtime } from '../runtime.ts'
import { Sockets } from '../sockets.ts'
import { Tunnels } from '../tunnels.ts'
import { openApplication } from '../upstream/application.ts'
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
  const { policy, log } = runtime
  const { app } = mapping
  const application = openApplication(app, runtime)
  const tunnels = new Tunnels()
  const sockets = new Sockets('inbound', runtime)
  const protocol = spokenProtocol(mapping.protocol, app.port)
  const inbound: Inbound = { runtime, mapping, app, protocol, application, limiter, terminator, sockets, tunnels }
  const server: Server = createServer({ noDelay: true, allowHalfOpen: true }, (socket) =>
    inboundConnection(socket, inbound),
  )
  const address = await listen(server, mapping.listen, 'inbound', runtime.ports)
  const unsubscribe = policy.subscribe((current) => {
    const cut = tunnels.recheck(current)
    if (cut > 0) log.warn({ port: app.port, connections: cut }, 'connections cut: the policy no longer allows them')
  })
  return {
    address,
    appPort: app.port,
    stop: () => stopListening(server),
    release: () => {
      unsubscribe()
      sockets.destroy()
      application.destroy()
    },
  }
}
