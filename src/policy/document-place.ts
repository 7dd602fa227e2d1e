import { type Document, isAlias, isMap, isNode, isScalar, isSeq, type Node, type YAMLMap } from 'yaml'
import type { DocumentText, Pointer } from './document-change.ts'

/** From where to where the value at a pointer stands, and where its key begins. */
export function locateValue(
  { document }: DocumentText,
  pointer: Pointer,
): { readonly keyStart: number; readonly end: number } | undefined {
  const pair = pairAt(document, pointer)
  const key = isNode(pair?.key) ? pair.key.range : undefined
  const value = isNode(pair?.value) ? pair.value.range : undefined
  return key && value ? { keyStart: key[0], end: value[1] } : undefined
}

export function childOf(node: Node, step: string | number): Node | null {
  if (isSeq(node)) {
    const item = node.items[Number(step)]
    return isNode(item) ? item : null
  }
  const value = isMap(node) ? pairOf(node, String(step))?.value : undefined
  return isNode(value) ? value : null
}

type PairOf = { readonly key: unknown; readonly value: unknown }

function pairOf(map: YAMLMap, key: string): PairOf | undefined {
  return map.items.find((pair) => isScalar(pair.key) && String(pair.key.value) === key)
}

function pairAt(document: Document.Parsed, pointer: Pointer): PairOf | undefined {
  let node: Node | null = document.contents
  for (const step of pointer.slice(0, -1)) {
    if (node !== null && isAlias(node)) node = node.resolve(document) ?? null
    if (node === null) return undefined
    node = childOf(node, step)
  }
  return isMap(node) ? pairOf(node, String(pointer.at(-1))) : undefined
}

export function nodeAt(document: Document.Parsed, pointer: Pointer): Node {
  let node: Node | null = document.contents
  for (const step of pointer) node = node === null ? null : childOf(node, step)
  if (node === null) throw new TypeError('a change was planned for a place that is not there')
  return node
}

/** Where a key or item of the document stands, or the nearest of its parents that is there. From 1. */
export function placeIn({ text, document }: DocumentText, pointer: Pointer): { line: number; column: number } {
  let node: Node | null = document.contents
  let offset = node?.range?.[0] ?? 0
  for (const step of pointer) {
    if (node !== null && isAlias(node)) node = node.resolve(document) ?? null
    const key: unknown = isMap(node) ? pairOf(node, String(step))?.key : undefined
    node = node === null ? null : childOf(node, step)
    if (node === null) break
    offset = (isNode(key) ? key.range?.[0] : undefined) ?? node.range?.[0] ?? offset
  }
  const before = text.slice(0, offset)
  const lineStart = before.lastIndexOf('\n') + 1
  return { line: before.split('\n').length, column: offset - lineStart + 1 }
}
