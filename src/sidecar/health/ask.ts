import type { IncomingHttpHeaders, RequestOptions } from 'node:http'
import { connect } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { hopByHopFields } from '../../http/headers.ts'
import { http } from '../../lib/node-http.ts'
import type { ProbeTarget } from '../../lib/probe-target.ts'
import { unreachable } from '../../lib/unreachable.ts'

const HOST = '127.0.0.1'
/** A message `HealthCheckResponse` has four bytes behind its five of framing. */
const MAX_REPLY_BYTES = 1024
/** Of `grpc.health.v1.HealthCheckResponse.ServingStatus`. */
const SERVING = 1
/** Of this connection alone (RFC 9110, 7.6.1), and what we say ourselves. */
const OWN_HEADERS: ReadonlySet<string> = new Set([...hopByHopFields, 'content-length'])

/**
 * Asks the application as a kubelet would. Resolves with the status for the kubelet, of which 200 to 399 is success; rejects when
 * there is no answer, or when `signal` says that nobody waits for it.
 */
export function askApplication(
  target: ProbeTarget,
  headers: IncomingHttpHeaders,
  signal: AbortSignal,
): Promise<number> {
  switch (target.scheme) {
    case 'http':
    case 'https':
      return askHttp(target, headers, signal)
    case 'tcp':
      return askTcp(target, signal)
    case 'grpc':
      return askGrpc(target, signal)
    default:
      return unreachable(target.scheme)
  }
}

function askHttp(
  { scheme, port, path }: ProbeTarget,
  headers: IncomingHttpHeaders,
  signal: AbortSignal,
): Promise<number> {
  const kept = Object.fromEntries(Object.entries(headers).filter(([name]) => !OWN_HEADERS.has(name)))
  const options: RequestOptions = { host: HOST, port, path, headers: kept, signal }
  return new Promise((resolve, reject) => {
    // The kubelet does not verify the application's certificate either: the way does not leave the pod.
    const call = http.request({
      ...options,
      // Not by node:https, which brings much along for this one use.
      ...(scheme === 'https'
        ? { createConnection: () => connectTls({ host: HOST, port, rejectUnauthorized: false }) }
        : { agent: false }),
    })
    call.once('error', reject)
    call.once('response', (response) => {
      resolve(response.statusCode ?? 502)
      // Only the status counts.
      response.destroy()
    })
    call.end()
  })
}

function askTcp({ port }: ProbeTarget, signal: AbortSignal): Promise<number> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: HOST, port, signal })
    socket.once('error', reject)
    socket.once('connect', () => {
      resolve(200)
      socket.destroy()
    })
  })
}

/** `grpc.health.v1.Health/Check`, with the service behind the slash of the path. */
async function askGrpc({ port, path }: ProbeTarget, signal: AbortSignal): Promise<number> {
  // Loaded here: few applications are probed like this.
  const { connect: connectHttp2, constants } = await import('node:http2')
  return new Promise((resolve, reject) => {
    const session = connectHttp2(`http://${HOST}:${port}`, { maxSessionMemory: 1 })
    const done = (settle: () => void): void => {
      signal.removeEventListener('abort', aborted)
      session.destroy()
      settle()
    }
    const fail = (error: Error): void => done(() => reject(error))
    const aborted = (): void => fail(new Error('nobody waits for the answer'))
    signal.addEventListener('abort', aborted, { once: true })
    if (signal.aborted) return aborted()
    session.once('error', fail)
    const stream = session.request({
      [constants.HTTP2_HEADER_METHOD]: 'POST',
      [constants.HTTP2_HEADER_PATH]: '/grpc.health.v1.Health/Check',
      [constants.HTTP2_HEADER_CONTENT_TYPE]: 'application/grpc',
      te: 'trailers',
      'user-agent': 'outrider-probe',
    })
    const parts: Buffer[] = []
    let size = 0
    let status: unknown
    stream.once('response', (head) => (status = head['grpc-status'] ?? status))
    stream.once('trailers', (trailers) => (status = trailers['grpc-status'] ?? status))
    stream.on('data', (part: Buffer) => {
      size += part.length
      if (size > MAX_REPLY_BYTES) fail(new Error(`the answer has more than ${MAX_REPLY_BYTES} bytes`))
      else parts.push(part)
    })
    stream.once('error', fail)
    stream.once('end', () => {
      const healthy = status === '0' && isServing(Buffer.concat(parts))
      done(() => resolve(healthy ? 200 : 503))
    })
    stream.end(checkRequest(decodeURIComponent(path.slice(1))))
    return undefined
  })
}

/** One message of gRPC: not compressed, its length, field 1 (`service`) as a text. */
function checkRequest(service: string): Buffer {
  const name = Buffer.from(service)
  const field = name.length === 0 ? Buffer.alloc(0) : Buffer.concat([Buffer.from([0x0a, ...varint(name.length)]), name])
  const frame = Buffer.alloc(5)
  frame.writeUInt32BE(field.length, 1)
  return Buffer.concat([frame, field])
}

function varint(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...varint(value >>> 7)]
}

/** One message whose field 1 (`status`) is `SERVING`. */
function isServing(reply: Buffer): boolean {
  return (
    reply.length === 7 && reply[0] === 0 && reply.readUInt32BE(1) === 2 && reply[5] === 0x08 && reply[6] === SERVING
  )
}
