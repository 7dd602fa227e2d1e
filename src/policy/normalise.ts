/** Why a request path is refused. Refusals are values: the bytes come from a stranger. */
export type PathRefusal =
  /** Neither `/...` nor `*`. */
  | 'path-form'
  /** A control character, space, non-ASCII character or fragment, raw; or an encoded control character. */
  | 'path-character'
  /** `\` or `%5C`: a slash to some servers. */
  | 'path-backslash'
  /** `%2F`: a slash to some servers. */
  | 'path-encoded-slash'
  /** `%` without two hexadecimal digits. */
  | 'path-escape'
  /** Over-long UTF-8: another spelling of an ASCII character to lenient decoders (RFC 3629, section 3). */
  | 'path-overlong-utf8'
  /** `..` above the root. */
  | 'path-above-root'
  /** A dot segment with parameters (`..;x`): servers that cut parameters see `..`. */
  | 'path-dot-parameters'

export type NormalisedPath =
  /** `query` is empty or starts with `?`: `path + query` is what must be forwarded. */
  | { readonly ok: true; readonly path: string; readonly query: string }
  | { readonly ok: false; readonly code: PathRefusal }

const PLAIN = 0
const SLASH = 1
const DOT = 2
const ESCAPE = 3
const QUESTION = 4
const BACKSLASH = 5
const FORBIDDEN = 6

/** What each ASCII character means to the scan; everything above 0x7e is forbidden. */
const classes = new Uint8Array(128).map((_, code) => {
  if (code <= 0x20 || code === 0x7f || code === 0x23) return FORBIDDEN
  if (code === 0x2f) return SLASH
  if (code === 0x2e) return DOT
  if (code === 0x25) return ESCAPE
  if (code === 0x3f) return QUESTION
  return code === 0x5c ? BACKSLASH : PLAIN
})

/**
 * Brings the path of an origin-form request target to the one spelling that rules are matched with and that is
 * forwarded: unreserved characters decoded, escapes upper-case, dot segments removed, slashes merged (RFC 3986,
 * section 6.2.2). A target that is normal already comes back as the same string. Reserved characters stay as sent:
 * `%3A` and `:` are different paths.
 */
export function normalisePath(target: string): NormalisedPath {
  if (target.charCodeAt(0) !== 0x2f) return target === '*' ? { ok: true, path: '*', query: '' } : refuse('path-form')
  let normal = true
  let previous = PLAIN
  let end = 0
  for (; end < target.length; end += 1) {
    const code = target.charCodeAt(end)
    const kind = code < 128 ? classes[code]! : FORBIDDEN
    if (kind !== PLAIN) {
      if (kind === QUESTION) break
      if (kind === FORBIDDEN) return refuse('path-character')
      if (kind === BACKSLASH) return refuse('path-backslash')
      if (kind === ESCAPE || (previous === SLASH && (kind === SLASH || kind === DOT))) normal = false
    }
    previous = kind
  }
  for (let index = end; index < target.length; index += 1) {
    const code = target.charCodeAt(index)
    if (code >= 128 || classes[code] === FORBIDDEN) return refuse('path-character')
  }
  if (normal && end === target.length) return { ok: true, path: target, query: '' }
  const path = end === target.length ? target : target.slice(0, end)
  const query = target.slice(end)
  if (normal) return { ok: true, path, query }
  const decoded = decodeUnreserved(path)
  if (typeof decoded !== 'string') return decoded
  const flat = removeDotSegments(decoded)
  return typeof flat === 'string' ? { ok: true, path: flat, query } : flat
}

type Refused = Extract<NormalisedPath, { ok: false }>

function refuse(code: PathRefusal): Refused {
  return { ok: false, code }
}

/** RFC 3986, sections 6.2.2.1 and 6.2.2.2. */
function decodeUnreserved(path: string): string | Refused {
  if (!path.includes('%')) return path
  let out = ''
  let from = 0
  for (let at = path.indexOf('%'); at !== -1; at = path.indexOf('%', at + 3)) {
    const hex = path.slice(at + 1, at + 3)
    if (!/^[0-9A-Fa-f]{2}$/.test(hex)) return refuse('path-escape')
    const code = Number.parseInt(hex, 16)
    if (code === 0x2f) return refuse('path-encoded-slash')
    if (code === 0x5c) return refuse('path-backslash')
    if (code < 0x20 || code === 0x7f) return refuse('path-character')
    if (startsOverlong(path, at, code)) return refuse('path-overlong-utf8')
    const character = String.fromCharCode(code)
    out += path.slice(from, at) + (/[A-Za-z0-9._~-]/.test(character) ? character : `%${hex.toUpperCase()}`)
    from = at + 3
  }
  return out + path.slice(from)
}

/** Lead bytes whose sequence would spell a code point that a shorter sequence can spell. */
function startsOverlong(path: string, at: number, lead: number): boolean {
  if (lead !== 0xc0 && lead !== 0xc1 && lead !== 0xe0 && lead !== 0xf0) return false
  const next = /^%([0-9A-Fa-f]{2})/.exec(path.slice(at + 3, at + 6))?.[1]
  if (next === undefined) return false
  const continuation = Number.parseInt(next, 16)
  const firstShortest = lead === 0xe0 ? 0xa0 : lead === 0xf0 ? 0x90 : 0xc0
  return continuation >= 0x80 && continuation < firstShortest
}

/** RFC 3986, section 5.2.4, over merged slashes: `/a//../b` is `/b`, as for a file system. */
function removeDotSegments(path: string): string | Refused {
  const kept: string[] = []
  const segments = path.split('/')
  let directory = false
  for (let index = 1; index < segments.length; index += 1) {
    const segment = segments[index]!
    directory = segment === '' || segment === '.' || segment === '..'
    if (segment === '..') {
      if (kept.pop() === undefined) return refuse('path-above-root')
    } else if (!directory) {
      if (/^\.\.?;/.test(segment)) return refuse('path-dot-parameters')
      kept.push(segment)
    }
  }
  return `/${kept.join('/')}${directory && kept.length > 0 ? '/' : ''}`
}
