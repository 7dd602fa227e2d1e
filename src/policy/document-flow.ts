import {
  type Alias,
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  type Node,
  type ParsedNode,
  Scalar,
  type YAMLMap,
} from 'yaml'
import type { TextEdit } from './document-change.ts'

/** Writes a node out: an alias as what it stands for, a mapping with merge keys as what comes of it. In flow style, which fits everywhere. */
export function expansion(text: string, document: Document.Parsed, node: Node): TextEdit {
  const { start, end } = extentOf(text, node)
  if (isAlias(node)) return { start, end, text: flow(document, node, false) }
  // What is before the node, its own name too, stays.
  return { start, end, text: flow(document, node, true).slice(properties(node, true).length) }
}

/** `anchors`: keeps the names that are given inside, which others may use. */
function flow(document: Document.Parsed, node: unknown, anchors: boolean): string {
  if (isAlias(node)) return flow(document, resolved(node, document), false)
  if (isScalar(node)) return properties(node, anchors) + scalar(node)
  if (isSeq(node)) {
    const items = node.items.map((item) => flow(document, item, anchors))
    return `${properties(node, anchors)}[${items.join(', ')}]`
  }
  if (isMap(node)) {
    const pairs = [...merged(document, node)].map(([key, value]) => {
      const inside = flow(document, value.node, anchors && value.own)
      return `${JSON.stringify(key)}: ${inside}`
    })
    return `${properties(node, anchors)}{${pairs.join(', ')}}`
  }
  return 'null'
}

function resolved(alias: Alias, document: Document.Parsed): unknown {
  return alias.resolve(document) ?? null
}

/** The name is that of a node inside what is written out; that of the outermost stands before it and stays. */
function properties(node: ParsedNode | Node, anchors: boolean): string {
  if (!anchors || isAlias(node) || !('anchor' in node) || node.anchor === undefined) return ''
  return `&${node.anchor} `
}

/** As it was written where that reads the same: what YAML 1.1 and 1.2 take for different numbers stays what it was. */
function scalar({ source, type, value }: Scalar): string {
  if (type === Scalar.PLAIN && source !== undefined && typeof value !== 'string') return source === '' ? 'null' : source
  if (type === Scalar.PLAIN && source !== undefined && /^[\w./-]+$/.test(source)) return source
  return value === null || value === undefined ? 'null' : JSON.stringify(value)
}

interface Member {
  readonly node: unknown
  readonly own: boolean
}

/** Keys of a mapping with those that it merges; its own win, then the first that is merged (YAML merge key type). */
function merged(document: Document.Parsed, map: YAMLMap): ReadonlyMap<string, Member> {
  const members = new Map<string, Member>()
  for (const { key, value } of map.items) {
    if (isScalar(key) && !isMergeKey(key)) members.set(String(key.value), { node: value, own: true })
  }
  for (const { key, value } of map.items) {
    if (!isScalar(key) || !isMergeKey(key)) continue
    for (const source of isSeq(value) ? value.items : [value]) {
      const from = isAlias(source) ? resolved(source, document) : source
      if (!isMap(from)) continue
      for (const [name, { node }] of merged(document, from)) {
        if (!members.has(name)) members.set(name, { node, own: false })
      }
    }
  }
  return members
}

export function isMergeKey({ value, type }: Scalar): boolean {
  return value === '<<' ? type === undefined || type === 'PLAIN' : typeof value === 'symbol'
}

export function extent(node: Node): readonly [start: number, end: number] {
  const { range } = node
  if (!range) throw new TypeError('a node that was read has a place')
  return [range[0], range[1]]
}

/** Without the white space that ends a block. */
export function extentOf(text: string, node: Node): { readonly start: number; readonly end: number } {
  const [start, end] = extent(node)
  return { start, end: start + text.slice(start, end).trimEnd().length }
}
