import { hash } from 'node:crypto'
import type { ResolvedResource } from '../../policy/model.ts'

/** Marks a digest: above every revision that a store comes to, so that no overlay has the version of a stored resource. */
const DIGEST = 2 ** 52

/**
 * The version of a resource on the wire: the same content has the same version in every control server, whatever the order in which it
 * came to be there. 52 bits of SHA-256, of JSON with sorted keys; an integer that JavaScript and `uint64` both hold exactly.
 */
export function versionOf(resource: ResolvedResource): number {
  const digest = hash('sha256', canonicalJson(resource), 'hex')
  return DIGEST + Number.parseInt(digest.slice(0, 13), 16)
}

/** Of plain values: RFC 8785 but for the order of keys beyond ASCII, which resources do not have. */
function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_, part: unknown) =>
    typeof part === 'object' && part !== null && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  )
}
