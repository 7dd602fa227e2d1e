import { OutriderError } from '../lib/errors.ts'
import type { SpiffeId } from './spiffe-id.ts'
import type { VerifiedPeer } from './verify.ts'

/** SVIDs that are believed no more although they verify. Values say by what: for the log. */
export interface Revocations {
  /** By serial number, hexadecimal as in `VerifiedPeer`. */
  readonly serials: ReadonlyMap<string, string>
  /** Every SVID of an identity. */
  readonly ids: ReadonlyMap<SpiffeId, string>
}

export const noRevocations: Revocations = Object.freeze({ serials: new Map(), ids: new Map() })

/** What revokes this SVID, if anything does. */
export function revokedBy(
  { serial, id }: Pick<VerifiedPeer, 'serial' | 'id'>,
  revocations: Revocations,
): string | undefined {
  return revocations.serials.get(serial) ?? revocations.ids.get(id)
}

/** Hexadecimal digits, between which colons may stand. */
export const serialForm: RegExp = /^[0-9A-Fa-f:]+$/

/** A serial number as logs and `outrider identity show` write it: hexadecimal, at most 20 octets (RFC 5280, 4.1.2.2). Throws `serial-malformed`. */
export function parseSerial(text: string): string {
  const given = text.toLowerCase().replaceAll(':', '')
  const digits = (given.length % 2 === 0 ? given : `0${given}`).replace(/^(?:00)+(?=..)/, '')
  if (!/^[0-9a-f]{2,40}$/.test(digits))
    throw new OutriderError(
      'serial-malformed',
      `a serial number is 1 to 40 hexadecimal digits: ${JSON.stringify(text.slice(0, 100))}`,
    )
  return digits
}
