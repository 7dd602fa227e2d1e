import type { IncomingMessage, ServerResponse } from 'node:http'
import { type Address } from '../../lib/address.ts'
import type { Clock } from '../../lib/clock.ts'
import { describeError } from '../../lib/errors.ts'
import { listenEverywhere } from '../../lib/listen.ts'
import { http } from '../../lib/node-http.ts'
import { probePathOf, type ProbeTarget } from '../../lib/probe-target.ts'
import type { Logger } from '../../telemetry/log.ts'
import { askApplication } from './ask.ts'

export interface HealthOptions {
  readonly address: Address
  readonly targets: readonly ProbeTarget[]
  readonly notReady: () => string | undefined
  readonly notLive: () => Promise<string | undefined>
  readonly clock: Clock
  readonly log: Logger
}

export interface HealthServer {
  readonly address: Address
  close(): void
}

const MAX_CONNECTIONS = 64
/** Probes that wait for the application together. */
const MAX_UNDER_WAY = 32
/** Longer than any kubelet should wait. */
const LONGEST_MS = 60_000
const MAX_HEAD_BYTES = 8 * 1024

/**
 * Answers a kubelet, which is anybody who can reach the pod: whether the sidecar lives and is ready, and the probes of the
 * application that are listed. A status and one word; why something is not ready is at the admin endpoint. Rejects with
 * `listen-failed`.
 */
export async function serveHealth(options: HealthOptions): Promise<HealthServer> {
  const targets = new Map(options.targets.map((target) => [probePathOf(target.text), target]))
  const load = { underWay: 0 }
  const server = http.createServer(
    { requestTimeout: 10_000, headersTimeout: 5_000, keepAliveTimeout: 5_000, maxHeaderSize: MAX_HEAD_BYTES },
    (request, response) => {
      void answer(request, response, targets, options, load).then((status) => send(response, status))
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
  targets: ReadonlyMap<string, ProbeTarget>,
  { notReady, notLive, clock, log }: HealthOptions,
  load: { underWay: number },
): Promise<number> {
  const { method, url = '' } = request
  if (method !== 'GET' && method !== 'HEAD') return 405
  if (url === '/ready') return notReady() === undefined ? 200 : 503
  if (url === '/live') return (await notLive()) === undefined ? 200 : 503
  const target = targets.get(url)
  if (target === undefined) return 404
  if (load.underWay >= MAX_UNDER_WAY) return 503
  load.underWay += 1
  const given = new AbortController()
  const timer = clock.after(LONGEST_MS, () => given.abort())
  const gone = (): void => given.abort()
  response.once('close', gone)
  try {
    return await askApplication(target, request.headers, given.signal)
  } catch (error) {
    log.debug({ target: target.text, error: describeError(error) }, 'a probe of the application failed')
    return 503
  } finally {
    response.off('close', gone)
    timer.cancel()
    load.underWay -= 1
  }
}

function send(response: ServerResponse, status: number): void {
  if (!response.req.complete) response.setHeader('connection', 'close')
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8', 'cache-control': 'no-store' })
  response.end(status < 400 ? 'ok\n' : 'not ok\n')
}
