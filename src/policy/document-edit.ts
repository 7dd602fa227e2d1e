import {
  type Document,
  isAlias,
  isMap,
  isNode,
  isPair,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseAllDocuments,
  stringify,
  visit,
  type YAMLMap,
  type YAMLSeq,
} from 'yaml'
import { describeError, OutriderError } from '../lib/errors.ts'
import type { DocumentChange, DocumentText, Pointer, TextEdit } from './document-change.ts'
import { childOf, nodeAt } from './document-place.ts'
import { expansion, extent, extentOf, isMergeKey } from './document-flow.ts'
import { MAX_ALIASES, problemsOf } from './document.ts'

/** Fault of a text that cannot be read. */
export interface DocumentFault {
  readonly line: number
  readonly column: number
  readonly message: string
}

const MARKER = /^---(?=[ \t\r\n]|$)/gm

/**
 * The pieces of a text with one document each, which together are the text. A line that begins with `---` ends a document
 * wherever it stands (YAML 1.2, 9.1.2), so that nothing needs to be parsed to find it.
 */
export function splitDocuments(text: string): string[] {
  // Directives belong to the document after them: rare enough to be left in one piece.
  if (/^%/m.test(text)) return [text]
  const starts = [...text.matchAll(MARKER)].map(({ index }) => index)
  const bounds = [0, ...starts.filter((start) => start > 0), text.length]
  return bounds.slice(1).map((end, index) => text.slice(bounds[index], end))
}

/** Reads a piece with one document. Undefined when there is nothing in it. */
export function openDocument(text: string): DocumentText | readonly DocumentFault[] | undefined {
  const lines = new LineCounter()
  const fault = (message: string, offset: number): DocumentFault => {
    const { line, col } = lines.linePos(offset)
    return { line: Math.max(1, line), column: Math.max(1, col), message }
  }
  const parsed = Array.from(
    parseAllDocuments(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: false, merge: true }),
  )
  const filled = parsed.filter(({ contents }) => contents !== null)
  const problems = parsed.flatMap((document) => problemsOf(document))
  if (problems.length > 0) return problems.map(({ message, offset }) => fault(message, offset))
  const [document, second] = filled
  if (second !== undefined) return [fault('several documents after a directive', second.range[0])]
  if (document === undefined) return undefined
  try {
    const value: unknown = document.toJS({ maxAliasCount: MAX_ALIASES })
    if (value === null) return undefined
    if (isCircular(document)) return [fault('an alias is inside of what it names', document.range[0])]
    return { text, document, value }
  } catch (error) {
    if (error instanceof RangeError) return [fault('nested too deeply', 0)]
    // Aliases of nothing or of too much, and merge keys of what is no mapping.
    return [fault(describeError(error), document.range[0])]
  }
}

/** Whether a node contains an alias of itself: there is no end to its value. */
function isCircular(document: Document.Parsed): boolean {
  let circular = false
  visit(document, {
    Alias(_, alias, path) {
      const target = alias.resolve(document)
      circular ||= path.some((node) => node === target)
    },
  })
  return circular
}

/**
 * The edits of the text that make these changes and nothing else, one for each change. Where an alias, a merge key or an
 * unusual layout stands in the way, `expand` has edits that are to be made first, on which the plan is made anew.
 */
export function planChanges(
  { text, document }: DocumentText,
  changes: readonly DocumentChange[],
): { readonly expand: readonly TextEdit[] } | { readonly edits: readonly TextEdit[] } {
  const touched = new Set<Node>()
  const inTheWay = new Map<Node, TextEdit>()
  const edits: TextEdit[] = []
  for (const change of changes) {
    const obstacle = follow(document, pointerOf(change), touched)
    if (obstacle !== undefined) inTheWay.set(obstacle, expansion(text, document, obstacle))
    else {
      if (change.op === 'replace') noteAnchors(nodeAt(document, change.at), touched)
      const planned = plan(text, document, change)
      if ('start' in planned) edits.push(planned)
      else inTheWay.set(planned.rewrite, expansion(text, document, planned.rewrite))
    }
  }
  // What is named there would change there too.
  visit(document, {
    Alias(_, alias) {
      const target = alias.resolve(document)
      if (target !== undefined && touched.has(target)) inTheWay.set(alias, expansion(text, document, alias))
    },
  })
  return inTheWay.size === 0 ? { edits } : { expand: outermost([...inTheWay.values()]) }
}

/** Names inside of what is replaced are gone with it. */
function noteAnchors(node: Node, touched: Set<Node>): void {
  visit(node, {
    Node(_, inside) {
      if ('anchor' in inside && inside.anchor !== undefined) touched.add(inside)
    },
  })
}

/** Edits of one text, none inside another. */
function outermost(edits: readonly TextEdit[]): TextEdit[] {
  return edits.filter((edit) =>
    edits.every((other) => other === edit || edit.start < other.start || edit.end > other.end),
  )
}

function pointerOf(change: DocumentChange): Pointer {
  return change.op === 'put' ? change.map : change.op === 'prepend' ? change.list : change.at
}

/** Walks to a place, notes the nodes on the way, and gives the first that has to be written out before its inside can change. */
function follow(document: Document.Parsed, pointer: Pointer, touched: Set<Node>): Node | undefined {
  let node: Node | null = document.contents
  for (let depth = 0; ; depth += 1) {
    if (node === null) return undefined
    if (isAlias(node) || hasMerge(node)) return node
    touched.add(node)
    if (depth === pointer.length) return undefined
    node = childOf(node, pointer[depth]!)
  }
}

