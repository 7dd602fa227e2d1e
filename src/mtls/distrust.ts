import { type Revocations, revokedBy } from '../identity/revocation.ts'
import type { VerifiedPeer } from '../identity/verify.ts'
import type { Watch } from '../lib/watch.ts'
import type { Credentials } from './credentials.ts'
import { isStillTrusted, type PeerRefusal } from './peer.ts'

/**
 * What can end the belief in a peer whose chain was verified: asked once more right after the handshake, and about every open
 * connection at each change. Whatever takes belief back is one of these, so that no place can forget one.
 */
export interface Distrust {
  /** Why this peer is believed no longer; undefined while it is. */
  of(peer: VerifiedPeer): PeerRefusal | undefined
  /** Calls `changed` whenever `of` may answer otherwise. Returns the way out. */
  subscribe(changed: () => void): () => void
}

/** The root that a peer's chain ends at has left its bundle. */
export function withdrawnAuthorities(credentials: Watch<Credentials>): Distrust {
  return {
    of: (peer) => {
      if (isStillTrusted(peer, credentials.current.bundles)) return undefined
      const message = `the root ${peer.authorityFingerprint} of ${peer.id} is no longer in its trust bundle`
      return { kind: 'refused', code: 'authority-withdrawn', message }
    },
    subscribe: (changed) => credentials.subscribe(changed),
  }
}

/** A policy revokes the SVID of the peer, or every SVID of its identity. */
export function revokedSvids(policy: Watch<{ readonly revocations: Revocations }>): Distrust {
  return {
    of: (peer) => {
      const by = revokedBy(peer, policy.current.revocations)
      if (by === undefined) return undefined
      const message = `the SVID of ${peer.id} with the serial number ${peer.serial} is revoked`
      return {
        kind: 'refused',
        code: 'svid-revoked',
        message,
        expected: `one that ${by} does not revoke`,
        member: true,
      }
    },
    subscribe: (changed) => policy.subscribe(changed),
  }
}

/** Each of them may end it; the first that does says why. */
export function anyDistrust(...reasons: readonly Distrust[]): Distrust {
  return {
    of: (peer) => {
      for (const reason of reasons) {
        const refusal = reason.of(peer)
        if (refusal !== undefined) return refusal
      }
      return undefined
    },
    subscribe: (changed) => {
      const stops = reasons.map((reason) => reason.subscribe(changed))
      return () => {
        for (const stop of stops) stop()
      }
    },
  }
}
