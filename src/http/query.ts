/** A query as it stands in a request target, without the question mark, as pairs of what is between two `&`. */
function pieces(query: string): readonly string[] {
  return query === '' ? [] : query.split('&')
}

/** The name of a parameter as applications read it (WHATWG URL, `application/x-www-form-urlencoded`). */
function nameOf(piece: string): string {
  const [name = ''] = piece.split('=', 1)
  const spaced = name.replaceAll('+', ' ')
  try {
    return decodeURIComponent(spaced)
  } catch {
    return spaced
  }
}

/**
 * `target` (path and query) with parameters taken away and others set, which then are there once, at the end. Everything else stays as
 * it is spelled.
 */
export function changeQuery(
  target: string,
  removed: readonly string[],
  set: readonly { readonly key: string; readonly value: string }[],
): string {
  if (removed.length === 0 && set.length === 0) return target
  const at = target.indexOf('?')
  const [path, query] = at < 0 ? [target, ''] : [target.slice(0, at), target.slice(at + 1)]
  const gone = new Set([...removed, ...set.map(({ key }) => key)])
  const kept = pieces(query).filter((piece) => !gone.has(nameOf(piece)))
  // Of several that set one parameter the last counts.
  const last = new Map(set.map(({ key, value }) => [key, value]))
  const added = [...last].map(([key, value]) => `${encodeURIComponent(key)}=${encodeURIComponent(value)}`)
  const all = [...kept, ...added].join('&')
  return all === '' ? path : `${path}?${all}`
}
