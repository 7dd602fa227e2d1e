import { millisecondsOf } from '../../lib/protobuf-time.ts'
import type { TrustReport__Output } from '../../wire/outrider/policy/v1/TrustReport.ts'
import { protocolError } from './protocol-error.ts'

/** What a sidecar says of the roots; authorities by their SHA-256, hexadecimal. */
export interface TrustReport {
  /** Of its bundles, by trust domain. */
  readonly sequences: ReadonlyMap<string, number>
  readonly svidAuthority: string
  /** Open connections by the authority that one side's SVID ends at. */
  readonly connections: ReadonlyMap<string, number>
  /** How far the clock of the sidecar is before ours; the time that the report travelled makes it less. */
  readonly clockAheadMs: number
}

const MAX_TRUST_ENTRIES = 256

/** Throws `stream-protocol` for a report that is too long. */
export function trustOf({ bundles, svidAuthority, uses, at }: TrustReport__Output, nowMs: number): TrustReport {
  if (bundles.length > MAX_TRUST_ENTRIES || uses.length > MAX_TRUST_ENTRIES) {
    throw protocolError(`a report of trust has at most ${MAX_TRUST_ENTRIES} bundles, and as many authorities`)
  }
  return {
    sequences: new Map(bundles.map(({ trustDomain, sequence }) => [trustDomain, sequence])),
    svidAuthority: hex(svidAuthority),
    connections: new Map(uses.map(({ authority, connections }) => [hex(authority), connections])),
    clockAheadMs: (millisecondsOf(at) ?? nowMs) - nowMs,
  }
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}
