import { formatAddress } from '../../lib/address.ts'
import { RequestMeter } from '../meter.ts'
import type { Detected, Outbound, OutboundConnection } from './connection.ts'

/** Whoever can connect to a port for the own application speaks with the identity of the workload: that is what a sidecar is for. */
export function identify(detected: Detected, outbound: Outbound): OutboundConnection {
  const { runtime, service } = outbound
  const { id } = runtime.credentials.current.svid
  return {
    outbound,
    runtime,
    ...detected,
    fragments: 'allow',
    authority: service === undefined ? '' : formatAddress(service),
    reporter: 'outbound',
    source: { kind: 'peer', id },
    peerName: 'application',
    expiresAtMs: Number.POSITIVE_INFINITY,
    authorities: [],
    explain: true,
    meter: new RequestMeter(runtime, 'outbound', id, 'mutual_tls'),
  }
}
