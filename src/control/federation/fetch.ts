import type { IncomingMessage } from 'node:http'
import { isIP } from 'node:net'
import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls'
import type { TrustBundleSet } from '../../identity/bundle.ts'
import { verifyPeer } from '../../identity/verify.ts'
import type { Clock } from '../../lib/clock.ts'
import { describeError, OutriderError } from '../../lib/errors.ts'
import { http } from '../../lib/node-http.ts'
import { readSmallFile } from '../../lib/small-file.ts'
import { presentedChain } from '../../lib/presented-chain.ts'
import type { BundleEndpoint } from '../../policy/model.ts'

export const bundleEndpointErrorCodes = [
  'bundle-endpoint-unreachable',
  'bundle-endpoint-timeout',
  'bundle-endpoint-untrusted',
  'bundle-endpoint-ca-file',
  'bundle-endpoint-redirect',
  'bundle-endpoint-status',
  'bundle-endpoint-response',
  'bundle-endpoint-too-large',
] as const
export type BundleEndpointErrorCode = (typeof bundleEndpointErrorCodes)[number]

/** Largest body of an answer; that of a bundle document. */
const MAX_BODY_BYTES = 1024 * 1024
const MAX_HEAD_BYTES = 16 * 1024
/** For the connection, the handshake and the whole answer together. */
const TIMEOUT_MS = 15_000
const MAX_CA_FILE_BYTES = 1024 * 1024

/**
 * Asks a bundle endpoint once, and gives the body of its answer. Nothing is sent before the endpoint is known to be the one that
 * was meant: by the Web PKI (`https_web`), or by its SPIFFE ID and the bundle of that ID's trust domain (`https_spiffe`). Redirects
 * are not followed: they would make whoever answers the one who says where bundles come from. SPIFFE Federation standard, section
 * 5. Rejects with `OutriderError<BundleEndpointErrorCode>`, also when `signal` is aborted.
 */
export async function fetchBundle(
  endpoint: BundleEndpoint,
  bundles: TrustBundleSet,
  clock: Clock,
  signal: AbortSignal,
): Promise<Buffer> {
  const url = new URL(endpoint.url)
  const over = new AbortController()
  const timer = clock.after(TIMEOUT_MS, () =>
    over.abort(refusal('bundle-endpoint-timeout', `${url.host} has not answered within ${TIMEOUT_MS / 1000} s`)),
  )
  const stop = (): void => over.abort(refusal('bundle-endpoint-unreachable', 'the poll was given up'))
  signal.addEventListener('abort', stop, { once: true })
  if (signal.aborted) stop()
  try {
    const socket = await handshake(url, endpoint, over.signal)
    try {
      if (endpoint.profile === 'https_spiffe') checkIdentity(socket, url, endpoint.spiffeId, bundles, clock.now())
      return await get(url, socket, over.signal)
    } finally {
      socket.destroy()
    }
  } finally {
    timer.cancel()
    signal.removeEventListener('abort', stop)
  }
}

function handshake(url: URL, endpoint: BundleEndpoint, signal: AbortSignal): Promise<TLSSocket> {
  const options = { ...addressOf(url), ...trustOf(endpoint) }
  return untilAborted(signal, (resolve, reject) => {
    const socket = connect(options)
    socket.once('secureConnect', () => resolve(socket))
    socket.once('close', () => reject(refusal('bundle-endpoint-unreachable', `${url.host} closed the connection`)))
    // Also of what happens after the handshake: without a listener it would end the process.
    socket.on('error', (cause: NodeJS.ErrnoException) => reject(connectionError(url, socket, cause)))
    return () => socket.destroy()
  })
}

function addressOf(url: URL): ConnectionOptions {
  const host = url.hostname.replace(/^\[|\]$/g, '')
  return {
    host,
    port: url.port === '' ? 443 : Number(url.port),
    // RFC 6066, section 3: an IP address is no server name.
    servername: isIP(host) === 0 ? host : '',
    ALPNProtocols: ['http/1.1'],
    // SPIFFE Federation standard, section 5.2: TLS as of the intermediate profile of Mozilla, or better.
    minVersion: 'TLSv1.2',
  }
}

