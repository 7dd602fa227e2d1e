import type { Server, Socket } from 'node:net'
import { cut } from '../../http/cut.ts'
import { type Address, formatAddress } from '../../lib/address.ts'
import { everyAddress } from '../../lib/every-address.ts'
import { listen, listenOnDescriptor } from '../../lib/listen.ts'
import {
  loadRedirectedDestination,
  type OriginalDestination,
  transparentDestination,
} from '../../lib/original-destination.ts'
import { loadDuplicate } from '../../lib/transparent-socket.ts'
import { remoteOf } from '../connections.ts'
import type { Runtime } from '../runtime.ts'

type CaptureOption = 'captureInbound' | 'captureOutbound'

/** How this process learns where captured connections were meant to go. Rejects with `original-destination-unavailable`. */
export async function originalDestinations({ config }: Pick<Runtime, 'config'>): Promise<OriginalDestination> {
  return config.captureMode === 'redirect' ? loadRedirectedDestination() : transparentDestination
}

/** Opens the socket that captured connections come to, or takes the one that was handed over. Rejects with `listen-failed`. */
export async function listenForCaptured(
  server: Server,
  at: Address,
  option: CaptureOption,
  { config, ports }: Runtime,
): Promise<Address> {
  if (config.captureMode === 'redirect') return listen(server, everyAddress(at), option, ports)
  // Every thread has a descriptor of its own: whoever is replaced closes no other's.
  const duplicate = await loadDuplicate()
  const fd = option === 'captureInbound' ? config.captureInboundFd : config.captureOutboundFd
  return listenOnDescriptor(server, duplicate(fd, option), at, option)
}

/** Why a connection to a captured port was closed without a byte. */
export type CaptureRefusalCode = 'not-captured' | 'port-not-declared'

/**
 * Whether it was opened to the port of the sidecar itself, which nobody has business with: there is no telling whom it is for, and
 * what is for the sidecar itself would come back to it for ever.
 */
export function isDirect(original: Address, own: Address): boolean {
  return original.port === own.port
}

export function refuseCaptured(
  socket: Socket,
  original: Address | undefined,
  code: CaptureRefusalCode,
  listener: 'inbound' | 'outbound',
  { metrics, log }: Runtime,
): void {
  metrics.connectionsRefused.with({ listener, reason: code }).inc()
  const meant = original === undefined ? 'unknown' : formatAddress(original)
  log.debug({ listener, remote: remoteOf(socket), meant, code }, 'connection refused')
  socket.on('error', () => socket.destroy())
  cut(socket)
}
