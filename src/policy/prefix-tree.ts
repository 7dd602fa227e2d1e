import { alterMap, type Change, type Edit, type OwnedMap } from './persistent.ts'

/** A node of a radix tree, which finds all texts that another one begins with. Persistent, see persistent.ts. */
export interface PrefixTree<T> {
  readonly edit: Edit
  /** Text on the edge to this node. */
  label: string
  value: T | undefined
  /** By the first character of their label. */
  children: OwnedMap<number, PrefixTree<T>> | undefined
}

/** `tree` with the value of `prefix` changed; `undefined` when nothing is left in it. */
export function alterPrefix<T>(
  tree: PrefixTree<T> | undefined,
  prefix: string,
  edit: Edit,
  change: Change<T>,
): PrefixTree<T> | undefined {
  const root = alterBelow(tree ?? leaf<T>('', undefined, edit), prefix, 0, edit, change)
  return root.value === undefined && root.children === undefined ? undefined : root
}

function leaf<T>(label: string, value: T | undefined, edit: Edit): PrefixTree<T> {
  return { edit, label, value, children: undefined }
}

function owned<T>(node: PrefixTree<T>, edit: Edit): PrefixTree<T> {
  if (node.edit === edit) return node
  const { label, value, children } = node
  return { edit, label, value, children }
}

/** `node` stands for the text before `at`. */
function alterBelow<T>(node: PrefixTree<T>, text: string, at: number, edit: Edit, change: Change<T>): PrefixTree<T> {
  if (at === text.length) {
    const value = change(node.value)
    if (value === node.value) return node
    const own = owned(node, edit)
    own.value = value
    return own
  }
  const children = alterMap(node.children, text.charCodeAt(at), edit, (child) =>
    alterEdge(child, text, at, edit, change),
  )
  if (children === node.children) return node
  const own = owned(node, edit)
  own.children = children
  return own
}

function alterEdge<T>(
  child: PrefixTree<T> | undefined,
  text: string,
  at: number,
  edit: Edit,
  change: Change<T>,
): PrefixTree<T> | undefined {
  if (child === undefined) {
    const value = change(undefined)
    return value === undefined ? undefined : leaf(text.slice(at), value, edit)
  }
  let shared = 1
  while (shared < child.label.length && child.label[shared] === text[at + shared]) shared += 1
  if (shared === child.label.length) return joined(alterBelow(child, text, at + shared, edit, change), edit)
  const value = change(undefined)
  return value === undefined ? child : split(child, shared, text.slice(at + shared), value, edit)
}

/** Cuts the edge to `node` after `length` characters, and hangs `value` there, or below at `rest`. */
function split<T>(node: PrefixTree<T>, length: number, rest: string, value: T, edit: Edit): PrefixTree<T> {
  const lower = owned(node, edit)
  const upper = leaf<T>(lower.label.slice(0, length), rest === '' ? value : undefined, edit)
  lower.label = lower.label.slice(length)
  const map = new Map([[lower.label.charCodeAt(0), lower]])
  if (rest !== '') map.set(rest.charCodeAt(0), leaf(rest, value, edit))
  upper.children = { edit, map }
  return upper
}

/** Undoes a split that nothing needs any more: the same texts always make the same tree. */
function joined<T>(node: PrefixTree<T>, edit: Edit): PrefixTree<T> | undefined {
  const { value, children } = node
  if (value !== undefined || (children !== undefined && children.map.size > 1)) return node
  if (children === undefined) return undefined
  const [only] = children.map.values()
  const own = owned(only!, edit)
  own.label = node.label + own.label
  return own
}

/** Calls `probe` with the value of each prefix of `text`, the shortest first, until it answers. */
export function findPrefix<T, C, R>(
  tree: PrefixTree<T> | undefined,
  text: string,
  probe: (value: T, context: C) => R | undefined,
  context: C,
): R | undefined {
  let node = tree
  let at = 0
  while (node !== undefined && text.startsWith(node.label, at)) {
    at += node.label.length
    const found = node.value === undefined ? undefined : probe(node.value, context)
    if (found !== undefined) return found
    node = node.children?.map.get(text.charCodeAt(at))
  }
  return undefined
}
