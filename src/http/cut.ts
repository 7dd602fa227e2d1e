import { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { TLSSocket } from 'node:tls'

/**
 * Ends a connection in the middle: with a reset, because after a FIN what was sent would look complete. TLS tells the two
 * apart by itself (RFC 8446 section 6.1).
 */
export function cut(socket: Duplex): void {
  // A reset while the FIN is on its way is an error to libuv; what was sent is complete then.
  const endsNow = socket.writableEnded && socket.writableLength === 0
  if (socket instanceof Socket && !(socket instanceof TLSSocket) && !endsNow) socket.resetAndDestroy()
  else socket.destroy()
}
