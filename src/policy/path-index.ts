import { unreachable } from '../lib/unreachable.ts'
import type { PathPattern } from './match/path.ts'
import { alterMap, type Change, type Edit, type OwnedMap } from './persistent.ts'
import { alterPrefix, findPrefix, type PrefixTree } from './prefix-tree.ts'
import { alterSegments, alterTemplate, findTemplate, type TemplateTree } from './template-tree.ts'

/**
 * Finds the values of all path patterns that match a path, in time that hardly depends on how many patterns there are:
 * a hash for exact paths, a tree of segments for templates and for prefixes of whole segments, a radix tree for other
 * prefixes. Agrees with `matchesPath`. Persistent, see
 * persistent.ts.
 */
export interface PathIndex<T> {
  readonly edit: Edit
  exact: OwnedMap<string, T> | undefined
  prefixes: PrefixTree<T> | undefined
  templates: TemplateTree<T> | undefined
}

/** `index` with the value of `pattern` changed; `undefined` when nothing is left in it. */
export function alterPath<T>(
  index: PathIndex<T> | undefined,
  pattern: PathPattern,
  edit: Edit,
  change: Change<T>,
): PathIndex<T> | undefined {
  const own: PathIndex<T> =
    index?.edit === edit ? index : { edit, exact: index?.exact, prefixes: index?.prefixes, templates: index?.templates }
  switch (pattern.kind) {
    case 'exact':
      own.exact = alterMap(own.exact, pattern.path, edit, change)
      break
    case 'prefix':
      if (isWhole(pattern.prefix)) own.templates = alterSegments(own.templates, pattern.prefix, edit, change)
      else own.prefixes = alterPrefix(own.prefixes, pattern.prefix, edit, change)
      break
    case 'template':
      own.templates = alterTemplate(own.templates, pattern, edit, change)
      break
    default:
      return unreachable(pattern)
  }
  const { exact, prefixes, templates } = own
  return exact === undefined && prefixes === undefined && templates === undefined ? undefined : own
}

/** Whether a prefix is of whole segments: then the tree of segments finds it with one step for each. */
function isWhole(prefix: string): boolean {
  return prefix.startsWith('/') && prefix.endsWith('/')
}

/** Calls `probe` with the value of each pattern that matches, until it answers. */
export function findPath<T, C, R>(
  index: PathIndex<T>,
  path: string,
  probe: (value: T, context: C) => R | undefined,
  context: C,
): R | undefined {
  const exact = index.exact?.map.get(path)
  const found = exact === undefined ? undefined : probe(exact, context)
  return (
    found ?? findTemplate(index.templates, path, probe, context) ?? findPrefix(index.prefixes, path, probe, context)
  )
}
