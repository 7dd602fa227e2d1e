import { matchesTail, type PathPattern, segmentEnd } from './match/path.ts'
import { alterMap, type Change, type Edit, type OwnedMap } from './persistent.ts'

export type PathTemplate = Extract<PathPattern, { kind: 'template' }>

/** A node of a tree of path templates, one level for each segment. Persistent, see persistent.ts. */
export interface TemplateTree<T> {
  readonly edit: Edit
  /** Of the template that ends here. */
  value: T | undefined
  /** Of the prefix that ends with the slash after here. */
  below: T | undefined
  literals: OwnedMap<string, TemplateTree<T>> | undefined
  /** What follows a `{*}`. */
  one: TemplateTree<T> | undefined
  /** Templates that go on with `{**}`, by the last segment of what follows it; `undefined`: nothing follows. */
  tails: OwnedMap<string | undefined, readonly Tail<T>[]> | undefined
}

interface Tail<T> {
  readonly tail: string
  readonly value: T
}

/** What a template is after its segments. */
type Ending = { readonly kind: 'end' } | { readonly kind: 'below' } | { readonly kind: 'tail'; readonly tail: string }

/** `tree` with the value of `template` changed; `undefined` when nothing is left in it. */
export function alterTemplate<T>(
  tree: TemplateTree<T> | undefined,
  { segments, tail }: PathTemplate,
  edit: Edit,
  change: Change<T>,
): TemplateTree<T> | undefined {
  return alterFrom(tree, segments, 0, tail === undefined ? { kind: 'end' } : { kind: 'tail', tail }, edit, change)
}

/** The same for a prefix of whole segments, which begins and ends with a slash. */
export function alterSegments<T>(
  tree: TemplateTree<T> | undefined,
  prefix: string,
  edit: Edit,
  change: Change<T>,
): TemplateTree<T> | undefined {
  const segments = prefix === '/' ? [] : prefix.slice(1, -1).split('/')
  return alterFrom(tree, segments, 0, { kind: 'below' }, edit, change)
}

/** `node` stands for the segments before `level`. */
function alterFrom<T>(
  node: TemplateTree<T> | undefined,
  segments: PathTemplate['segments'],
  level: number,
  ending: Ending,
  edit: Edit,
  change: Change<T>,
): TemplateTree<T> | undefined {
  const own = owned(node, edit)
  if (level < segments.length) {
    const segment = segments[level]
    const next: Change<TemplateTree<T>> = (below) => alterFrom(below, segments, level + 1, ending, edit, change)
    if (segment === undefined) own.one = next(own.one)
    else own.literals = alterMap(own.literals, segment, edit, next)
  } else if (ending.kind === 'end') own.value = change(own.value)
  else if (ending.kind === 'below') own.below = change(own.below)
  else {
    const { tail } = ending
    const last = tail === '' ? undefined : lastSegment(tail)
    own.tails = alterMap(own.tails, last, edit, (tails) => alterTails(tails, tail, change))
  }
  const { value, below, literals, one, tails } = own
  return [value, below, literals, one, tails].every((part) => part === undefined) ? undefined : own
}

function owned<T>(node: TemplateTree<T> | undefined, edit: Edit): TemplateTree<T> {
  if (node?.edit === edit) return node
  return { edit, value: node?.value, below: node?.below, literals: node?.literals, one: node?.one, tails: node?.tails }
}

/** In the order of their texts, so that the same templates are always asked in the same order. */
function alterTails<T>(
  tails: readonly Tail<T>[] = [],
  tail: string,
  change: Change<T>,
): readonly Tail<T>[] | undefined {
  const place = tails.findIndex((other) => other.tail >= tail)
  const at = place === -1 ? tails.length : place
  const present = tails[at]?.tail === tail
  const value = change(present ? tails[at]?.value : undefined)
  const after = tails.toSpliced(at, present ? 1 : 0, ...(value === undefined ? [] : [{ tail, value }]))
  return after.length === 0 ? undefined : after
}

function lastSegment(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1)
}

/** Calls `probe` with the value of each template that `path` matches, until it answers. */
export function findTemplate<T, C, R>(
  tree: TemplateTree<T> | undefined,
  path: string,
  probe: (value: T, context: C) => R | undefined,
  context: C,
): R | undefined {
  return tree === undefined || path.charCodeAt(0) !== 0x2f ? undefined : findFrom(tree, path, 0, probe, context)
}

/** `at` is the end of the path or the slash of the next segment. */
function findFrom<T, C, R>(
  node: TemplateTree<T>,
  path: string,
  at: number,
  probe: (value: T, context: C) => R | undefined,
  context: C,
): R | undefined {
  const end = segmentEnd(path, at)
  if (end === at) {
    const found = node.value === undefined ? undefined : probe(node.value, context)
    if (found !== undefined) return found
  } else {
    const literal = node.literals?.map.get(path.slice(at + 1, end))
    const found = literal === undefined ? undefined : findFrom(literal, path, end, probe, context)
    if (found !== undefined) return found
    if (node.one !== undefined && end > at + 1) {
      const found = findFrom(node.one, path, end, probe, context)
      if (found !== undefined) return found
    }
    const below = node.below === undefined ? undefined : probe(node.below, context)
    if (below !== undefined) return below
  }
  if (node.tails === undefined) return undefined
  const { map } = node.tails
  return (
    findTail(map.get(lastSegment(path)), path, at, probe, context) ??
    findTail(map.get(undefined), path, at, probe, context)
  )
}

function findTail<T, C, R>(
  tails: readonly Tail<T>[] | undefined,
  path: string,
  at: number,
  probe: (value: T, context: C) => R | undefined,
  context: C,
): R | undefined {
  if (tails === undefined) return undefined
  for (const { tail, value } of tails) {
    const found = matchesTail(tail, path, at) ? probe(value, context) : undefined
    if (found !== undefined) return found
  }
  return undefined
}
