import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Address } from '../lib/address.ts'
import { listenEverywhere } from '../lib/listen.ts'
import { http } from '../lib/node-http.ts'

export interface HealthOptions {
  readonly address: Address
  /** Undefined when the process is ready, else why not. */
  readonly notReady: () => string | undefined
  /** Undefined when the whole process answers, else what of it does not. */
  readonly notLive?: () => Promise<string | undefined>
  /** The status for what is asked beside /live and /ready; undefined where there is nothing. */
  readonly other?: (request: IncomingMessage, response: ServerResponse) => Promise<number> | undefined
}

export interface HealthServer {
  readonly address: Address
  close(): void
}

const MAX_CONNECTIONS = 64
const MAX_HEAD_BYTES = 8 * 1024

/**
 * Answers a kubelet, which is anybody who can reach the pod: whether the process lives and is ready. A status and one word; why
 * something is not ready is at the admin endpoint. Rejects with `listen-failed`.
 */
export async function serveHealth(options: HealthOptions): Promise<HealthServer> {
  const server = http.createServer(
    { requestTimeout: 10_000, headersTimeout: 5_000, keepAliveTimeout: 5_000, maxHeaderSize: MAX_HEAD_BYTES },
    (request, response) => {
      void answer(request, response, options).then((status) => send(response, status))
    },
  )
  server.maxConnections = MAX_CONNECTIONS
  const address = await listenEverywhere(server, options.address, 'health')
  return {
    address,
    close: () => {
      server.close()
      server.closeAllConnections()
    },
  }
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  { notReady, notLive, other }: HealthOptions,
): Promise<number> {
  const { method, url } = request
  if (method !== 'GET' && method !== 'HEAD') return 405
  if (url === '/ready') return notReady() === undefined ? 200 : 503
  if (url === '/live') return (await notLive?.()) === undefined ? 200 : 503
  return (await other?.(request, response)) ?? 404
}

function send(response: ServerResponse, status: number): void {
  if (!response.req.complete) response.setHeader('connection', 'close')
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8', 'cache-control': 'no-store' })
  response.end(status < 400 ? 'ok\n' : 'not ok\n')
}
