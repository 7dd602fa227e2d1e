import { on, once } from 'node:events'
import { connect as connectHttp2 } from 'node:http2'
import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'

/** The name of the application as a service: the Host or :authority of every request. */
export const HOST = 'app'

/** A request whose answer is known. */
export interface Exchange {
  readonly method: 'GET' | 'POST'
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
  /** The right answer, in the form that `ask` returns. */
  readonly answer: string
}

export type Protocol = 'http1' | 'h2'

/**
 * Sends the request on a connection that is open and leaves it open. Returns `STATUS BODY`, and ` grpc-status N` behind it
 * where the answer has that trailer. Rejects when the connection ends before the answer does.
 */
export async function ask(
  socket: Socket,
  protocol: Protocol,
  exchange: Exchange,
  signal: AbortSignal,
): Promise<string> {
  return protocol === 'h2' ? askHttp2(socket, exchange, signal) : askHttp1(socket, exchange, signal)
}

async function askHttp1(socket: Socket, exchange: Exchange, signal: AbortSignal): Promise<string> {
  const { method, path, headers, body } = exchange
  const fields = { host: HOST, ...headers, ...(body === '' ? {} : { 'content-length': String(body.length) }) }
  const lines = Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`)
  socket.write(`${method} ${path} HTTP/1.1\r\n${lines.join('')}\r\n${body}`, 'latin1')
  let text = ''
  socket.setEncoding('latin1')
  for await (const [chunk] of on(socket, 'data', { signal, close: ['close', 'end'] })) {
    text += String(chunk)
    const head = text.indexOf('\r\n\r\n')
    if (head === -1) continue
    const answered = text.slice(head + 4)
    const length = Number(/^content-length: *(\d+)/im.exec(text.slice(0, head))?.[1])
    if (answered.length >= length) return `${text.split(' ')[1]} ${answered}`
  }
  throw new Error(`the connection ended after: ${text.slice(0, 100)}`)
}

async function askHttp2(socket: Socket, exchange: Exchange, signal: AbortSignal): Promise<string> {
  const { method, path, headers, body } = exchange
  const scheme = socket instanceof TLSSocket ? 'https' : 'http'
  const session = connectHttp2(`${scheme}://${HOST}`, { createConnection: () => socket })
  // The stream tells it too; a socket that is closed already tells nobody.
  session.on('error', () => {})
  const ended = new AbortController()
  const end = (): void => ended.abort(new Error('the connection ended before an answer'))
  socket.once('close', end)
  if (socket.destroyed) end()
  const stream = session.request({ ...headers, ':method': method, ':path': path }, { signal, endStream: body === '' })
  if (body !== '') stream.end(body, 'latin1')
  let grpcStatus = ''
  stream.on('trailers', (trailers) => {
    grpcStatus = ` grpc-status ${String(trailers['grpc-status'])}`
  })
  stream.on('error', () => {})
  const [answer] = await once(stream, 'response', { signal: AbortSignal.any([signal, ended.signal]) })
  const parts: string[] = await stream.setEncoding('latin1').toArray()
  return `${answer[':status']} ${parts.join('')}${grpcStatus}`
}
