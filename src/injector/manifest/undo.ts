import { createHash } from 'node:crypto'
import { inOrder, type TextEdit } from '../../policy/document-change.ts'
import { isFields, itemsOf } from '../pod.ts'

/**
 * How the text of a manifest becomes again what it was. Places are counted from that of the annotation which holds this, so
 * that they hold while the text around the pod changes.
 */
export interface Undo {
  /** Of the annotation: what of its edit is before its key and behind its value, and what was there. */
  readonly own: readonly [before: number, behind: number, was: string]
  /** The last edits first. */
  readonly layers: readonly (readonly UndoneEdit[])[]
  /** From where to where the text is then as it was, and the start of its SHA-256. */
  readonly span: readonly [from: number, to: number, digest: string]
}

/** `at` is counted from the place of the annotation. */
type UndoneEdit = readonly [at: number, length: number, was: string]

/** Edits of one text that were made together. */
export interface Layer {
  readonly text: string
  readonly edits: readonly TextEdit[]
}

interface Marked {
  readonly text: string
  /** Where the annotation is, or would be. */
  readonly at: number
}

const DIGEST_LENGTH = 16

/**
 * `layers`: the first edits first. `own` is the edit of the last layer that brings the annotation, with `before` and `behind` its
 * key and value. `range`: what of the first text the pod is.
 */
export function recordUndo(
  layers: readonly Layer[],
  own: TextEdit,
  [before, behind]: readonly [number, number],
  range: readonly [number, number],
): Undo {
  const first = layers[0]!
  const last = layers.at(-1)!
  const was = last.text.slice(own.start, own.end)
  const others: Layer = { text: last.text, edits: last.edits.filter((edit) => edit !== own) }
  // With the annotation undone and all else still made.
  const made = positionsOf(last, own)
  let marked: Marked = { text: made.text, at: made.at }
  const undone: UndoneEdit[][] = []
  for (const layer of [others, ...layers.slice(0, -1).toReversed()]) {
    const entries = (layer === others ? made.entries : positionsOf(layer).entries).map(
      ([start, length, text]): UndoneEdit => [start - marked.at, length, text],
    )
    undone.push(entries)
    marked = revertLayer(marked, entries)!
  }
  const from = Math.min(range[0], ...first.edits.map(({ start }) => start))
  const to = Math.max(range[1], ...first.edits.map(({ end }) => end))
  const digest = digestOf(first.text.slice(from, to))
  return { own: [before, behind, was], layers: undone, span: [from - marked.at, to - marked.at, digest] }
}

/** Where the edits of a layer are in its result, when `own` is left out of it. */
function positionsOf({ text, edits }: Layer, own?: TextEdit): Marked & { readonly entries: readonly UndoneEdit[] } {
  const entries: UndoneEdit[] = []
  let result = ''
  let read = 0
  let at = 0
  for (const edit of inOrder(edits)) {
    result += text.slice(read, edit.start)
    const was = text.slice(edit.start, edit.end)
    if (edit === own) at = result.length
    else entries.push([result.length, edit.text.length, was])
    result += edit === own ? was : edit.text
    read = edit.end
  }
  return { text: result + text.slice(read), at, entries }
}

/** The text before injection; undefined where the pod is not as it was injected. `key`: where the annotation stands now. */
export function revert(
  text: string,
  { own: [before, behind, was], layers, span: [from, to, digest] }: Undo,
  key: { readonly keyStart: number; readonly end: number },
): string | undefined {
  const start = key.keyStart - before
  const end = key.end + behind
  if (start < 0 || end > text.length) return undefined
  let marked: Marked | undefined = { text: text.slice(0, start) + was + text.slice(end), at: start }
  for (const layer of layers) marked = marked && revertLayer(marked, layer)
  if (marked === undefined || marked.at + from < 0) return undefined
  const restored = marked.text.slice(marked.at + from, marked.at + to)
  return digestOf(restored) === digest ? marked.text : undefined
}

function revertLayer({ text, at }: Marked, entries: readonly UndoneEdit[]): Marked | undefined {
  let result = text
  let next = at
  let end = text.length
  for (const [offset, length, was] of entries.toSorted((a, b) => b[0] - a[0])) {
    const start = at + offset
    if (start < 0 || start + length > end) return undefined
    end = start
    result = result.slice(0, start) + was + result.slice(start + length)
    if (start + length <= at) next -= length - was.length
    else if (start <= at) next -= at - start
  }
  return { text: result, at: next }
}

/** Reads what an annotation says; undefined when it is no such thing. */
export function readUndo(value: unknown): Undo | undefined {
  if (!isFields(value)) return undefined
  const [before, behind, was] = itemsOf(value['own'])
  const [from, to, digest] = itemsOf(value['span'])
  const layers = itemsOf(value['layers']).map((layer) =>
    itemsOf(layer).flatMap((entry): UndoneEdit[] => {
      const [at, length, text] = itemsOf(entry)
      return isCount(at) && isCount(length) && length >= 0 && typeof text === 'string' ? [[at, length, text]] : []
    }),
  )
  if (!isCount(before) || !isCount(behind) || typeof was !== 'string') return undefined
  if (!isCount(from) || !isCount(to) || typeof digest !== 'string') return undefined
  return { own: [before, behind, was], layers, span: [from, to, digest] }
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value)
}

function digestOf(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, DIGEST_LENGTH)
}
