import type { Ending } from '../../http/exchange.ts'
import { sayFarewell } from '../../http/farewell.ts'
import { describePresented } from '../../identity/presented.ts'
import type { Svid } from '../../identity/svid.ts'
import { span } from '../../identity/validity.ts'
import { formatAddress } from '../../lib/address.ts'
import { originate } from '../../mtls/client.ts'
import { farewellText } from '../../mtls/farewell.ts'
import { handshakeFailure, isCertificateAlert, type TlsError } from '../../mtls/handshake-failure.ts'
import { endWithCertificates, type Foundation } from '../lifetime.ts'
import { type RefusedByPeer, refusalByPeer } from '../refused-by-peer.ts'
import type { Runtime } from '../runtime.ts'
import type { TlsFailure } from '../tls-failures.ts'
import type { DialTarget } from './endpoints.ts'
import type { Dial, PooledConnection } from './pool.ts'

/**
 * Opens mutual TLS connections to an endpoint of a service, with the credentials of the moment. Every failure of TLS is reported
 * with both sides of it; the server is told what is wrong with its certificate, and what it says of ours is heard.
 */
export function dialMesh(target: DialTarget, service: string, runtime: Runtime): Dial {
  const { credentials, clock, config, distrust, tlsFailures } = runtime
  const { host, port } = target
  const remote = formatAddress({ host, port })
  const report = (failure: Pick<TlsFailure, 'reason' | 'detail'> & Partial<TlsFailure>, message: string): void =>
    tlsFailures.report({ listener: 'outbound', remote, service, ...failure }, message)
  return (done) => {
    const used = credentials.current
    const expiredMs = clock.now() - used.svid.notAfterMs
    if (expiredMs >= 0) {
      // Everybody would refuse it: what is wrong is on this side.
      const message = `our own certificate expired ${span(expiredMs)} ago`
      done({ kind: 'failed', code: 'identity-expired', message })
      return
    }
    const timeoutMs = config.upstreamConnectTimeoutMs
    const identities = target.identities()
    originate({ host, port, credentials: used, identities, distrust, timeoutMs, clock }, (result) => {
      switch (result.kind) {
        case 'connected': {
          const { socket, peer } = result
          const word = new ServerWord(used.svid, runtime, (failure) =>
            report({ peer: peer.id, ...failure }, 'peer refused us'),
          )
          socket.on('error', (error) => word.alerted(error))
          done({ kind: 'connected', socket, word, follow: following({ peer, svid: used.svid }, service, runtime) })
          break
        }
        case 'failed': {
          const { message, handshake } = result
          if (handshake !== undefined) {
            const { code, message: detail } = handshake
            report({ reason: code, detail }, code === 'peer-refused-us' ? 'peer refused us' : 'TLS handshake failed')
          }
          const refused = handshake?.code === 'peer-refused-us'
          done({ kind: 'failed', code: refused ? 'peer-refused-us' : 'upstream-unreachable', message })
          break
        }
        case 'refused': {
          const { socket, refusal } = result
          const { code, message, presented, expected } = refusal
          report({ reason: code, detail: message, presented, expected }, 'upstream refused')
          if (socket.alpnProtocol === 'h2')
            sayFarewell(socket, 'http2-client', code, farewellText(refusal, clock.now()), clock)
          else socket.destroy()
          done({ kind: 'failed', code: 'upstream-identity', message: `${code}: ${message}` })
          break
        }
      }
    })
  }
}

/** What a server lets us know of what it thinks of our certificate, which in TLS 1.3 comes after the handshake. */
class ServerWord {
  refusal: string | undefined
  readonly #svid: Svid
  readonly #runtime: Runtime
  readonly #report: (failure: RefusedByPeer) => void

  constructor(svid: Svid, runtime: Runtime, report: (failure: RefusedByPeer) => void) {
    this.#svid = svid
    this.#runtime = runtime
    this.#report = report
  }

  /** GOAWAY. */
  goingAway(error: number, debug: string): void {
    const refusal = refusalByPeer(error, debug, this.#svid, this.#runtime.clock.now())
    if (refusal === undefined || this.refusal !== undefined) return
    this.refusal = `${refusal.theirs}: ${refusal.detail}`
    this.#report(refusal)
  }

  /** An error of the socket: a TLS alert among others. */
  alerted(error: TlsError): void {
    if (!isCertificateAlert(error) || this.refusal !== undefined) return
    const { code, message } = handshakeFailure(error, 'client')
    this.refusal = message
    this.#report({ reason: code, detail: message, presented: describePresented(this.#svid.chainDer) })
  }
}

function following(
  foundation: Foundation,
  service: string,
  { clock, credentials, distrust, config, log }: Runtime,
): (connection: PooledConnection) => () => void {
  return (connection) => {
    // A client tells nobody: it opens nothing more.
    const close = (): void => connection.close()
    const destroy = (ending: Ending): void => connection.destroy(ending)
    const endable = { retire: close, close, destroy }
    return endWithCertificates(endable, foundation, {
      clock,
      credentials,
      distrust,
      taintGraceMs: config.taintGraceMs,
      role: 'client',
      onCut: ({ code, message }) => {
        const level = code === 'identity-expired' ? 'info' : 'warn'
        log[level]({ service, peer: foundation.peer.id, code, detail: message }, 'connection cut')
      },
    })
  }
}
