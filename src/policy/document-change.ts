import type { Document } from 'yaml'

/** Where a value is in a document: keys of mappings, indices of lists. */
export type Pointer = readonly (string | number)[]

/** A change of a document's value. Those that are planned together touch different places. */
export type DocumentChange =
  /** A key that the mapping does not have. The mapping is there, or null. */
  | { readonly op: 'put'; readonly map: Pointer; readonly key: string; readonly value: unknown }
  /** Items before all others of a list that is there, or null. */
  | { readonly op: 'prepend'; readonly list: Pointer; readonly values: readonly unknown[] }
  /** Another value in place of the one that is there. */
  | { readonly op: 'replace'; readonly at: Pointer; readonly value: unknown }

/** `text` in place of what is from `start` to before `end`; offsets in UTF-16 code units. */
export interface TextEdit {
  readonly start: number
  readonly end: number
  readonly text: string
}

/** The text with edits of it made. Insertions at one place keep their order. */
export function applyEdits(text: string, edits: readonly TextEdit[]): string {
  let result = ''
  let at = 0
  for (const edit of inOrder(edits)) {
    result += text.slice(at, edit.start) + edit.text
    at = edit.end
  }
  return result + text.slice(at)
}

export function inOrder(edits: readonly TextEdit[]): TextEdit[] {
  return edits.toSorted((a, b) => a.start - b.start || a.end - b.end)
}

export interface DocumentText {
  readonly text: string
  readonly document: Document.Parsed
  /** With aliases and merge keys (`<<`, YAML 1.1) resolved, as Kubernetes reads them. */
  readonly value: unknown
}
