import { timingSafeEqual } from 'node:crypto'
import { type ApiKeyParts, hashApiKeySecret } from '../identity/api-key.ts'
import type { ApiKeyIdentity } from './decision.ts'
import type { ApiKey } from './model.ts'

interface CompiledSecret {
  readonly salt: Buffer
  readonly hash: Buffer
  readonly identity: ApiKeyIdentity
}

/** The secrets of all API keys that a workload accepts, by their IDs. */
export type ApiKeyTable = ReadonlyMap<string, CompiledSecret>

export type ApiKeyVerdict =
  | { readonly kind: 'good'; readonly identity: ApiKeyIdentity }
  /** No such ID, or another secret: nobody is told which. */
  | { readonly kind: 'unknown' }
  /** Whoever shows it has the secret, and it was good once. */
  | { readonly kind: 'expired'; readonly id: string }

/** The two steps that look at a secret; what they are in production. */
export interface SecretWork {
  readonly hash: (salt: Uint8Array, secret: Uint8Array) => Buffer
  /** Takes the same time wherever the two differ. */
  readonly equal: (a: Uint8Array, b: Uint8Array) => boolean
}

const production: SecretWork = { hash: hashApiKeySecret, equal: timingSafeEqual }

/** Stands for what there is not: equal to no hash that a caller could bring about. */
const nobody: Pick<CompiledSecret, 'salt' | 'hash'> = { salt: Buffer.alloc(16), hash: Buffer.alloc(32) }

/** An ID that two keys claim is good for neither: the holder of one would pass for the owner of the other. */
export function compileApiKeys(keys: readonly ApiKey[]): ApiKeyTable {
  const table = new Map<string, CompiledSecret>()
  const claimed = new Set<string>()
  for (const { spec } of keys) {
    for (const { id, salt, hash, notAfterMs = Number.POSITIVE_INFINITY } of spec.secrets) {
      if (claimed.has(id)) {
        table.delete(id)
        continue
      }
      claimed.add(id)
      table.set(id, {
        salt: Buffer.from(salt, 'base64url'),
        hash: Buffer.from(hash, 'hex'),
        identity: { id, owner: spec.owner, scopes: spec.scopes, expiresAtMs: notAfterMs },
      })
    }
  }
  return table
}

/**
 * Whose key it is. It costs one hash and one comparison whatever comes of it, so that the time of an answer does not say which IDs
 * there are.
 */
export function verifyApiKey(
  table: ApiKeyTable,
  { id, secret }: ApiKeyParts,
  nowMs: number,
  work: SecretWork = production,
): ApiKeyVerdict {
  const known = table.get(id)
  const { salt, hash } = known ?? nobody
  const same = work.equal(work.hash(salt, secret), hash)
  if (!same || known === undefined) return { kind: 'unknown' }
  const { identity } = known
  return nowMs < identity.expiresAtMs ? { kind: 'good', identity } : { kind: 'expired', id: identity.id }
}
