import { constants, createHash } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:https'
import type { Socket } from 'node:net'
import type { TrustBundle } from '../../identity/bundle.ts'
import { formatBundleDocument } from '../../identity/bundle-document.ts'
import { type Address, formatAddress } from '../../lib/address.ts'
import { describeError } from '../../lib/errors.ts'
import { listen } from '../../lib/listen.ts'
import type { Watch } from '../../lib/watch.ts'
import type { Logger } from '../../telemetry/log.ts'
import type { CertificatePair } from './certificate-files.ts'

export interface EndpointOptions {
  readonly address: Address
  /** The own SVID (`https_spiffe`), or a certificate of the Web PKI (`https_web`). */
  readonly certificate: Watch<CertificatePair>
  readonly bundle: Watch<TrustBundle>
  /** How soon others are told to ask again. */
  readonly refreshHintMs: number
  readonly log: Logger
}

export interface BundleServer {
  /** `host:port` with the real port. */
  readonly address: string
  close(): void
}

const MAX_CONNECTIONS = 256
const HANDSHAKE_TIMEOUT_MS = 10_000
/** For the head of a request; there is no body. */
const REQUEST_TIMEOUT_MS = 10_000
const KEEP_ALIVE_MS = 5_000
const MAX_HEAD_BYTES = 8 * 1024
const MAX_REQUESTS_PER_CONNECTION = 100

/**
 * The bundle endpoint of the own trust domain: `GET /` over TLS, for anybody, because a trust bundle is public. What is tainted is
 * still in it, what is prepared already. SPIFFE Federation standard, section 5. Rejects with `listen-failed`.
 */
export async function serveBundle(options: EndpointOptions): Promise<BundleServer> {
  const { address, certificate, bundle, refreshHintMs, log } = options
  const server = createServer(
    {
      ...secureOptions(certificate.current),
      minVersion: 'TLSv1.2',
      ALPNProtocols: ['http/1.1'],
      handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
      // A session that is resumed shows a certificate of yesterday.
      secureOptions: constants.SSL_OP_NO_TICKET,
      headersTimeout: REQUEST_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
      keepAliveTimeout: KEEP_ALIVE_MS,
      connectionsCheckingInterval: REQUEST_TIMEOUT_MS,
      maxHeaderSize: MAX_HEAD_BYTES,
    },
    (request, response) => answer(request, response, published),
  )
  server.maxConnections = MAX_CONNECTIONS
  server.maxRequestsPerSocket = MAX_REQUESTS_PER_CONNECTION
  let published = publication(bundle.current, refreshHintMs)
  const sockets = new Set<Socket>()
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  })
  server.on('tlsClientError', (error, { remoteAddress: source }) =>
    log.debug({ source, error: describeError(error) }, 'bundle endpoint: TLS handshake failed'),
  )
  server.on('drop', (dropped) =>
    log.warn(
      { source: dropped?.remoteAddress, maxConnections: MAX_CONNECTIONS },
      'bundle endpoint: a connection was closed: too many are open',
    ),
  )
  const unsubscribe = [
    certificate.subscribe((pair) => server.setSecureContext(secureOptions(pair))),
    bundle.subscribe((next) => {
      published = publication(next, refreshHintMs)
    }),
  ]
  const bound = await listen(server, address, 'bundleEndpoint')
  return {
    address: formatAddress(bound),
    close: () => {
      for (const stop of unsubscribe) stop()
      server.close()
      for (const socket of sockets) socket.destroy()
    },
  }
}

interface Publication {
  readonly body: string
  /** RFC 9110, 8.8.3. */
  readonly etag: string
}

function publication(bundle: TrustBundle, refreshHintMs: number): Publication {
  const body = formatBundleDocument(bundle, refreshHintMs)
  return { body, etag: `"${createHash('sha256').update(body).digest('base64url')}"` }
}

function answer(request: IncomingMessage, response: ServerResponse, { body, etag }: Publication): void {
  const { method = '', url = '', headers } = request
  // A body that nobody asked for is not worth reading.
  if ('content-length' in headers || 'transfer-encoding' in headers) response.setHeader('connection', 'close')
  if (url !== '/') refuse(response, 404, 'there is only /')
  else if (method !== 'GET' && method !== 'HEAD') {
    response.setHeader('allow', 'GET, HEAD')
    refuse(response, 405, 'use GET')
  } else if (headers['if-none-match'] === etag) response.writeHead(304, { etag }).end()
  else {
    response.writeHead(200, {
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(body),
      // A cache that answered for itself would keep a root alive that was given up.
      'cache-control': 'no-cache',
      etag,
    })
    response.end(method === 'HEAD' ? undefined : body)
  }
}

function refuse(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8', 'cache-control': 'no-store' })
  response.end(`${text}\n`)
}

function secureOptions({ chainPem, privateKeyPem }: CertificatePair): { cert: string; key: string } {
  return { cert: chainPem, key: privateKeyPem }
}
