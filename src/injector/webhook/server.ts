import { constants } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:https'
import { type Address, formatAddress } from '../../lib/address.ts'
import type { Clock } from '../../lib/clock.ts'
import type { Drainable } from '../../lib/drain.ts'
import { describeError, OutriderError } from '../../lib/errors.ts'
import { listenEverywhere } from '../../lib/listen.ts'
import type { Watch } from '../../lib/watch.ts'
import { type Credentials, onNewSvid } from '../../mtls/credentials.ts'
import type { Logger } from '../../telemetry/log.ts'
import type { injectorMetrics } from '../../telemetry/names.ts'
import type { MetricsOf } from '../../telemetry/registry.ts'
import type { Decide } from './decide.ts'
import { readReview, writeReview } from './review.ts'

export type WebhookName = 'inject' | 'validate'

export interface WebhookOptions {
  readonly address: Address
  readonly credentials: Watch<Credentials>
  readonly decide: Readonly<Record<WebhookName, Decide>>
  readonly maxReviewBytes: number
  /** Of all reviews that are being read. */
  readonly maxHeldBytes: number
  readonly reviewTimeoutMs: number
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: MetricsOf<typeof injectorMetrics>
}

export interface WebhookServer extends Drainable {
  readonly address: string
}

const MAX_CONNECTIONS = 256
const HANDSHAKE_TIMEOUT_MS = 10_000
const KEEP_ALIVE_MS = 90_000
const MAX_HEAD_BYTES = 16 * 1024

/**
 * The webhooks `POST /inject` and `POST /validate`. The certificate is our SVID, and follows it. Whatever goes wrong is no answer but a status: the API server then does what failurePolicy says. Rejects with
 * `listen-failed`.
 */
export async function serveWebhooks(options: WebhookOptions): Promise<WebhookServer> {
  const { credentials, log, reviewTimeoutMs } = options
  const held = { bytes: 0 }
  const server = createServer(
    {
      ...secureOptions(credentials.current),
      minVersion: 'TLSv1.2',
      ALPNProtocols: ['http/1.1'],
      handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
      // A session that is resumed shows a certificate of yesterday.
      secureOptions: constants.SSL_OP_NO_TICKET,
      headersTimeout: reviewTimeoutMs,
      requestTimeout: reviewTimeoutMs,
      keepAliveTimeout: KEEP_ALIVE_MS,
      connectionsCheckingInterval: Math.min(1000, reviewTimeoutMs),
      maxHeaderSize: MAX_HEAD_BYTES,
    },
    (request, response) => {
      void answer(request, options, held).then(
        (sent) => send(response, sent),
        (error: unknown) => {
          log.error({ error }, 'a review failed')
          send(response, { status: 500, text: 'the review failed; the log of the injector tells why\n' })
        },
      )
    },
  )
  server.maxConnections = MAX_CONNECTIONS
  server.on('tlsClientError', (error, { remoteAddress: source }) =>
    log.debug({ source, error: describeError(error) }, 'webhook: TLS handshake failed'),
  )
  server.on('drop', (dropped) =>
    log.warn(
      { source: dropped?.remoteAddress, maxConnections: MAX_CONNECTIONS },
      'webhook: a connection was closed: too many are open',
    ),
  )
  const unfollow = onNewSvid(credentials, () => server.setSecureContext(secureOptions(credentials.current)))
  const bound = await listenEverywhere(server, options.address, 'listen')
  return {
    address: formatAddress(bound),
    close: () => {
      unfollow()
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      server.closeIdleConnections()
      return closed
    },
    destroy: () => {
      unfollow()
      server.close()
      server.closeAllConnections()
    },
  }
}

interface Sent {
  readonly status: number
  readonly text: string
  readonly json?: true
}

async function answer(request: IncomingMessage, options: WebhookOptions, held: { bytes: number }): Promise<Sent> {
  const { method } = request
  const path = (request.url ?? '').split('?')[0]
  const webhook = path === '/inject' ? 'inject' : path === '/validate' ? 'validate' : undefined
  if (webhook === undefined) return { status: 404, text: 'there are POST /inject and POST /validate\n' }
  if (method !== 'POST') return { status: 405, text: 'use POST\n' }
  if (!/^application\/json(?:;|$)/i.test(request.headers['content-type'] ?? ''))
    return { status: 415, text: 'a review is application/json\n' }
  return review(webhook, request, options, held)
}

async function review(
  webhook: WebhookName,
  request: IncomingMessage,
  { decide, maxReviewBytes, maxHeldBytes, clock, log, metrics }: WebhookOptions,
  held: { bytes: number },
): Promise<Sent> {
  const reviews = (result: Parameters<typeof metrics.reviews.with>[0]['result']): void =>
    metrics.reviews.with({ webhook, result }).inc()
  const parts: Buffer[] = []
  let size = 0
  try {
    for await (const part of request as AsyncIterable<Buffer>) {
      size += part.length
      held.bytes += part.length
      if (size > maxReviewBytes) {
        reviews('malformed')
        return { status: 413, text: `the review has more than ${maxReviewBytes} bytes (maxReviewBytes)\n` }
      }
      if (held.bytes > maxHeldBytes) {
        reviews('overloaded')
        return { status: 503, text: `the reviews under way have more than ${maxHeldBytes} bytes (maxHeldBytes)\n` }
      }
      parts.push(part)
    }
    const began = clock.monotonic()
    const asked = readReview(parts.length === 1 ? parts[0]! : Buffer.concat(parts))
    const { result, answer: given } = decide[webhook](asked)
    const text = writeReview(asked, given)
    metrics.reviewDuration.with({ webhook }).observe((clock.monotonic() - began) / 1000)
    reviews(result)
    const { namespace, uid } = asked
    if (!given.allowed) log.info({ webhook, namespace, uid, reason: given.message }, 'an object was refused')
    return { status: 200, text, json: true }
  } catch (error) {
    if (error instanceof OutriderError && error.code === 'review-malformed') {
      reviews('malformed')
      return { status: 400, text: `${error.message} (${error.code})\n` }
    }
    reviews('failed')
    if (request.complete) throw error
    log.debug({ error: describeError(error) }, 'webhook: a review did not come to its end')
    return { status: 400, text: 'the review is not whole\n' }
  } finally {
    held.bytes -= size
  }
}

function send(response: ServerResponse, { status, text, json }: Sent): void {
  if (response.destroyed) return
  // What is left of a body that was refused is not worth reading.
  if (!response.req.complete) response.setHeader('connection', 'close')
  response.writeHead(status, {
    'content-type': json === true ? 'application/json' : 'text/plain; charset=utf-8',
    'content-length': Buffer.byteLength(text),
    'cache-control': 'no-store',
  })
  response.end(text)
}

function secureOptions({ svid }: Credentials): { cert: string; key: string } {
  return { cert: svid.chainPem, key: svid.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString() }
}
