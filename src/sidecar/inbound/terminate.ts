import { describePresented } from '../../identity/presented.ts'
import { handshakeFailure } from '../../mtls/handshake-failure.ts'
import type { Accepted, Inbound, Secured } from './connection.ts'

/** The TLS 1.3 handshake, bounded by `handshakeTimeoutMs`. A failed one is counted by its reason and logged. */
export function terminate(accepted: Accepted, inbound: Inbound, next: (secured: Secured) => void): void {
  const { socket, remote } = accepted
  const { tlsFailures, credentials } = inbound.runtime
  inbound.terminator.terminate(socket, {
    onSecured: (secured, credentials) => next({ socket: secured, remote, credentials }),
    onFailed: (error) => {
      const { code, message } = handshakeFailure(error, 'server')
      const refused = code === 'peer-refused-us'
      // Without it what we had shown is of no interest.
      const presented = refused ? describePresented(credentials.current.svid.chainDer) : undefined
      const failure = { listener: 'inbound', remote, reason: code, detail: message, presented } as const
      tlsFailures.report(failure, refused ? 'peer refused us' : 'TLS handshake failed', refused ? 'warn' : 'info')
    },
  })
}
