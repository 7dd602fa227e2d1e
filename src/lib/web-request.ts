import type { IncomingMessage } from 'node:http'
import { isIP } from 'node:net'
import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls'
import type { Clock } from './clock.ts'
import { describeError } from './errors.ts'
import { http } from './node-http.ts'

/** Why there is no answer. Callers have codes of their own for them. */
export type WebFaultKind =
  | 'unreachable'
  | 'timeout'
  | 'untrusted'
  | 'redirect'
  | 'status'
  | 'response'
  | 'too-large'
  /** `addresses` refused where the name leads. */
  | 'address'

export class WebFault extends Error {
  readonly kind: WebFaultKind

  constructor(kind: WebFaultKind, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.kind = kind
  }
}

/** One request to a server of somebody else, over TLS, with a bound on everything. */
export interface WebRequest {
  /** `https:` */
  readonly url: URL
  readonly method: 'GET' | 'POST'
  readonly headers: Readonly<Record<string, string>>
  readonly body?: string
  readonly maxBodyBytes: number
  /** For name, connection, handshake and the whole answer together. */
  readonly timeoutMs: number
  readonly clock: Clock
  /** Its reason, a `WebFault`, is what the request rejects with when it is aborted. */
  readonly signal: AbortSignal
  /** Whom to believe; the Web PKI when not given. */
  readonly tls?: Pick<ConnectionOptions, 'ca' | 'rejectUnauthorized' | 'checkServerIdentity'>
  /** The addresses of a host that may be connected to, in this order. Without it the system is asked, and any will do. */
  readonly addresses?: (host: string) => Promise<readonly string[]>
  /** Called after the handshake, before anything is sent; throws when the server is not the one that was meant. */
  readonly identify?: (socket: TLSSocket) => void
}

export interface WebAnswer {
  readonly body: Buffer
  readonly contentType: string
}

const MAX_HEAD_BYTES = 16 * 1024
/** Of one name. */
const MAX_ADDRESSES = 4

/**
 * Asks once and gives the answer, of status 200 alone. Redirects are not followed: they would make whoever answers the one who
 * says where to ask. An answer that is compressed is refused: a few bytes of it could become gigabytes. Rejects with `WebFault`.
 */
export async function askOnce(request: WebRequest): Promise<WebAnswer> {
  const { url, clock, signal, timeoutMs } = request
  const over = new AbortController()
  const timer = clock.after(timeoutMs, () =>
    over.abort(new WebFault('timeout', `${url.host} has not answered within ${timeoutMs / 1000} s`)),
  )
  const stop = (): void => over.abort(signal.reason)
  signal.addEventListener('abort', stop, { once: true })
  if (signal.aborted) stop()
  try {
    const socket = await reach(request, over.signal)
    try {
      request.identify?.(socket)
      return await exchange(request, socket, over.signal)
    } finally {
      socket.destroy()
    }
  } finally {
    timer.cancel()
    signal.removeEventListener('abort', stop)
  }
}

async function reach(request: WebRequest, signal: AbortSignal): Promise<TLSSocket> {
  const { url, addresses } = request
  const host = url.hostname.replace(/^\[|\]$/g, '')
  if (addresses === undefined) return handshake(request, host, host, signal)
  const found = await untilAborted<readonly string[]>(signal, (resolve, reject) => {
    addresses(host).then(resolve, (cause: unknown) =>
      reject(
        cause instanceof WebFault
          ? cause
          : new WebFault('unreachable', `${host} has no address: ${describeError(cause)}`, cause),
      ),
    )
    return () => {}
  })
  let failed: unknown = new WebFault('unreachable', `${host} has no address`)
  for (const address of found.slice(0, MAX_ADDRESSES)) {
    try {
      return await handshake(request, host, address, signal)
    } catch (fault) {
      failed = fault
      if (signal.aborted || !(fault instanceof WebFault) || fault.kind !== 'unreachable') break
    }
  }
  throw failed
}

