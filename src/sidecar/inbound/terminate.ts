import type { Accepted, Inbound, Secured } from './connection.ts'

/** The TLS 1.3 handshake, bounded by `handshakeTimeoutMs`. A failed one is counted by its reason and logged. */
export function terminate(accepted: Accepted, inbound: Inbound, next: (secured: Secured) => void): void {
  const { socket, remote } = accepted
  inbound.terminator.terminate(socket, {
    onSecured: (secured, credentials) => next({ socket: secured, remote, credentials }),
    onFailed: (error) => {
      const reason = handshakeFailure(error)
      const { metrics, log } = inbound.runtime
      metrics.tlsHandshakeFailures.with({ listener: 'inbound', reason }).inc()
      log.info({ remote, reason, detail: error.message }, 'TLS handshake failed')
    },
  })
}

/** OpenSSL's words are many and change: what becomes a label is one of a few. */
function handshakeFailure(error: Error & { code?: string }): string {
  const code = error.code ?? ''
  if (code === 'ERR_TLS_HANDSHAKE_TIMEOUT') return 'handshake-timed-out'
  if (code === 'ECONNRESET' || code === 'EPIPE') return 'client-gone'
  if (code === 'ERR_SSL_UNSUPPORTED_PROTOCOL' || code === 'ERR_SSL_NO_PROTOCOLS_AVAILABLE') return 'version-unsupported'
  if (code === 'ERR_SSL_HTTP_REQUEST' || code === 'ERR_SSL_WRONG_VERSION_NUMBER') return 'not-tls'
  if (code === 'ERR_SSL_NO_APPLICATION_PROTOCOL') return 'no-application-protocol'
  return code.startsWith('ERR_SSL_') ? 'handshake-malformed' : 'handshake-failed'
}
