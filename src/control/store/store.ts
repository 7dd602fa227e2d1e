import type { SpiffeId } from '../../identity/spiffe-id.ts'
import type { Endpoint, Kind, Resource, ResourceName } from '../../policy/model.ts'

export interface StoredResource {
  readonly resource: Resource
  /** JSON text as it was applied. */
  readonly document: string
  /** Revision in which an operator last changed it. */
  readonly revision: number
  readonly changedAtMs: number
}

export type Change =
  | { readonly kind: 'put'; readonly resource: Resource; readonly document: string }
  | { readonly kind: 'delete'; readonly name: ResourceName }

/** A sidecar as the store remembers it over a restart. */
export interface SidecarRecord {
  readonly spiffeId: SpiffeId
  readonly sidecarId: string
  readonly programVersion: string
  readonly lastSeenMs: number
  /** Its open inbound listeners; empty when it is draining or has none. */
  readonly listeners: readonly Endpoint[]
}

/** Where the resources of a store come from: written by operators to this very server, or copied from a cluster. */
export type StoreSource = 'own' | 'kubernetes'

/** All of it is stored, or nothing. */
export interface Batch {
  readonly changes?: readonly Change[]
  /** Resources whose resolved form changes although they do not: services whose endpoints or identities change. */
  readonly touched?: readonly ResourceName[]
  readonly sidecar?: SidecarRecord
  /** The new revision, where it is not for the store to count: not below the present one. */
  readonly revision?: number
}

export interface Commit {
  readonly revision: number
  readonly changes: readonly Change[]
  readonly touched: readonly ResourceName[]
}

export interface TokenRecord {
  /** Names the token; derived from its hash, not secret. */
  readonly id: string
  /** SHA-256 of the secret. The secret itself is stored nowhere. */
  readonly hash: Buffer
  readonly spiffeId: SpiffeId
  readonly expiresAtMs: number
  readonly usedAtMs?: number
  readonly revokedAtMs?: number
}

export interface IssuedRecord {
  readonly serial: string
  readonly spiffeId: SpiffeId
  readonly notAfterMs: number
}

/**
 * Everything the control server must not forget. There is one revision for all of it; it never falls. Reads answer from
 * memory; writes are durable when they return. A failed write changes nothing and throws `disk-full`,
 * `database-corrupt` or `database-failed`.
 */
export interface Store {
  readonly revision: number
  /** Number of resources. */
  readonly size: number
  get(name: ResourceName): StoredResource | undefined
  /** In the order of kind, namespace, name. */
  list(filter?: { readonly kind?: Kind; readonly namespace?: string }): readonly StoredResource[]
  /**
   * Returns the new revision: that of the batch, else the next number, or in a copy of a cluster the present one. Listeners have been told when it returns. Throws a `RangeError` for
   * a revision below the present one.
   */
  commit(batch: Batch, nowMs: number): number
  /** Tells of every later commit, in order. Synchronous: `list` and `watch` in one turn miss nothing. */
  watch(listener: (commit: Commit) => void): () => void

  addToken(token: TokenRecord): void
  findToken(id: string): TokenRecord | undefined
  countTokens(): number
  listTokens(): readonly TokenRecord[]
  /** False when there is no such token that could still be revoked. */
  revokeToken(id: string, nowMs: number): boolean
  /** Uses up a token and records what was issued for it, both or neither. False when it is used, expired or revoked. */
  redeemToken(id: string, issued: IssuedRecord, nowMs: number): boolean
  /** Without waiting for the disk: a record may be lost with the power, and its SVID is then not renewed after its end. */
  recordIssued(issued: IssuedRecord): void
  /** What was issued under this serial, until `prune` forgets it. */
  findIssued(serial: string): IssuedRecord | undefined

  /**
   * When API keys were last used, by the IDs of their secrets; an earlier time than the one that is known changes nothing. Without
   * waiting for the disk, as `recordIssued`, and outside the revision.
   */
  recordApiKeyUses(uses: ReadonlyMap<string, number>): void
  /** Milliseconds since the Unix epoch. */
  apiKeyUses(): ReadonlyMap<string, number>

  sidecars(): readonly SidecarRecord[]
  forgetSidecar(spiffeId: SpiffeId, sidecarId: string): void
  /**
   * Forgets what is of no use any more: certificates that expired `keepExpiredMs` ago, tokens that ended a day ago, and the uses of
   * API keys that are no more.
   */
  prune(nowMs: number, keepExpiredMs: number): void
  close(): void
}