/** `address` is what is connected to: of a name, the very one that was looked at. */
function handshake(
  { url, tls = {} }: WebRequest,
  host: string,
  address: string,
  signal: AbortSignal,
): Promise<TLSSocket> {
  return untilAborted(signal, (resolve, reject) => {
    const socket = connect({
      host: address,
      port: url.port === '' ? 443 : Number(url.port),
      // RFC 6066, section 3: an IP address is no server name. It is what the certificate is checked for all the same.
      servername: isIP(host) === 0 ? host : '',
      ALPNProtocols: ['http/1.1'],
      // The intermediate profile of Mozilla, or better.
      minVersion: 'TLSv1.2',
      ...tls,
    })
    socket.once('secureConnect', () => resolve(socket))
    socket.once('close', () => reject(new WebFault('unreachable', `${url.host} closed the connection`)))
    // Also of what happens after the handshake: without a listener it would end the process.
    socket.on('error', (cause: NodeJS.ErrnoException) => reject(connectionFault(url, socket, cause)))
    return () => socket.destroy()
  })
}

function connectionFault(url: URL, socket: TLSSocket, cause: NodeJS.ErrnoException): WebFault {
  const connected = socket.remoteAddress !== undefined
  return socket.authorizationError !== undefined && socket.authorizationError !== null
    ? new WebFault('untrusted', `the certificate of ${url.host} is refused: ${describeError(cause)}`, cause)
    : new WebFault(
        'unreachable',
        `${connected ? 'no TLS connection' : 'no connection'} to ${url.host}: ${describeError(cause)}`,
        cause,
      )
}

function exchange(request: WebRequest, socket: TLSSocket, signal: AbortSignal): Promise<WebAnswer> {
  const { url, method, headers, body } = request
  return untilAborted(signal, (resolve, reject) => {
    const sent = http.request({
      createConnection: () => socket,
      method,
      path: `${url.pathname}${url.search}`,
      headers: {
        host: url.host,
        ...headers,
        'accept-encoding': 'identity',
        connection: 'close',
        ...(body === undefined ? {} : { 'content-length': Buffer.byteLength(body) }),
      },
      maxHeaderSize: MAX_HEAD_BYTES,
    })
    const fail = (cause: unknown): void =>
      reject(
        cause instanceof WebFault
          ? cause
          : new WebFault('response', `the answer of ${url.host} broke off: ${describeError(cause)}`, cause),
      )
    sent.once('error', fail)
    sent.once('response', (response) => void answerOf(response, request).then(resolve, fail))
    sent.end(body)
    return () => sent.destroy()
  })
}

async function answerOf(response: IncomingMessage, { url, maxBodyBytes }: WebRequest): Promise<WebAnswer> {
  const { statusCode = 0, headers } = response
  if (statusCode >= 300 && statusCode < 400)
    throw new WebFault('redirect', `${url.host} answers ${statusCode}; redirects are not followed`)
  if (statusCode !== 200) throw new WebFault('status', `${url.host} answers ${statusCode}`)
  const encoding = headers['content-encoding'] ?? 'identity'
  if (encoding !== 'identity')
    throw new WebFault('response', `${url.host} answers in an encoding that it was not asked for`)
  const tooLarge = (): WebFault =>
    new WebFault('too-large', `the answer of ${url.host} has more than ${maxBodyBytes} bytes`)
  if (Number(headers['content-length'] ?? 0) > maxBodyBytes) throw tooLarge()
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of response) {
    if (!Buffer.isBuffer(chunk)) continue
    bytes += chunk.length
    if (bytes > maxBodyBytes) throw tooLarge()
    chunks.push(chunk)
  }
  return { body: Buffer.concat(chunks), contentType: headers['content-type'] ?? '' }
}

/** A promise that also ends with the reason of `signal`; `begin` gives the way to end the work. */
function untilAborted<T>(
  signal: AbortSignal,
  begin: (resolve: (value: T) => void, reject: (reason: unknown) => void) => () => void,
): Promise<T> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) {
      reject(signal.reason)
      return
    }
    const onAbort = (): void => {
      reject(signal.reason)
      stop()
    }
    signal.addEventListener('abort', onAbort, { once: true })
    const end = (): void => signal.removeEventListener('abort', onAbort)
    const stop = begin(
      (value) => {
        end()
        resolve(value)
      },
      (reason) => {
        end()
        reject(reason)
        stop()
      },
    )
  })
}
