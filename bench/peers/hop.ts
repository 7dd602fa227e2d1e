import { readFileSync } from 'node:fs'
import http, { type RequestListener } from 'node:http'
import https from 'node:https'
import { parseArgs } from 'node:util'

/** One side of a pair of Node proxies, from argv: where it listens, where it sends, and how it asks for a socket. */
export interface Hop {
  readonly side: 'out' | 'in'
  /** Target, keep-alive agent and credentials, as `http.request` or `https.request` want them. */
  readonly target: https.RequestOptions
  request(options: https.RequestOptions): http.ClientRequest
  listen(handle: RequestListener): void
  /** Requests to paths below this one are answered with 403. For the attack programs. */
  readonly deny: string | undefined
}

export function readHop(): Hop {
  const { values } = parseArgs({
    options: {
      side: { type: 'string' },
      port: { type: 'string' },
      to: { type: 'string' },
      ca: { type: 'string' },
      certificate: { type: 'string' },
      key: { type: 'string' },
      deny: { type: 'string' },
    },
  })
  const { side, port, to, ca, certificate, key, deny } = values
  if (side !== 'out' && side !== 'in') throw new Error('--side must be out or in')
  if (ca === undefined || certificate === undefined || key === undefined)
    throw new Error('no --ca, --certificate, --key')
  const credentials = {
    ca: readFileSync(ca),
    cert: readFileSync(certificate),
    key: readFileSync(key),
    minVersion: 'TLSv1.3',
  } as const
  const keepAlive = { keepAlive: true, maxFreeSockets: 1024 }
  const address = { host: '127.0.0.1', port: Number(to) }
  const serverOptions = { keepAliveTimeout: 300_000 }
  return side === 'out'
    ? {
        side,
        deny,
        target: {
          ...address,
          ...credentials,
          servername: 'app',
          // Node does not verify the server's identity on a resumed session: every connection shakes hands in full.
          agent: new https.Agent({ ...keepAlive, maxCachedSessions: 0 }),
        },
        request: (options) => https.request(options),
        listen: (handle) => void http.createServer(serverOptions, handle).listen(Number(port), '127.0.0.1'),
      }
    : {
        side,
        deny,
        target: { ...address, agent: new http.Agent(keepAlive) },
        request: (options) => http.request(options),
        listen: (handle) =>
          void https
            .createServer({ ...serverOptions, ...credentials, requestCert: true, rejectUnauthorized: true }, handle)
            .listen(Number(port), '127.0.0.1'),
      }
}

/** May this request pass? Answers 403 when not. */
export function admits(hop: Hop, request: http.IncomingMessage, response: http.ServerResponse): boolean {
  if (hop.deny === undefined || request.url?.startsWith(hop.deny) !== true) return true
  response.writeHead(403).end()
  return false
}
