import { OutriderError } from '../lib/errors.ts'
import { quote } from './about.ts'
import { parseSpiffeId, type SpiffeId } from './spiffe-id.ts'

/** Matches one SPIFFE ID, every ID below a path, or those of which some segments may be anything. */
export type IdPattern =
  | { readonly kind: 'exact'; readonly id: SpiffeId }
  /** `prefix` ends with a slash, so that `/ns/a/*` never matches `/ns/ab`. */
  | { readonly kind: 'prefix'; readonly prefix: string }
  | IdGlob

export interface IdGlob {
  readonly kind: 'glob'
  /** What is around the stars, in turn: a star is between two of them and stands for one whole segment. */
  readonly literals: readonly string[]
  /** The last literal ends with a slash, and any number of segments, one at least, follow. */
  readonly below: boolean
}

/** A SPIFFE ID of which segments may be stars. */
export const idPatternForm: RegExp = /^spiffe:\/\/[a-z0-9._-]{1,255}(?:\/(?:\*|(?:\.{0,2}[\w-]|\.{3})[\w.-]*))*$/

/**
 * Reads a SPIFFE ID in which a star may stand for any segment of the path; as the last one it stands for everything below:
 * `spiffe://td/ns/x/*`, `spiffe://td/*`, `spiffe://td/ns/*\/sa/web`. Throws an `OutriderError` with `id-pattern-star` for a star
 * that is not a whole segment of the path, or with a code of `SpiffeIdErrorCode`.
 */
export function parseIdPattern(text: string): IdPattern {
  if (!text.includes('*')) return { kind: 'exact', id: parseSpiffeId(text) }
  const [scheme = '', empty, trustDomain = '', ...segments] = text.split('/')
  if (
    [scheme, empty, trustDomain].some((part) => part?.includes('*')) ||
    segments.some((segment) => segment.includes('*') && segment !== '*')
  )
    throw new OutriderError(
      'id-pattern-star',
      `a star stands for a whole segment of the path, never for a part of one or of the trust domain: ${quote(text)}`,
    )
  const below = segments.at(-1) === '*'
  // A letter shows whether the rest is an ID.
  const sample = parseSpiffeId(
    (below ? text.slice(0, -2) : text)
      .split('/')
      .map((segment) => (segment === '*' ? 'x' : segment))
      .join('/'),
  )
  const literals = (below ? text.slice(0, -1) : text).split('*')
  return literals.length === 1 ? { kind: 'prefix', prefix: `${sample}/` } : { kind: 'glob', literals, below }
}

export function matchesId(pattern: IdPattern, id: SpiffeId): boolean {
  if (pattern.kind === 'exact') return id === pattern.id
  if (pattern.kind === 'prefix') return id.startsWith(pattern.prefix)
  return matchesGlob(pattern, id)
}

function matchesGlob({ literals, below }: IdGlob, id: SpiffeId): boolean {
  let at = 0
  for (const [index, literal] of literals.entries()) {
    if (index > 0) {
      // Segments of an ID are not empty.
      const end = id.indexOf('/', at)
      at = end === -1 ? id.length : end
    }
    if (!id.startsWith(literal, at)) return false
    at += literal.length
  }
  return below ? at < id.length : at === id.length
}
