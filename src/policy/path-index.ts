import { unreachable } from '../lib/unreachable.ts'
import { matchesTail, type PathPattern, segmentEnd } from './match/path.ts'

/**
 * Finds the values of all path patterns that match a path, in time that hardly depends on how many patterns there are:
 * a hash for exact paths, a radix tree for prefixes, a tree of segments for templates. Agrees with `matchesPath`.
 */
export class PathIndex<T extends object> {
  readonly #make: () => T
  readonly #exact = new Map<string, T>()
  readonly #prefixes: PrefixNode<T> = { label: '', value: undefined, children: new Map() }
  readonly #templates: TemplateNode<T> = templateNode()
  #hasTemplates = false

  constructor(make: () => T) {
    this.#make = make
  }

  /** The value of `pattern`, made when it is new. */
  at(pattern: PathPattern): T {
    switch (pattern.kind) {
      case 'exact': {
        const value = this.#exact.get(pattern.path) ?? this.#make()
        this.#exact.set(pattern.path, value)
        return value
      }
      case 'prefix': {
        const node = insertPrefix(this.#prefixes, pattern.prefix)
        node.value ??= this.#make()
        return node.value
      }
      case 'template': {
        this.#hasTemplates = true
        const node = insertTemplate(this.#templates, pattern)
        node.value ??= this.#make()
        return node.value
      }
      default:
        return unreachable(pattern)
    }
  }

  /** Calls `probe` with the value of each pattern that matches, until it answers. */
  find<R>(path: string, probe: (value: T) => R | undefined): R | undefined {
    const exact = this.#exact.get(path)
    const found = exact === undefined ? undefined : probe(exact)
    if (found !== undefined) return found
    if (this.#hasTemplates && path.charCodeAt(0) === 0x2f) {
      const found = findTemplate(this.#templates, path, 0, probe)
      if (found !== undefined) return found
    }
    return findPrefix(this.#prefixes, path, probe)
  }
}

/** One edge of the radix tree; children by the first character of their label. */
interface PrefixNode<T> {
  label: string
  value: T | undefined
  children: Map<number, PrefixNode<T>>
}

function insertPrefix<T>(root: PrefixNode<T>, prefix: string): PrefixNode<T> {
  let node = root
  let at = 0
  while (at < prefix.length) {
    const child = node.children.get(prefix.charCodeAt(at))
    if (child === undefined) {
      const leaf: PrefixNode<T> = { label: prefix.slice(at), value: undefined, children: new Map() }
      node.children.set(prefix.charCodeAt(at), leaf)
      return leaf
    }
    let shared = 1
    while (shared < child.label.length && child.label[shared] === prefix[at + shared]) shared += 1
    if (shared < child.label.length) splitEdge(child, shared)
    node = child
    at += shared
  }
  return node
}

/** Cuts the edge to `node` after `length` characters: `node` becomes the upper part, a new child the lower one. */
function splitEdge<T>(node: PrefixNode<T>, length: number): void {
  const lower: PrefixNode<T> = { label: node.label.slice(length), value: node.value, children: node.children }
  node.label = node.label.slice(0, length)
  node.value = undefined
  node.children = new Map([[lower.label.charCodeAt(0), lower]])
}

function findPrefix<T, R>(root: PrefixNode<T>, path: string, probe: (value: T) => R | undefined): R | undefined {
  let node: PrefixNode<T> | undefined = root
  let at = 0
  while (node !== undefined && path.startsWith(node.label, at)) {
    at += node.label.length
    const found = node.value === undefined ? undefined : probe(node.value)
    if (found !== undefined) return found
    node = node.children.get(path.charCodeAt(at))
  }
  return undefined
}

interface TemplateNode<T> {
  /** Of the template that ends here. */
  value: T | undefined
  readonly literals: Map<string, TemplateNode<T>>
  one: TemplateNode<T> | undefined
  /** Templates that go on with `{**}`, by the last segment of what follows it; `undefined`: nothing follows. */
  readonly tails: Map<string | undefined, Tail<T>[]>
}

interface Tail<T> {
  readonly tail: string
  value: T | undefined
}

function templateNode<T>(): TemplateNode<T> {
  return { value: undefined, literals: new Map(), one: undefined, tails: new Map() }
}

/** The place of a template's value. */
function insertTemplate<T>(
  root: TemplateNode<T>,
  { segments, tail }: Extract<PathPattern, { kind: 'template' }>,
): { value: T | undefined } {
  let node = root
  for (const segment of segments) node = segment === undefined ? oneNode(node) : literalNode(node, segment)
  if (tail === undefined) return node
  const last = tail === '' ? undefined : lastSegment(tail)
  const tails = node.tails.get(last) ?? []
  node.tails.set(last, tails)
  const present = tails.find((other) => other.tail === tail)
  if (present !== undefined) return present
  const added: Tail<T> = { tail, value: undefined }
  tails.push(added)
  return added
}

function oneNode<T>(node: TemplateNode<T>): TemplateNode<T> {
  node.one ??= templateNode()
  return node.one
}

function literalNode<T>(node: TemplateNode<T>, segment: string): TemplateNode<T> {
  const next = node.literals.get(segment) ?? templateNode<T>()
  node.literals.set(segment, next)
  return next
}

function lastSegment(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1)
}

/** `at` is the end of the path or the slash of the next segment. */
function findTemplate<T, R>(
  node: TemplateNode<T>,
  path: string,
  at: number,
  probe: (value: T) => R | undefined,
): R | undefined {
  const end = segmentEnd(path, at)
  if (end === at) {
    const found = node.value === undefined ? undefined : probe(node.value)
    if (found !== undefined) return found
  } else {
    const literal = node.literals.get(path.slice(at + 1, end))
    const found = literal === undefined ? undefined : findTemplate(literal, path, end, probe)
    if (found !== undefined) return found
    if (node.one !== undefined && end > at + 1) {
      const found = findTemplate(node.one, path, end, probe)
      if (found !== undefined) return found
    }
  }
  if (node.tails.size === 0) return undefined
  return (
    findTail(node.tails.get(lastSegment(path)), path, at, probe) ?? findTail(node.tails.get(undefined), path, at, probe)
  )
}

function findTail<T, R>(
  tails: readonly Tail<T>[] | undefined,
  path: string,
  at: number,
  probe: (value: T) => R | undefined,
): R | undefined {
  if (tails === undefined) return undefined
  for (const { tail, value } of tails) {
    const found = value !== undefined && matchesTail(tail, path, at) ? probe(value) : undefined
    if (found !== undefined) return found
  }
  return undefined
}
