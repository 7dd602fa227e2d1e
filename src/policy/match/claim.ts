import { isJsonObject, type JsonObject } from '../../identity/json.ts'
import { OutriderError } from '../../lib/errors.ts'
import type { Truth } from '../truth.ts'
import { matchesNoValue, matchesSomeValue, matchesValue, type ValueMatcher } from './value.ts'

/** Names of members, from the outermost. */
export type ClaimPath = readonly string[]

/** Most names in a path. */
export const MAX_CLAIM_DEPTH = 16

/**
 * Reads names with dots between them, and names in brackets and quotes (a JSON string), which may hold anything:
 * `realm_access.roles`, `["https://example.org/groups"].admin`. Throws an `OutriderError` with `claim-path-malformed`.
 */
export function parseClaimPath(text: string): ClaimPath {
  const path: string[] = []
  const part = /\.?([^.[\]"\s]+)|\.?\[("(?:[^"\\\u0000-\u001f]|\\.)*")\]/y
  while (part.lastIndex < text.length) {
    const at = part.lastIndex
    const match = part.exec(text)
    // A dot stands between two names, and only before brackets it may be left out.
    const dotted = match?.[0].startsWith('.') === true
    if (match === null || (at === 0 ? dotted : !dotted && match[1] !== undefined)) throw malformed(text)
    path.push(match[1] ?? unquoted(match[2]!, text))
  }
  if (path.length === 0) throw malformed(text)
  if (path.length > MAX_CLAIM_DEPTH)
    throw new OutriderError(
      'claim-path-malformed',
      `the path of a claim has at most ${MAX_CLAIM_DEPTH} names (MAX_CLAIM_DEPTH), not ${path.length}`,
    )
  return path
}

function unquoted(quoted: string, text: string): string {
  try {
    return String(JSON.parse(quoted))
  } catch {
    throw malformed(text)
  }
}

function malformed(text: string): OutriderError {
  return new OutriderError(
    'claim-path-malformed',
    `names with dots between them, those with other characters as ["name"]: ${JSON.stringify(text.slice(0, 100))}`,
  )
}

/** The value of a claim, or `undefined`. Members that a token did not name, such as `constructor`, are not there. */
export function claimOf(path: ClaimPath, claims: JsonObject): unknown {
  let value: unknown = claims
  for (const name of path) {
    if (!isJsonObject(value) || !Object.hasOwn(value, name)) return undefined
    value = value[name]
  }
  return value
}

/**
 * Whether a claim of one token matches; `claims` is absent when there is no token. Texts, numbers and booleans are compared as
 * texts. A list has the values of its entries, and `scope` those between its spaces (RFC 8693, section 4.2). What is no such value
 * (null, an object) is as good as absent.
 */
export function matchesClaim(path: ClaimPath, matcher: ValueMatcher, claims: JsonObject | undefined): Truth {
  const value = claims === undefined ? undefined : claimOf(path, claims)
  if (Array.isArray(value)) {
    const texts = value.map(textOf).filter((text) => text !== undefined)
    return matchesSomeValue(matcher, texts, texts.length === value.length)
  }
  const text = textOf(value)
  if (text === undefined) return matchesNoValue(matcher)
  if (path.length === 1 && path[0] === 'scope') return matchesSomeValue(matcher, text.split(' ').filter(Boolean), true)
  return matchesValue(matcher, text)
}

function textOf(value: unknown): string | undefined {
  if (typeof value === 'string') return value
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : undefined
}
