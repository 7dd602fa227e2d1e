import { OutriderError } from '../../lib/errors.ts'
import { unreachable } from '../../lib/unreachable.ts'
import { normalisePath } from '../normalise.ts'

/** What a path pattern of a rule means. `matchesPath` is its definition; `PathIndex` is the fast form of many. */
export type PathPattern =
  | { readonly kind: 'exact'; readonly path: string }
  | { readonly kind: 'prefix'; readonly prefix: string }
  /** Segments before a `{**}`, or all; `tail` is the text after the `{**}`, absent when there is none. */
  | { readonly kind: 'template'; readonly segments: readonly TemplateSegment[]; readonly tail: string | undefined }

/** A literal, or `undefined` for `{*}`: exactly one segment that is not empty. */
export type TemplateSegment = string | undefined

/** How a path begins. What follows is up to the normalisation. */
export const pathForm: RegExp = /^(?:\/|\*$)/

const ONE = '{*}'
const ANY = '{**}'

/**
 * Reads `/exact`, `/prefix*`, or a template of segments with `{*}` (one segment) and at most one `{**}` (any number of
 * segments, also none) as the last operator. Throws an `OutriderError`.
 */
export function parsePath(text: string): PathPattern {
  if (text === '*') return { kind: 'prefix', prefix: '' }
  if (!pathForm.test(text))
    throw new OutriderError('path-pattern-form', `a path starts with a slash or is a single star: ${quote(text)}`)
  if (/[{}]/.test(text)) return parseTemplate(text)
  const star = text.indexOf('*')
  if (star === -1) {
    requireNormal(text, text)
    return { kind: 'exact', path: text }
  }
  if (star !== text.length - 1)
    throw new OutriderError(
      'path-pattern-star',
      `a star stands at the end only; for one segment write {*}, for any number {**}: ${quote(text)}`,
    )
  // What follows the prefix is not known yet: a letter shows whether it is normal as the start of a longer path.
  requireNormal(`${text.slice(0, -1)}x`, text)
  return { kind: 'prefix', prefix: text.slice(0, -1) }
}

function parseTemplate(text: string): PathPattern {
  const segments = text.slice(1).split('/')
  const isOperator = (segment: string): boolean => segment === ONE || segment === ANY
  const odd = segments.find((segment) => /[{}*]/.test(segment) && !isOperator(segment))
  if (odd !== undefined)
    throw new OutriderError(
      'path-pattern-operator',
      `{*} and {**} stand for whole segments and nothing else is in braces: ${quote(odd)} in ${quote(text)}`,
    )
  requireNormal(`/${segments.map((segment) => (isOperator(segment) ? 'x' : segment)).join('/')}`, text)
  const any = segments.indexOf(ANY)
  const tail = any === -1 ? undefined : segments.slice(any + 1)
  if (tail?.some(isOperator) === true)
    throw new OutriderError('path-pattern-order', `{**} occurs once and after every {*}: ${quote(text)}`)
  return {
    kind: 'template',
    segments: segments
      .slice(0, any === -1 ? segments.length : any)
      .map((segment) => (segment === ONE ? undefined : segment)),
    tail: tail?.map((segment) => `/${segment}`).join(''),
  }
}

/** Requests are normalised before rules see them, so that a pattern in another spelling would never match. */
function requireNormal(sample: string, text: string): void {
  const normal = normalisePath(sample)
  if (!normal.ok || normal.path !== sample)
    throw new OutriderError(
      'path-pattern-not-normal',
      `no request path looks like ${quote(text)} after normalisation ` +
        `(no query, dot segments, double slashes, or escaped letters; escapes in upper case)`,
    )
}

export function matchesPath(pattern: PathPattern, path: string): boolean {
  switch (pattern.kind) {
    case 'exact':
      return path === pattern.path
    case 'prefix':
      return path.startsWith(pattern.prefix)
    case 'template': {
      if (path.charCodeAt(0) !== 0x2f) return false
      let at = 0
      for (const segment of pattern.segments) {
        const end = segmentEnd(path, at)
        if (end === at || (segment === undefined ? end === at + 1 : path.slice(at + 1, end) !== segment)) return false
        at = end
      }
      return pattern.tail === undefined ? at === path.length : matchesTail(pattern.tail, path, at)
    }
    default:
      return unreachable(pattern)
  }
}

/** End of the segment whose slash is at `at`; `at` itself when there is no segment. */
export function segmentEnd(path: string, at: number): number {
  if (path.charCodeAt(at) !== 0x2f) return at
  const next = path.indexOf('/', at + 1)
  return next === -1 ? path.length : next
}

/** Is `path` from `at`, the end or a slash, any number of segments and then `tail`? */
export function matchesTail(tail: string, path: string, at: number): boolean {
  return path.length - at >= tail.length && path.endsWith(tail)
}

function quote(text: string): string {
  return JSON.stringify(text.length > 100 ? `${text.slice(0, 100)}...` : text)
}
