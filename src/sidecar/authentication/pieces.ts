/*
 * Cookies and query parameters in pieces: what is looked for and what is cut out are the same pieces, and all others stay as they
 * were, byte for byte.
 */

/** Of a Cookie field: what stands between its semicolons. */
export function cookiePieces(value: string): readonly string[] {
  return value.split(';')
}

export function cookieName(piece: string): string {
  const end = piece.indexOf('=')
  return (end < 0 ? piece : piece.slice(0, end)).trim()
}

/** A Cookie field without the cookies of these names; empty when none is left. */
export function withoutCookies(value: string, names: ReadonlySet<string>): string {
  return cookiePieces(value)
    .filter((piece) => !names.has(cookieName(piece)))
    .join(';')
    .trim()
}

/** Of a query without its question mark. A semicolon parts parameters for some readers. */
export function queryPieces(query: string): readonly string[] {
  return query.split(/[&;]/)
}

/** As an application reads it: `access%5Ftoken` is `access_token`. */
export function parameterName(piece: string): string {
  const end = piece.indexOf('=')
  const name = (end < 0 ? piece : piece.slice(0, end)).replaceAll('+', ' ')
  try {
    return decodeURIComponent(name)
  } catch {
    return name
  }
}

/** A query, with its question mark, without the parameters of these names; empty when none is left. */
export function withoutParameters(query: string, names: ReadonlySet<string>): string {
  let kept = ''
  // Pieces, and the separators between them, in turn.
  const parts = query.slice(1).split(/([&;])/)
  for (let index = 0; index < parts.length; index += 2) {
    const piece = parts[index]!
    if (names.has(parameterName(piece))) continue
    kept += (kept === '' ? '?' : parts[index - 1]!) + piece
  }
  return kept
}
