import { matchesHost, parseHostPattern } from '../match/host.ts'
import { matchesIpBlock, parseIpBlock } from '../match/ip.ts'
import { matchesPath, parsePath, type PathPattern, type TemplateSegment } from '../match/path.ts'

/*
 * Does one pattern match everything that another one matches? Every answer "yes" is proven; "no" may also mean that it is not
 * seen. So a finding that rests on them is true, and a rule without a finding is not praised.
 */

/** Both as in `ValueMatch.values`. */
export function coversValue(wide: string, narrow: string): boolean {
  if (wide === '*' || wide === narrow) return true
  if (wide.startsWith('*')) {
    const suffix = wide.slice(1)
    return !narrow.endsWith('*') && (narrow.startsWith('*') ? narrow.slice(1) : narrow).endsWith(suffix)
  }
  if (!wide.endsWith('*') || narrow.startsWith('*')) return false
  const prefix = wide.slice(0, -1)
  return (narrow.endsWith('*') ? narrow.slice(0, -1) : narrow).startsWith(prefix)
}

/** Both as in `SourceMatch.spiffeIds`: a star in the middle is one segment, one at the end any number from 1. */
export function coversId(wide: string, narrow: string): boolean {
  if (!wide.includes('*')) return wide === narrow
  const [w, n] = [wide.split('/'), narrow.split('/')]
  for (const [index, segment] of w.entries()) {
    const other = n[index]
    if (other === undefined) return false
    if (segment === '*') {
      if (index === w.length - 1) return true
      if (other === '*' && index === n.length - 1) return false
    } else if (segment !== other) return false
  }
  return w.length === n.length
}

/** Both as in `OperationMatch.hosts`. */
export function coversHost(wide: string, narrow: string): boolean {
  if (wide === narrow) return true
  const pattern = parseHostPattern(wide)
  if (!narrow.startsWith('*.')) return matchesHost(pattern, narrow)
  return pattern.kind === 'suffix' && narrow.slice(1).endsWith(pattern.suffix)
}

/** Both as in `SourceMatch.ipBlocks`. */
export function coversIpBlock(wide: string, narrow: string): boolean {
  const [w, n] = [parseIpBlock(wide), parseIpBlock(narrow)]
  return n.bits >= w.bits && matchesIpBlock(w, n.address)
}

/** Both as in `SourceMatch.requestPrincipals`. */
export function coversRequestPrincipal(wide: string, narrow: string): boolean {
  // Only the text: which part of `issuer/subject` is the issuer it does not say.
  return wide === '*' || wide === narrow
}

/** Both as in `OperationMatch.grpcMethods`. */
export function coversGrpcMethod(wide: string, narrow: string): boolean {
  return wide === narrow || (wide.endsWith('/*') && narrow.startsWith(wide.slice(0, -1)))
}

/** Both as in `OperationMatch.paths`. */
export function coversPath(wide: string, narrow: string): boolean {
  if (wide === narrow) return true
  const operator = wide.search(/[*{]/)
  // Most pairs end here, without being taken apart: what is literal in the wide one begins the narrow one, but for a last slash.
  if (operator === -1 || !narrow.startsWith(wide.slice(0, operator).replace(/\/$/, ''))) return false
  return covers(parsePath(wide), parsePath(narrow))
}

function covers(wide: PathPattern, narrow: PathPattern): boolean {
  if (wide.kind === 'prefix' && wide.prefix === '') return true
  if (narrow.kind === 'exact') return matchesPath(wide, narrow.path)
  if (wide.kind === 'exact') return false
  if (wide.kind === 'prefix') {
    const beginning = narrow.kind === 'prefix' ? narrow.prefix : literalBeginning(narrow)
    return beginning.startsWith(wide.prefix)
  }
  return narrow.kind === 'prefix' ? coversPrefix(wide, narrow.prefix) : coversTemplate(wide, narrow)
}

type Template = Extract<PathPattern, { kind: 'template' }>

/** What every path of a template begins with. */
function literalBeginning({ segments }: Template): string {
  const operator = segments.indexOf(undefined)
  const literals = segments.slice(0, operator === -1 ? segments.length : operator)
  const text = literals.map((segment) => `/${segment}`).join('')
  // A `{*}` comes after a slash; after a `{**}` there may be nothing.
  return operator === -1 ? text : `${text}/`
}

/** Only a template that ends with `{**}` covers a prefix, and one that ends within a segment only by the segments before it. */
function coversPrefix({ segments, tail }: Template, prefix: string): boolean {
  if (tail !== '' || !prefix.startsWith('/')) return false
  const whole = prefix.slice(1).split('/').slice(0, -1)
  return whole.length >= segments.length && segments.every((segment, index) => coversSegment(segment, whole[index]))
}

function coversTemplate(wide: Template, narrow: Template): boolean {
  const beginsSo = wide.segments.every((segment, index) => {
    const other = narrow.segments[index]
    return (
      index < narrow.segments.length && (other === undefined ? segment === undefined : coversSegment(segment, other))
    )
  })
  if (!beginsSo) return false
  if (wide.tail === undefined) return narrow.tail === undefined && wide.segments.length === narrow.segments.length
  return wide.tail === '' || wide.tail === narrow.tail
}

function coversSegment(wide: TemplateSegment, narrow: string | undefined): boolean {
  return wide === undefined ? narrow !== undefined && narrow !== '' : wide === narrow
}
