import type { SpiffeId } from '../../identity/spiffe-id.ts'
import { OutriderError } from '../../lib/errors.ts'
import type { Catalogue } from './catalogue.ts'

/** Throws `identity-revoked` or `svid-revoked`: what an operator has ended is not begun anew. `serial`: of the SVID that is shown. */
export function checkNotRevoked(catalogue: Catalogue, id: SpiffeId, serial: string | undefined): void {
  for (const { metadata, spec } of catalogue.revocations()) {
    const by = `revoked by Revocation/${metadata.namespace}/${metadata.name}`
    if (spec.spiffeIds.includes(id)) throw new OutriderError('identity-revoked', `${id} is ${by}`)
    if (serial !== undefined && spec.serials.includes(serial))
      throw new OutriderError('svid-revoked', `the SVID ${serial} is ${by}: attest anew`)
  }
}