function trustOf(endpoint: BundleEndpoint): ConnectionOptions {
  // Verified by `checkIdentity`: the roots of a bundle mean nothing without the trust domain that they are for.
  if (endpoint.profile === 'https_spiffe') return { rejectUnauthorized: false, checkServerIdentity: () => undefined }
  return endpoint.caFile === undefined ? {} : { ca: readCaFile(endpoint.caFile) }
}

/** Anew each time: who replaces the file restarts nothing. */
function readCaFile(path: string): string {
  try {
    const { text } = readSmallFile(path, MAX_CA_FILE_BYTES)
    if (!text.includes('-----BEGIN CERTIFICATE-----')) throw new Error('it holds no certificate')
    return text
  } catch (cause) {
    throw refusal('bundle-endpoint-ca-file', `${path} cannot be used: ${describeError(cause)}`)
  }
}

function connectionError(url: URL, socket: TLSSocket, cause: NodeJS.ErrnoException): OutriderError {
  const connected = socket.remoteAddress !== undefined
  return socket.authorizationError !== undefined && socket.authorizationError !== null
    ? refusal('bundle-endpoint-untrusted', `the certificate of ${url.host} is refused: ${describeError(cause)}`, cause)
    : refusal(
        'bundle-endpoint-unreachable',
        `${connected ? 'no TLS connection' : 'no connection'} to ${url.host}: ${describeError(cause)}`,
        cause,
      )
}

function checkIdentity(socket: TLSSocket, url: URL, spiffeId: string, bundles: TrustBundleSet, nowMs: number): void {
  const peer = verifyPeer(presentedChain(socket), bundles, nowMs)
  if (peer.kind === 'refused')
    throw refusal('bundle-endpoint-untrusted', `${url.host} is refused: ${peer.message} (${peer.code})`)
  if (peer.id !== spiffeId)
    throw refusal('bundle-endpoint-untrusted', `${url.host} is ${peer.id}, and should be ${spiffeId}`)
}

function get(url: URL, socket: TLSSocket, signal: AbortSignal): Promise<Buffer> {
  return untilAborted(signal, (resolve, reject) => {
    const request = http.request({
      createConnection: () => socket,
      method: 'GET',
      path: `${url.pathname}${url.search}`,
      headers: { host: url.host, accept: 'application/json', 'accept-encoding': 'identity', connection: 'close' },
      maxHeaderSize: MAX_HEAD_BYTES,
    })
    const fail = (cause: unknown): void =>
      reject(
        cause instanceof OutriderError
          ? cause
          : refusal('bundle-endpoint-response', `the answer of ${url.host} broke off: ${describeError(cause)}`, cause),
      )
    request.once('error', fail)
    request.once('response', (response) => void bodyOf(response, url).then(resolve, fail))
    request.end()
    return () => request.destroy()
  })
}

async function bodyOf(response: IncomingMessage, url: URL): Promise<Buffer> {
  const { statusCode = 0, headers } = response
  if (statusCode >= 300 && statusCode < 400)
    throw refusal('bundle-endpoint-redirect', `${url.host} answers ${statusCode}; redirects are not followed`)
  if (statusCode !== 200) throw refusal('bundle-endpoint-status', `${url.host} answers ${statusCode}`)
  const encoding = headers['content-encoding'] ?? 'identity'
  if (encoding !== 'identity')
    throw refusal('bundle-endpoint-response', `${url.host} answers in an encoding that it was not asked for`)
  const tooLarge = (): OutriderError =>
    refusal('bundle-endpoint-too-large', `the answer of ${url.host} has more than ${MAX_BODY_BYTES} bytes`)
  if (Number(headers['content-length'] ?? 0) > MAX_BODY_BYTES) throw tooLarge()
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of response) {
    if (!Buffer.isBuffer(chunk)) continue
    bytes += chunk.length
    if (bytes > MAX_BODY_BYTES) throw tooLarge()
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

/** A promise that also ends with the reason of `signal`, which is an error of ours; `begin` gives the way to end the work. */
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

function refusal<Code extends BundleEndpointErrorCode>(
  code: Code,
  message: string,
  cause?: unknown,
): OutriderError<Code> {
  return new OutriderError(code, message, { source: 'dependency', retryable: true, cause })
}
