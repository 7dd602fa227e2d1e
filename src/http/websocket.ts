import { createHash } from 'node:crypto'
import type { Headers } from './headers.ts'

/*
 * Over HTTP/1.1 a WebSocket client shows a key and the server proves that it has read it (RFC 6455 section 4); over HTTP/2 there
 * is neither (RFC 8441 section 5). Where the two meet, the HTTP/1.1 codec plays the part of the side that has none.
 */

export const WEBSOCKET_KEY = 'sec-websocket-key'
export const WEBSOCKET_ACCEPT = 'sec-websocket-accept'

const KEY_BYTES = 16
const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'

/** A new Sec-WebSocket-Key. */
export function websocketKey(randomHex: (bytes: number) => string): string {
  return Buffer.from(randomHex(KEY_BYTES), 'hex').toString('base64')
}

/** The Sec-WebSocket-Accept that belongs to a key (RFC 6455 section 4.2.2). */
export function websocketAccept(key: string): string {
  return createHash('sha1').update(`${key}${GUID}`, 'latin1').digest('base64')
}

/** The fields without Sec-WebSocket-Accept; `undefined` when they do not have it once and with the value for `key`. */
export function takeWebsocketAccept(headers: Headers, key: string): Headers | undefined {
  const rest: string[] = []
  let accepts = 0
  for (let index = 0; index < headers.length; index += 2) {
    const value = headers[index + 1]!
    if (headers[index] !== WEBSOCKET_ACCEPT) rest.push(headers[index]!, value)
    else if (value === websocketAccept(key)) accepts += 1
    else return undefined
  }
  return accepts === 1 ? rest : undefined
}
