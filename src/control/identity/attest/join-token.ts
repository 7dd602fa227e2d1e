import { createHash, timingSafeEqual } from 'node:crypto'
import type { SpiffeId } from '../../../identity/spiffe-id.ts'
import { OutriderError } from '../../../lib/errors.ts'
import type { Store, TokenRecord } from '../../store/store.ts'
import type { Attestor } from './attestor.ts'

/** Of the hash: enough that two tokens never share it, too little to tell the secret. */
const ID_BYTES = 6

export interface HashedSecret {
  /** Names the token in lists, logs and the store. */
  readonly id: string
  readonly hash: Buffer
}

/** What of a secret may be kept: its SHA-256, and a name made of that. The secret has 256 random bits, so no salt. */
export function hashSecret(secret: string): HashedSecret {
  const hash = createHash('sha256').update(secret).digest()
  return { id: hash.subarray(0, ID_BYTES).toString('hex'), hash }
}

/**
 * Join tokens: an operator has made one for one sidecar of one Workload, and who has it is that sidecar. Errors:
 * `join-token-refused`, `identity-not-allowed`.
 */
export function joinTokenAttestor(store: Store): Attestor<'join-token'> {
  return {
    attest({ secret }, { wanted, nowMs }) {
      const { id, spiffeId } = checkToken(secret, wanted, store, nowMs)
      return {
        source: `join-token:${id}`,
        selectors: new Set(),
        granted: spiffeId,
        tokenId: id,
        record: (issued, atMs) => {
          if (!store.redeemToken(id, issued, atMs)) throw refusedToken('was used already; each is for one sidecar')
        },
      }
    },
  }
}

/** The token with this secret, if it may still be used for `wanted`. */
function checkToken(secret: string, wanted: SpiffeId, store: Store, nowMs: number): TokenRecord {
  const { id, hash } = hashSecret(secret)
  const token = store.findToken(id)
  if (token?.hash.length !== hash.length || !timingSafeEqual(token.hash, hash)) {
    throw refusedToken('is not known here')
  }
  // Only who has the secret learns more than "not known".
  if (token.revokedAtMs !== undefined) throw refusedToken('was revoked')
  if (token.usedAtMs !== undefined) throw refusedToken('was used already; each is for one sidecar')
  if (token.expiresAtMs <= nowMs) throw refusedToken('has expired')
  if (token.spiffeId !== wanted) {
    throw new OutriderError(
      'identity-not-allowed',
      `the join token is for ${token.spiffeId}, the request for ${wanted}`,
    )
  }
  return token
}

function refusedToken(why: string): OutriderError<'join-token-refused'> {
  return new OutriderError('join-token-refused', `the join token ${why}: create a new one (outrider token create)`)
}
