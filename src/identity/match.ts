import { OutriderError } from '../lib/errors.ts'
import { parseSpiffeId, type SpiffeId } from './spiffe-id.ts'

/** Matches one SPIFFE ID, or every ID below a path. */
export type IdPattern =
  | { readonly kind: 'exact'; readonly id: SpiffeId }
  /** `prefix` ends with a slash, so that `/ns/a/*` never matches `/ns/ab`. */
  | { readonly kind: 'prefix'; readonly prefix: string }

/**
 * Reads a SPIFFE ID, or one whose last segment is a star: `spiffe://td/ns/x/*`, `spiffe://td/*`. Throws an
 * `OutriderError` with `id-pattern-star` for a star elsewhere, or with a code of `SpiffeIdErrorCode`.
 */
export function parseIdPattern(text: string): IdPattern {
  const star = text.indexOf('*')
  if (star === -1) return { kind: 'exact', id: parseSpiffeId(text) }
  if (star !== text.length - 1 || !text.endsWith('/*'))
    throw new OutriderError(
      'id-pattern-star',
      `a star stands for whole segments, at the end after a slash: ${JSON.stringify(text.slice(0, 100))}`,
    )
  return { kind: 'prefix', prefix: `${parseSpiffeId(text.slice(0, -2))}/` }
}

export function matchesId(pattern: IdPattern, id: SpiffeId): boolean {
  return pattern.kind === 'exact' ? id === pattern.id : id.startsWith(pattern.prefix)
}
