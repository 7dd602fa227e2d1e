/** How often something was asked for, and when last, in milliseconds since 1970. */
export interface Seen {
  count: number
  lastMs: number
}

/** A path, or a template that stands for several, with what was asked for there. */
export interface Template {
  /** As in `OperationMatch.paths`. */
  readonly path: string
  readonly methods: ReadonlyMap<string, Seen>
  /** For each `{*}`, in their order: values that were seen there, a few of `count`. */
  readonly stars: readonly { readonly examples: readonly string[]; readonly count: number }[]
}

/** Values that are shown of one place. */
const MAX_EXAMPLES = 3

/**
 * What a segment looks like when it is an ID rather than a word: a number, a UUID, a hash or token of 16 or more hexadecimal digits,
 * a ULID. `undefined`: a word.
 */
export function idShape(segment: string): 'number' | 'uuid' | 'hex' | 'ulid' | undefined {
  if (/^\d{1,20}$/.test(segment)) return 'number'
  if (/^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i.test(segment)) return 'uuid'
  if (/^[0-9a-f]{16,128}$/i.test(segment) && /\d/.test(segment)) return 'hex'
  return /^[0-7][0-9A-HJKMNP-TV-Z]{25}$/.test(segment) ? 'ulid' : undefined
}

interface Node {
  readonly children: Map<string, Node>
  /** Of paths that end here. */
  readonly methods: Map<string, Seen>
}

/**
 * Paths, none of them above another in meaning: where one place below the same beginning has `minSupport` or more different IDs of one
 * shape, `{*}` takes their place, and what is below them is put together.
 */
export class PathTemplates {
  readonly #root: Node = emptyNode()
  readonly #minSupport: number

  constructor(minSupport: number) {
    this.#minSupport = minSupport
  }

  /** `path` is normal and begins with a slash. Gives whether it is a new path. */
  add(path: string, method: string, timeMs: number): boolean {
    let node = this.#root
    let isNew = false
    for (const segment of path.slice(1).split('/')) {
      let next = node.children.get(segment)
      if (next === undefined) {
        next = emptyNode()
        node.children.set(segment, next)
        isNew = true
      }
      node = next
    }
    isNew ||= node.methods.size === 0
    count(node.methods, method, { count: 1, lastMs: timeMs })
    return isNew
  }

  /** In the order of their texts. */
  list(): readonly Template[] {
    const templates: Template[] = []
    collect(this.#root, '', [], this.#minSupport, templates)
    return templates.toSorted((a, b) => (a.path < b.path ? -1 : 1))
  }
}

function emptyNode(): Node {
  return { children: new Map(), methods: new Map() }
}

function count(methods: Map<string, Seen>, method: string, seen: Seen): void {
  const known = methods.get(method)
  if (known === undefined) methods.set(method, { ...seen })
  else {
    known.count += seen.count
    known.lastMs = Math.max(known.lastMs, seen.lastMs)
  }
}

function collect(
  { children, methods }: Node,
  path: string,
  stars: Template['stars'],
  minSupport: number,
  into: Template[],
): void {
  if (methods.size > 0) into.push({ path, methods, stars })
  const shapes = Map.groupBy(children.keys(), idShape)
  const many = new Set<string>()
  for (const [shape, segments] of shapes)
    if (shape !== undefined && segments.length >= minSupport) for (const segment of segments) many.add(segment)
  for (const [segment, child] of children)
    if (!many.has(segment)) collect(child, `${path}/${segment}`, stars, minSupport, into)
  if (many.size === 0) return
  const merged = emptyNode()
  for (const segment of many) merge(merged, children.get(segment)!)
  const star = { examples: [...many].slice(0, MAX_EXAMPLES), count: many.size }
  collect(merged, `${path}/{*}`, [...stars, star], minSupport, into)
}

function merge(into: Node, from: Node): void {
  for (const [method, seen] of from.methods) count(into.methods, method, seen)
  for (const [segment, child] of from.children) {
    const known = into.children.get(segment) ?? emptyNode()
    into.children.set(segment, known)
    merge(known, child)
  }
}
