import type { RequestHandler } from '../../http/exchange.ts'
import { endWithCertificates } from '../lifetime.ts'
import { serveHttp } from '../serve-http.ts'
import type { InboundConnection } from './connection.ts'

/**
 * Takes requests from a connection whose peer is known, until it closes, a certificate of it expires or one of its two ends is
 * believed no longer. One without mutual TLS has neither.
 */
export function serve(connection: InboundConnection, handler: RequestHandler): void {
  const { runtime, remote, foundation } = connection
  let release: (() => void) | undefined
  const open = serveHttp(connection, handler, () => release?.())
  if (foundation === undefined) return
  const { clock, credentials, distrust, log, config } = runtime
  release = endWithCertificates(open, foundation, {
    clock,
    credentials,
    distrust,
    taintGraceMs: config.taintGraceMs,
    role: 'server',
    onCut: ({ code, message }) => {
      const level = code === 'identity-expired' ? 'info' : 'warn'
      log[level]({ remote, peer: foundation.peer.id, code, detail: message }, 'connection cut')
    },
  })
}
