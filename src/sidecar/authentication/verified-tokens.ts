import { hash } from 'node:crypto'
import type { Headers } from '../../http/headers.ts'
import type { Confirmation } from '../../identity/confirmation.ts'
import type { AcceptedIssuer, CompiledAuthentication, CredentialPlace } from '../../policy/authentication.ts'
import type { TokenIdentity } from '../../policy/decision.ts'
import { BoundedCache } from './bounded-cache.ts'

/** A token whose signature, times and audience are good. That it is its bearer's own is found out for each request. */
export interface VerifiedToken {
  readonly token: TokenIdentity
  readonly confirmation: Confirmation | undefined
  readonly accepted: AcceptedIssuer
  /** Out of its claims, flat. */
  readonly headers: Headers
}

interface Entry {
  readonly place: CredentialPlace
  readonly verified: VerifiedToken
}

/** Of token texts; what is made of one takes a few times as much. */
const MAX_BYTES = 4 * 1024 * 1024
/** An issuer that takes a key back is heard after so long at most, if nothing else empties the cache. */
const MAX_AGE_MS = 60_000

/**
 * Tokens that were verified a moment ago, by SHA-256 of their text: neither the token nor anything that could be shown as one is
 * kept. It belongs to one policy and one state of the keys, and is emptied when either changes.
 */
export class VerifiedTokens {
  readonly #entries = new BoundedCache<Entry>(MAX_BYTES)
  #authentication: CompiledAuthentication | undefined

  get size(): number {
    return this.#entries.size
  }

  find(
    text: string,
    place: CredentialPlace,
    authentication: CompiledAuthentication,
    nowMs: number,
  ): VerifiedToken | undefined {
    if (this.#authentication !== authentication) return undefined
    const entry = this.#entries.find(keyOf(text), nowMs)
    return entry?.place === place ? entry.verified : undefined
  }

  add(
    text: string,
    place: CredentialPlace,
    authentication: CompiledAuthentication,
    verified: VerifiedToken,
    nowMs: number,
  ): void {
    if (this.#authentication !== authentication) {
      this.clear()
      this.#authentication = authentication
    }
    const untilMs = Math.min(verified.token.expiresAtMs, nowMs + MAX_AGE_MS)
    this.#entries.add(keyOf(text), { place, verified }, untilMs, text.length)
  }

  clear(): void {
    this.#entries.clear()
    this.#authentication = undefined
  }
}

function keyOf(text: string): string {
  return hash('sha256', text, 'base64')
}
