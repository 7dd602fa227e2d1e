import type { TLSSocket } from 'node:tls'
import { formatAddress } from '../../lib/address.ts'
import { sayFarewell } from '../../http/farewell.ts'
import { farewellText } from '../../mtls/farewell.ts'
import { acceptedPeerOf, type PeerRefusal, withPresented } from '../../mtls/peer.ts'
import type { AnonymousReason } from '../../policy/decision.ts'
import { expiryOf } from '../lifetime.ts'
import { RequestMeter } from '../meter.ts'
import { refusalByPeer } from '../refused-by-peer.ts'
import type { Runtime } from '../runtime.ts'
import type { Detected, Inbound, InboundConnection, Secured } from './connection.ts'

/**
 * Who the peer is, by every rule of the X.509-SVID standard and the bundle of the peer's own trust domain. Without an answer
 * nothing is read from the socket: the peer is told what is wrong with its certificate, and the socket is closed.
 */
export function identify(secured: Secured, inbound: Inbound): InboundConnection | undefined {
  const { runtime, app } = inbound
  const { clock, distrust } = runtime
  const { socket, remote, credentials } = secured
  // The bundles of this moment: a root that was withdrawn during the handshake counts no more.
  const shown = acceptedPeerOf(socket, runtime.credentials.current.bundles, clock.now())
  const peer = shown.kind === 'refused' ? shown : (withPresented(distrust.of(shown), socket) ?? shown)
  if (peer.kind === 'refused') {
    refusePeer(peer, secured, runtime)
    return undefined
  }
  const foundation = { peer, svid: credentials.svid }
  countConnection(inbound, 'mutual_tls')
  return {
    inbound,
    runtime,
    socket,
    spoken: agreedProtocol(socket),
    fragments: fragmentsOf(inbound),
    authority: formatAddress(app),
    remote,
    foundation,
    peerName: peer.id,
    principal: { kind: 'peer', id: peer.id },
    address: addressOf(remote),
    sni: typeof socket.servername === 'string' && socket.servername !== '' ? socket.servername : undefined,
    reporter: 'inbound',
    source: { kind: 'peer', id: peer.id },
    explain: true,
    meter: new RequestMeter(runtime, 'inbound', peer.id, 'mutual_tls'),
    clientCertificate: `By=${credentials.svid.id};Hash=${peer.fingerprint};URI=${peer.id}`,
    expiresAtMs: expiryOf(foundation),
    authorities: [...new Set([peer.authorityFingerprint, credentials.svid.authorityFingerprint])],
    onGoingAway: (error, debug) => {
      const refusal = refusalByPeer(error, debug, credentials.svid, clock.now())
      if (refusal === undefined) return
      runtime.tlsFailures.report({ listener: 'inbound', remote, peer: peer.id, ...refusal }, 'peer refused us')
    },
  }
}

function refusePeer(refusal: PeerRefusal, { socket, remote }: Secured, { tlsFailures, clock }: Runtime): void {
  const { code, message, presented, expected } = refusal
  tlsFailures.report(
    { listener: 'inbound', remote, reason: code, detail: message, presented, expected },
    'peer refused',
  )
  const role = agreedProtocol(socket) === 'http2' ? 'http2-server' : 'http1-server'
  // Sidecars speak HTTP/2. Of HTTP/1.1 a stranger gets not one byte.
  if (role === 'http1-server' && refusal.member !== true) socket.destroy()
  else sayFarewell(socket, role, code, farewellText(refusal, clock.now()), clock)
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
    fragments: fragmentsOf(inbound),
    authority: formatAddress(app),
    remote,
    foundation: undefined,
    peerName: 'anonymous',
    principal: { kind: 'anonymous', why },
    address: addressOf(remote),
    sni: undefined,
    reporter: 'inbound',
    source: { kind: 'anonymous', why },
    explain: false,
    meter: new RequestMeter(runtime, 'inbound', 'anonymous', 'none'),
    clientCertificate: undefined,
    expiresAtMs: Number.POSITIVE_INFINITY,
    authorities: [],
  }
}

/** Every normalisation but the strict one cuts them off. */
function fragmentsOf({ mapping }: Inbound): InboundConnection['fragments'] {
  return mapping.normalise === 'strict' ? 'refuse' : 'allow'
}

/** Without the port. */
function addressOf(remote: string): string {
  return remote.slice(0, remote.lastIndexOf(':'))
}

/** ALPN (RFC 7301); without it HTTP/1.1. */
function agreedProtocol(socket: TLSSocket): 'http1' | 'http2' {
  return socket.alpnProtocol === 'h2' ? 'http2' : 'http1'
}

function countConnection({ runtime, mapping }: Inbound, security: 'mutual_tls' | 'none'): void {
  const { listen, mode } = mapping
  runtime.metrics.inboundConnections.with({ port: String(listen.port), mode, security }).inc()
}
