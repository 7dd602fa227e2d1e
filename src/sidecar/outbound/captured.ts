import { createServer, type Socket } from 'node:net'
import { type Address, formatAddress } from '../../lib/address.ts'
import { stopListening } from '../../lib/listen.ts'
import type { Random } from '../../lib/random.ts'
import { type Destination, resolveDestination } from '../../policy/destinations.ts'
import { isDirect, listenForCaptured, originalDestinations, refuseCaptured } from '../capture/socket.ts'
import { detectFirstName } from '../first-bytes.ts'
import type { Runtime } from '../runtime.ts'
import { Sockets } from '../sockets.ts'
import type { Endpoints } from '../upstream/endpoints.ts'
import { accept } from './accept.ts'
import type { Accepted, Outbound } from './connection.ts'
import type { OutboundListener } from './listener.ts'
import { outsideConnection } from './outside.ts'
import { acceptedConnection } from './path.ts'

/** Opens the port that captured connections of the application come to. Rejects with `listen-failed`, or `original-destination-unavailable`. */
export async function openCapturedOutbound(
  at: Address,
  endpoints: Endpoints,
  runtime: Runtime,
  random: Random,
): Promise<OutboundListener> {
  const originalOf = await originalDestinations(runtime)
  const outbound: Outbound = {
    runtime,
    endpoints,
    random,
    sockets: new Sockets('outbound', runtime),
    service: undefined,
  }
  let own = at
  const server = createServer({ noDelay: true, allowHalfOpen: true }, (socket: Socket) => {
    const original = originalOf(socket)
    if (original === undefined || isDirect(original, own)) {
      refuseCaptured(socket, original, 'not-captured', 'outbound', runtime)
      return
    }
    const accepted = accept(socket, outbound)
    if (accepted !== undefined) capturedConnection(accepted, original, outbound)
  })
  own = await listenForCaptured(server, at, 'captureOutbound', runtime)
  return {
    address: own,
    stop: () => stopListening(server),
    release: () => outbound.sockets.destroy(),
  }
}

/**
 * The service is found by the address that the application has connected to. Where no service is, a name may say which one is meant:
 * on ports where services are told apart by names, and only at an address that belongs to no other service.
 */
function capturedConnection(accepted: Accepted, original: Address, outbound: Outbound): void {
  const { sweep, config, policy, metrics } = outbound.runtime
  const { byAddress, known, named } = policy.current.addresses
  const located = byAddress.get(formatAddress(original))
  if (located !== undefined) {
    const { destination, endpoint } = located
    const service = authorityOf(destination)
    acceptedConnection(accepted, { ...outbound, service, ...(endpoint === undefined ? {} : { endpoint }) })
    return
  }
  if (known.has(original.host) || !named.has(original.port)) {
    outsideConnection(accepted, original, outbound)
    return
  }
  detectFirstName(accepted.socket, sweep, config.detectTimeoutMs, ({ protocol, name }) => {
    const { destinations, outbound: unknown } = policy.current
    const destination = name === undefined ? undefined : resolveName(name, original.port, protocol === 'tls')
    if (destination !== undefined) acceptedConnection(accepted, { ...outbound, service: authorityOf(destination) })
    // Each request names its service, or is told that it names none: HTTP can say why, where a reset says nothing.
    else if (unknown === 'deny' && (protocol === 'http1' || protocol === 'http2')) {
      if (protocol === 'http1') metrics.unknownDestinations.with({ decision: 'deny' }).inc()
      acceptedConnection(accepted, outbound)
    } else outsideConnection(accepted, original, outbound)

    function resolveName(text: string, port: number, bare: boolean): Destination | undefined {
      const found = resolveDestination(destinations, bare ? `${text}:${port}` : text)
      return found?.port === port ? found : undefined
    }
  })
}

/** The name of a service that no other one can have. */
function authorityOf({ service: { metadata }, port }: Destination): Address {
  return { host: `${metadata.name}.${metadata.namespace}`, port }
}
