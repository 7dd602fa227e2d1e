import type { SpiffeId } from '../../identity/spiffe-id.ts'
import { OutriderError } from '../../lib/errors.ts'
import type { Catalogue } from './catalogue.ts'

/** Why an identity, or the SVID with this serial number, is believed no more: `identity-revoked` or `svid-revoked`. */
export function revocationOf(
  { revoked: { ids, serials } }: Catalogue,
  id: SpiffeId,
  serial?: string,
): OutriderError<'identity-revoked' | 'svid-revoked'> | undefined {
  const ofIdentity = ids.get(id)
  if (ofIdentity !== undefined) return new OutriderError('identity-revoked', `${id} is revoked by ${ofIdentity}`)
  const ofSvid = serial === undefined ? undefined : serials.get(serial)
  if (ofSvid === undefined) return undefined
  return new OutriderError('svid-revoked', `the SVID ${serial} is revoked by ${ofSvid}: attest anew`)
}

/** Throws what `revocationOf` gives: what an operator has ended is not begun anew. */
export function checkNotRevoked(catalogue: Catalogue, id: SpiffeId, serial?: string): void {
  const revocation = revocationOf(catalogue, id, serial)
  if (revocation !== undefined) throw revocation
}
