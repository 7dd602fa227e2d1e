import { createServer, type Server } from 'node:net'
import type { Mapping } from '../../lib/address.ts'
import { spokenProtocol } from '../../lib/app-protocol.ts'
import { listen, stopListening } from '../../lib/listen.ts'
import type { Terminator } from '../../mtls/server.ts'
import { normaliserOf } from '../../policy/normalise-as.ts'
import type { RateLimiter } from '../../ratelimit/limiter.ts'
import type { Runtime } from '../runtime.ts'
import { Sockets } from '../sockets.ts'
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
  const { app } = mapping
  const application = openApplication(app, runtime)
  const sockets = new Sockets('inbound', runtime)
  const protocol = spokenProtocol(mapping.protocol, app.port)
  const normalise = normaliserOf(mapping.normalise)
  const inbound: Inbound = { runtime, mapping, app, protocol, normalise, application, limiter, terminator, sockets }
  const server: Server = createServer({ noDelay: true, allowHalfOpen: true }, (socket) =>
    inboundConnection(socket, inbound),
  )
  const address = await listen(server, mapping.listen, 'inbound', runtime.ports)
  return {
    address,
    appPort: app.port,
    stop: () => stopListening(server),
    release: () => {
      sockets.destroy()
      application.destroy()
    },
  }
}