function hasMerge(node: Node): boolean {
  return isMap(node) && node.items.some(({ key }) => isScalar(key) && isMergeKey(key))
}

function plan(text: string, document: Document.Parsed, change: DocumentChange): TextEdit | { readonly rewrite: Node } {
  const node = nodeAt(document, pointerOf(change))
  if (change.op === 'replace') {
    const parent = nodeAt(document, change.at.slice(0, -1))
    // The text of a block scalar has its line end in it.
    const block = isScalar(node) && (node.type === 'BLOCK_FOLDED' || node.type === 'BLOCK_LITERAL')
    // A tag would be one of the new value. A name does no harm: who uses it has been written out.
    if (block || (!isAlias(node) && node.tag !== undefined)) return { rewrite: parent }
    return { ...extentOf(text, node), text: JSON.stringify(change.value) }
  }
  const isPut = change.op === 'put'
  if (isScalar(node)) {
    // Null, in one of its spellings: the empty one needs a space.
    const { start, end } = extentOf(text, node)
    const value = isPut ? { [change.key]: change.value } : change.values
    const before = /\s/.test(text[start - 1] ?? '') ? '' : ' '
    const behind = text[end] === '#' ? ' ' : ''
    return { start, end, text: before + JSON.stringify(value) + behind }
  }
  if (isMap(node) && isPut) return insert(text, node, firstKey(node), { [change.key]: change.value })
  if (isSeq(node) && !isPut) return insert(text, node, undefined, change.values)
  throw new OutriderError('document-changes-misplaced', `there is no ${isPut ? 'mapping' : 'list'} to add to`, {
    place: pointerOf(change).join('.'),
    source: 'internal',
  })
}

function firstKey(map: YAMLMap): Node | undefined {
  const key = map.items[0]?.key
  return isNode(key) ? key : undefined
}

/** Adds in front of what a mapping or a list has, in its own style. */
function insert(
  text: string,
  node: YAMLMap | YAMLSeq,
  key: Node | undefined,
  value: object,
): TextEdit | { readonly rewrite: Node } {
  const [nodeStart] = extent(node)
  if (node.flow === true) return insertFlow(text, node, nodeStart, value)
  const start = isMap(node) ? (key === undefined ? nodeStart : extent(key)[0]) : nodeStart
  const lineStart = text.lastIndexOf('\n', start - 1) + 1
  const before = text.slice(lineStart, start).replace(/^\uFEFF/, '')
  // An anchor, a tag or `?` before the first key, or a mapping on the line of its key.
  if (!/^ *(?:- +)*$/.test(before) || (key !== undefined && hasProperties(key))) return { rewrite: node }
  const pad = ' '.repeat(before.length)
  const eol = lineEnd(text, start)
  const lines = stringify(value, { version: '1.1', lineWidth: 0, indentSeq: false, aliasDuplicateObjects: false })
    .trimEnd()
    .split('\n')
  const block = lines.join(eol + pad) + eol
  // Above comments that lead to the first entry, which is theirs.
  const above = before.trim() === '' ? aboveComments(text, lineStart) : undefined
  if (above !== undefined) return { start: above, end: above, text: pad + block }
  return { start, end: start, text: block + pad }
}

/** The start of the first of the comment and blank lines directly above a line, or the line itself; behind a byte order mark. */
function aboveComments(text: string, lineStart: number): number {
  let at = lineStart
  while (at > 0) {
    const previous = text.lastIndexOf('\n', at - 2) + 1
    if (!/^\uFEFF?[ \t]*(?:#.*)?\r?\n$/.test(text.slice(previous, at))) break
    at = previous
  }
  return text[at] === '\uFEFF' ? at + 1 : at
}

function insertFlow(text: string, node: YAMLMap | YAMLSeq, nodeStart: number, value: object): TextEdit {
  const [first] = node.items
  const firstNode = isPair(first) ? first.key : first
  if (!isNode(firstNode)) return { start: nodeStart + 1, end: nodeStart + 1, text: membersOf(value) }
  const [start] = extent(firstNode)
  const lineStart = text.lastIndexOf('\n', start - 1) + 1
  const pad = text.slice(lineStart, start)
  if (lineStart > nodeStart && pad.trim() === '') {
    const pretty = JSON.stringify(value, undefined, 2).split('\n').slice(1, -1)
    const lines = pretty.map((line) => line.slice(2)).join(lineEnd(text, start) + pad)
    return { start, end: start, text: `${lines},${lineEnd(text, start)}${pad}` }
  }
  return { start: nodeStart + 1, end: nodeStart + 1, text: `${membersOf(value)}, ` }
}

/** In flow style, without the brackets. */
function membersOf(value: object): string {
  return JSON.stringify(value).slice(1, -1)
}

function lineEnd(text: string, near: number): string {
  const at = text.indexOf('\n', near)
  const line = at === -1 ? text.lastIndexOf('\n', near) : at
  return text[line - 1] === '\r' ? '\r\n' : '\n'
}

function hasProperties(node: Node): boolean {
  if (isAlias(node)) return false
  return ('anchor' in node && node.anchor !== undefined) || node.tag !== undefined
}

/** The text of the document without some values and with others replaced. Comments stay; the layout may change. */
export function rewriteDocument(
  { document }: DocumentText,
  remove: readonly Pointer[],
  replace: readonly (readonly [at: Pointer, value: unknown])[],
): string {
  const copy = document.clone()
  for (const [at, value] of replace) copy.setIn(at, copy.createNode(value))
  // From the last item of a list on, so that the others keep their place.
  for (const at of remove.toReversed()) copy.deleteIn(at)
  return copy.toString({ lineWidth: 0, indentSeq: false })
}
