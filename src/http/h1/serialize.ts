import { http } from '../../lib/node-http.ts'
import { NO_BODY, type RequestHead, type ResponseHead, UNKNOWN_LENGTH } from '../exchange.ts'
import type { Headers } from '../headers.ts'

/** How the end of a body is marked on the wire. */
export type BodyFraming = 'none' | 'length' | 'chunked' | 'until-close'

function fieldLines(headers: Headers): string {
  let text = ''
  for (let index = 0; index < headers.length; index += 2) text += `${headers[index]}: ${headers[index + 1]}\r\n`
  return text
}

/**
 * The framing is always written here from `bodyLength`, for every method: what a client claimed is never copied.
 */
export function requestHeadText(head: RequestHead): string {
  let text = `${head.method} ${head.target} HTTP/1.1\r\nhost: ${head.authority}\r\n${fieldLines(head.headers)}`
  if (head.upgrade !== undefined) text += `connection: upgrade\r\nupgrade: ${head.upgrade}\r\n`
  else if (head.acceptsTrailers) text += 'connection: te\r\nte: trailers\r\n'
  if (head.bodyLength >= 0) text += `content-length: ${head.bodyLength}\r\n`
  else if (head.bodyLength === UNKNOWN_LENGTH) text += 'transfer-encoding: chunked\r\n'
  return `${text}\r\n`
}

/** RFC 9112 section 6.3: how a response to `method` ends. */
export function responseFraming(method: string, head: ResponseHead, chunkedAllowed: boolean): BodyFraming {
  if (method === 'HEAD' || head.status === 204 || head.status === 304 || head.status < 200) return 'none'
  if (head.bodyLength !== UNKNOWN_LENGTH) return 'length'
  return chunkedAllowed ? 'chunked' : 'until-close'
}

export function responseHeadText(
  head: ResponseHead,
  framing: BodyFraming,
  upgrade: string | undefined,
  close: boolean,
): string {
  let text = `HTTP/1.1 ${head.status} ${reasonPhrase(head.status)}\r\n${fieldLines(head.headers)}`
  if (head.status === 101) return `${text}connection: upgrade\r\nupgrade: ${upgrade ?? ''}\r\n\r\n`
  if (framing === 'chunked') text += 'transfer-encoding: chunked\r\n'
  else if (framing === 'length') text += `content-length: ${head.bodyLength === NO_BODY ? 0 : head.bodyLength}\r\n`
  else if (framing === 'none' && head.status !== 204 && head.bodyLength >= 0)
    text += `content-length: ${head.bodyLength}\r\n`
  if (close) text += 'connection: close\r\n'
  return `${text}\r\n`
}

export function informationalText(status: number, headers: Headers): string {
  return `HTTP/1.1 ${status} ${reasonPhrase(status)}\r\n${fieldLines(headers)}\r\n`
}

export function chunkLine(length: number): string {
  return `${length.toString(16)}\r\n`
}

export function lastChunk(trailers: Headers): string {
  return trailers.length === 0 ? '0\r\n\r\n' : `0\r\n${fieldLines(trailers)}\r\n`
}

function reasonPhrase(status: number): string {
  return http.STATUS_CODES[status] ?? ''
}
