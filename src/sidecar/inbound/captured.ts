import { createServer } from 'node:net'
import type { Address, CapturedPort } from '../../lib/address.ts'
import { spokenProtocol } from '../../lib/app-protocol.ts'
import { stopListening } from '../../lib/listen.ts'
import type { Terminator } from '../../mtls/server.ts'
import { normaliserOf } from '../../policy/normalise-as.ts'
import type { RateLimiter } from '../../ratelimit/limiter.ts'
import { isDirect, listenForCaptured, originalDestinations, refuseCaptured } from '../capture/socket.ts'
import type { Runtime } from '../runtime.ts'
import { Sockets } from '../sockets.ts'
import { openApplication } from '../upstream/application.ts'
import type { Inbound } from './connection.ts'
import { inboundConnection } from './path.ts'

/** The port that captured connections for every declared port of the application come to. */
export interface CapturedInbound {
  readonly address: Address
  stop(): Promise<void>
  release(): void
}

/** Opens it. Rejects with `listen-failed`, or `original-destination-unavailable`. */
export async function openCapturedInbound(
  at: Address,
  runtime: Runtime,
  terminator: Terminator,
  limiter: RateLimiter,
): Promise<CapturedInbound> {
  const originalOf = await originalDestinations(runtime)
  const sockets = new Sockets('inbound', runtime)
  const ports = new Map(runtime.config.captureInboundPorts.map((declared) => [declared.port, declared]))
  const inbounds = new Map<string, Inbound>()

  const inboundFor = (declared: CapturedPort, original: Address): Inbound => {
    // The application listens on loopback in the family of its client, or the client would not have reached it.
    const app = { host: original.host.includes(':') ? '::1' : '127.0.0.1', port: declared.port }
    const key = `${app.host} ${app.port}`
    const present = inbounds.get(key)
    if (present !== undefined) return present
    const { protocol, mode, normalise } = declared
    const made: Inbound = {
      runtime,
      mapping: { listen: { host: at.host, port: declared.port }, app, protocol, mode, normalise },
      app,
      protocol: spokenProtocol(protocol, declared.port),
      normalise: normaliserOf(normalise),
      application: openApplication(app, runtime),
      limiter,
      terminator,
      sockets,
    }
    inbounds.set(key, made)
    return made
  }

  let own = at
  const server = createServer({ noDelay: true, allowHalfOpen: true }, (socket) => {
    const original = originalOf(socket)
    if (original === undefined || isDirect(original, own)) {
      refuseCaptured(socket, original, 'not-captured', 'inbound', runtime)
      return
    }
    const declared = ports.get(original.port)
    if (declared === undefined) refuseCaptured(socket, original, 'port-not-declared', 'inbound', runtime)
    else inboundConnection(socket, inboundFor(declared, original))
  })
  own = await listenForCaptured(server, at, 'captureInbound', runtime)
  return {
    address: own,
    stop: () => stopListening(server),
    release: () => {
      sockets.destroy()
      for (const { application } of inbounds.values()) application.destroy()
    },
  }
}
