import {
  type Document,
  isAlias,
  isMap,
  isNode,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseAllDocuments,
  visit,
} from 'yaml'

/** Most bytes of one file. */
export const MAX_TEXT_BYTES: number = 4 * 1024 * 1024
/** Most nodes that aliases may stand for: more is a bomb. */
export const MAX_ALIASES = 100
/** A file of another kind should not print a book. */
const MAX_ERRORS = 100

export interface Place {
  /** From 1. */
  readonly line: number
  /** From 1. */
  readonly column: number
}

export interface ParsedDocument {
  readonly value: unknown
  /** Where a field path such as `spec.rules[0].from` stands, or else the nearest of its parents that is there. */
  readonly locate: (field: string) => Place
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
  const lines = new LineCounter()
  const errors: DocumentError[] = []
  const report = (code: DocumentError['code'], message: string, offset: number): void => {
    if (errors.length < MAX_ERRORS) errors.push({ file: fileName, ...placeOf(lines, offset), code, message })
  }
  const bytes = Buffer.byteLength(text)
  if (bytes > MAX_TEXT_BYTES) {
    report('document-too-large', `${bytes} bytes; the limit is ${MAX_TEXT_BYTES}`, 0)
    return { documents: [], errors }
  }
  // The library's own check for unique keys compares each key with all others: 50 000 keys take it a minute.
  const parsed = Array.from(parseAllDocuments(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: false }))
  const documents = parsed.flatMap((document): ParsedDocument[] => {
    try {
      const problems = problemsOf(document)
      for (const { code, message, offset } of problems) {
        report(code === 'RESOURCE_EXHAUSTION' ? 'document-too-deep' : 'document-malformed', message, offset)
      }
      if (problems.length > 0) return []
      const value: unknown = document.toJS({ maxAliasCount: MAX_ALIASES })
      return value === null ? [] : [{ value, locate: (field) => locate(document, lines, field) }]
    } catch (error) {
      if (error instanceof RangeError) report('document-too-deep', 'nested too deeply', document.range[0])
      else if (error instanceof ReferenceError) report('document-aliases', error.message, document.range[0])
      else throw error
      return []
    }
  })
  return { documents, errors }
}

export interface DocumentProblem {
  readonly code: string
  readonly message: string
  readonly offset: number
}

/** What is wrong with a document as a whole: syntax, keys that are no text, keys that are there twice. */
export function problemsOf(document: Document.Parsed): readonly DocumentProblem[] {
  const found = [...document.errors, ...document.warnings]
  if (found.length > 0) return found.map(({ code, message, pos }) => ({ code, message, offset: pos[0] }))
  const problems: DocumentProblem[] = []
  visit(document, {
    Map(_, { items }) {
      const seen = new Set<unknown>()
      for (const { key } of items) {
        const offset = (isNode(key) ? key.range?.[0] : undefined) ?? 0
        if (!isScalar(key)) problems.push({ code: 'KEY', message: 'a key is a plain text', offset })
        else if (seen.has(key.value))
          problems.push({ code: 'KEY', message: `the key ${JSON.stringify(key.value)} is there twice`, offset })
        else seen.add(key.value)
      }
    },
  })
  return problems
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
