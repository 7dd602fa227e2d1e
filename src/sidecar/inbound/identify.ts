import { peerOf } from '../../mtls/peer.ts'
import { RequestMeter } from '../meter.ts'
import type { Inbound, InboundConnection, Secured } from './connection.ts'

/**
 * Who the peer is, by every rule of the X.509-SVID standard and the bundle of the peer's own trust domain. Without an answer
 * the socket is closed before a byte was read from it or written to it.
 */
export function identify(secured: Secured, inbound: Inbound): InboundConnection | undefined {
  const { runtime } = inbound
  const { metrics, log, clock } = runtime
  const { socket, remote, credentials } = secured
  // The bundles of this moment: a root that was withdrawn during the handshake counts no more.
  const peer = peerOf(socket, runtime.credentials.current.bundles, clock.now())
  if (peer.kind === 'refused') {
    metrics.tlsHandshakeFailures.with({ listener: 'inbound', reason: peer.code }).inc()
    log.warn({ remote, reason: peer.code, detail: peer.message }, 'peer refused')
    socket.destroy()
    return undefined
  }
  return {
    inbound,
    runtime,
    socket,
    remote,
    peer,
    peerName: peer.id,
    peerPrincipal: { kind: 'peer', id: peer.id },
    reporter: 'inbound',
    source: { kind: 'peer', id: peer.id },
    explain: true,
    meter: new RequestMeter(runtime, 'inbound', peer.id, 'mutual_tls'),
    clientCertificate: `By=${credentials.svid.id};Hash=${peer.fingerprint};URI=${peer.id}`,
    expiresAtMs: Math.min(peer.notAfterMs, credentials.svid.notAfterMs),
  }
}
