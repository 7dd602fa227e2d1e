import type { TLSSocket } from 'node:tls'
import { formatAddress } from '../../lib/address.ts'
import { acceptedPeerOf } from '../../mtls/peer.ts'
import type { AnonymousReason } from '../../policy/decision.ts'
import { RequestMeter } from '../meter.ts'
import type { Detected, Inbound, InboundConnection, Secured } from './connection.ts'

/**
 * Who the peer is, by every rule of the X.509-SVID standard and the bundle of the peer's own trust domain. Without an answer
 * the socket is closed before a byte was read from it or written to it.
 */
export function identify(secured: Secured, inbound: Inbound): InboundConnection | undefined {
  const { runtime, app } = inbound
  const { metrics, log, clock } = runtime
  const { socket, remote, credentials } = secured
  // The bundles of this moment: a root that was withdrawn during the handshake counts no more.
  const peer = acceptedPeerOf(socket, runtime.credentials.current.bundles, clock.now())
  if (peer.kind === 'refused') {
    metrics.tlsHandshakeFailures.with({ listener: 'inbound', reason: peer.code }).inc()
    log.warn({ remote, reason: peer.code, detail: peer.message }, 'peer refused')
    socket.destroy()
    return undefined
  }
  countConnection(inbound, 'mutual_tls')
  return {
    inbound,
    runtime,
    socket,
    spoken: agreedProtocol(socket),
    authority: formatAddress(app),
    remote,
    peer,
    peerName: peer.id,
    principal: { kind: 'peer', id: peer.id },
    reporter: 'inbound',
    source: { kind: 'peer', id: peer.id },
    explain: true,
    meter: new RequestMeter(runtime, 'inbound', peer.id, 'mutual_tls'),
    clientCertificate: `By=${credentials.svid.id};Hash=${peer.fingerprint};URI=${peer.id}`,
    expiresAtMs: Math.min(peer.notAfterMs, credentials.svid.notAfterMs),
    authorities: [...new Set([peer.authorityFingerprint, credentials.svid.authorityFingerprint])],
  }
}

/** A client without TLS, where the listener takes it: nobody in particular, and why. */
export function identifyPlain(detected: Detected, inbound: Inbound): InboundConnection {
  const { runtime, mapping, app } = inbound
  const { socket, remote, shown } = detected
  const why: AnonymousReason = mapping.mode === 'plaintext' ? 'plaintext-port' : 'plaintext-permissive'
  countConnection(inbound, 'none')
  runtime.metrics.plaintextLastSeen.with({ port: String(mapping.listen.port) }).set(runtime.clock.now() / 1000)
  return {
    inbound,
    runtime,
    socket,
    spoken: shown === 'tls' ? 'tcp' : shown,
    authority: formatAddress(app),
    remote,
    peer: undefined,
    peerName: 'anonymous',
    principal: { kind: 'anonymous', why },
    reporter: 'inbound',
    source: { kind: 'anonymous', why },
    explain: false,
    meter: new RequestMeter(runtime, 'inbound', 'anonymous', 'none'),
    clientCertificate: undefined,
    expiresAtMs: Number.POSITIVE_INFINITY,
    authorities: [],
  }
}

/** ALPN (RFC 7301); without it HTTP/1.1. */
function agreedProtocol(socket: TLSSocket): 'http1' | 'http2' {
  return socket.alpnProtocol === 'h2' ? 'http2' : 'http1'
}

function countConnection({ runtime, mapping }: Inbound, security: 'mutual_tls' | 'none'): void {
  const { listen, mode } = mapping
  runtime.metrics.inboundConnections.with({ port: String(listen.port), mode, security }).inc()
}
