import { type Document, isAlias, isMap, isNode, isScalar, isSeq, LineCounter, type Node, parseAllDocuments } from 'yaml'

/** Most bytes of one file. */
export const MAX_TEXT_BYTES: number = 4 * 1024 * 1024
/** Most nodes that aliases may stand for: more is a bomb. */
const MAX_ALIASES = 100

export interface Place {
  /** From 1. */
  readonly line: number
  /** From 1. */
  readonly column: number
}

export interface ParsedDocument {
  readonly value: unknown
  /** Where a field path such as `spec.rules[0].from` stands, or else the nearest of its parents that is there. */
  locate(field: string): Place
}

export interface DocumentError extends Place {
  readonly file: string
  readonly code: 'document-too-large' | 'document-too-deep' | 'document-aliases' | 'document-malformed'
  readonly message: string
}

export interface ParsedDocuments {
  /** Without those that have errors or are empty. */
  readonly documents: readonly ParsedDocument[]
  readonly errors: readonly DocumentError[]
}

/**
 * Reads YAML 1.2 (or JSON) with any number of documents. Duplicate keys, unknown tags, aliases that multiply and texts
 * above 4 MiB are errors.
 */
export function parseDocuments(text: string, fileName: string): ParsedDocuments {
  const failure = (
    code: DocumentError['code'],
    message: string,
    place: Place = { line: 1, column: 1 },
  ): DocumentError => ({
    file: fileName,
    ...place,
    code,
    message,
  })
  const bytes = Buffer.byteLength(text)
  if (bytes > MAX_TEXT_BYTES) {
    const message = `${bytes} bytes; the limit is ${MAX_TEXT_BYTES}`
    return { documents: [], errors: [failure('document-too-large', message)] }
  }
  const lines = new LineCounter()
  const documents: ParsedDocument[] = []
  const errors: DocumentError[] = []
  let parsed: readonly Document.Parsed[]
  try {
    parsed = Array.from(parseAllDocuments(text, { lineCounter: lines, prettyErrors: false }))
  } catch (error) {
    // The parser recurses: a text that is nothing but open brackets ends on the stack's limit.
    if (!(error instanceof RangeError)) throw error
    return { documents: [], errors: [failure('document-too-deep', 'nested too deeply')] }
  }
  for (const document of parsed) {
    const problems = [...document.errors, ...document.warnings]
    for (const { pos, message } of problems) errors.push(failure('document-malformed', message, placeOf(lines, pos[0])))
    if (problems.length > 0 || document.contents === null) continue
    try {
      const value: unknown = document.toJS({ maxAliasCount: MAX_ALIASES })
      if (value !== null) documents.push({ value, locate: (field) => locate(document, lines, field) })
    } catch (error) {
      if (error instanceof RangeError) errors.push(failure('document-too-deep', 'nested too deeply'))
      else if (error instanceof ReferenceError)
        errors.push(failure('document-aliases', error.message, placeOf(lines, document.range[0])))
      else throw error
    }
  }
  return { documents, errors }
}

function placeOf(lines: LineCounter, offset: number): Place {
  const { line, col } = lines.linePos(offset)
  return { line: Math.max(1, line), column: Math.max(1, col) }
}

/** Follows the field path as far as it goes; the place of a field is that of its key. */
function locate(document: Document.Parsed, lines: LineCounter, field: string): Place {
  let node: Node | null = document.contents
  let offset = document.contents?.range?.[0] ?? 0
  for (const [, index, key] of field.matchAll(/\[([0-9]+)\]|([^.[\]]+)/g)) {
    if (isAlias(node)) node = node.resolve(document) ?? null
    if (index !== undefined) {
      const item = isSeq(node) ? node.items[Number(index)] : undefined
      if (!isNode(item)) break
      node = item
      offset = item.range?.[0] ?? offset
    } else {
      const pair = isMap(node)
        ? node.items.find((item) => isScalar(item.key) && String(item.key.value) === key)
        : undefined
      if (pair === undefined || !isScalar(pair.key)) break
      offset = pair.key.range?.[0] ?? offset
      node = isNode(pair.value) ? pair.value : null
    }
  }
  return placeOf(lines, offset)
}
