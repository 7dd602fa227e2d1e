import type { Duplex } from 'node:stream'
import type { Clock } from '../lib/clock.ts'
import { errorCodes, MAX_CONCURRENT_STREAMS, PREFACE } from './h2/frame.ts'
import { FrameWriter } from './h2/frame-writer.ts'

/** What was agreed on for a connection, and which end of it we are. */
export type FarewellRole = 'http1-server' | 'http2-server' | 'http2-client'

/** How long the other end may take to read it, and how much of what it sends meanwhile is thrown away. */
const LINGER_MS = 1000
const LINGER_BYTES = 64 * 1024

/**
 * Closes a connection that no exchange will be on, and says why before: `text` is one line of ASCII. Nothing that the other
 * end sends is looked at. The socket is ours from here on, and closed within a second.
 */
export function sayFarewell(socket: Duplex, role: FarewellRole, code: string, text: string, clock: Clock): void {
  let left = LINGER_BYTES
  const timer = clock.after(LINGER_MS, () => socket.destroy())
  socket.on('error', () => socket.destroy())
  socket.once('close', () => timer.cancel())
  socket.on('data', (bytes: Buffer) => {
    left -= bytes.length
    if (left < 0) socket.destroy()
  })
  if (role === 'http1-server') socket.write(forbidden(code, text), 'latin1')
  else writeGoaway(socket, role, text)
  socket.end()
}

/** A connection that takes no streams: no request of a client meets it between SETTINGS and GOAWAY. */
function writeGoaway(socket: Duplex, role: FarewellRole, text: string): void {
  const writer = new FrameWriter(socket)
  if (role === 'http2-client') writer.raw(PREFACE)
  writer.settings([[MAX_CONCURRENT_STREAMS, 0]])
  writer.goaway(0, errorCodes.INADEQUATE_SECURITY, text)
  writer.flush()
}

function forbidden(code: string, text: string): string {
  const body = `${text}\n`
  const fields = [
    'HTTP/1.1 403 Forbidden',
    'content-type: text/plain; charset=utf-8',
    `content-length: ${body.length}`,
    `x-outrider-refusal: ${code}`,
    'connection: close',
  ]
  return `${fields.join('\r\n')}\r\n\r\n${body}`
}
