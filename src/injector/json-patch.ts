import type { DocumentChange, Pointer } from '../policy/document-change.ts'

/** One operation of RFC 6902. */
export type PatchOperation =
  | { readonly op: 'add' | 'replace'; readonly path: string; readonly value: unknown }
  | { readonly op: 'test'; readonly path: string; readonly value: unknown }

/** RFC 6901. */
export function jsonPointer(pointer: Pointer): string {
  return pointer.map((step) => `/${String(step).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('')
}

/** The same changes for who has the value and not a text of it. */
export function jsonPatch(value: unknown, changes: readonly DocumentChange[]): PatchOperation[] {
  // Operations see what those before them made: the outermost list last, whose items are named by their index until then.
  const inPlace = changes.filter(({ op }) => op !== 'prepend')
  const lists = changes.filter((change) => change.op === 'prepend').toSorted((a, b) => b.list.length - a.list.length)
  return [...inPlace, ...lists].flatMap((change): PatchOperation[] => {
    if (change.op === 'replace') return [{ op: 'replace', path: jsonPointer(change.at), value: change.value }]
    if (change.op === 'put') {
      // What is null takes no member.
      if (at(value, change.map) === null)
        return [{ op: 'replace', path: jsonPointer(change.map), value: { [change.key]: change.value } }]
      return [{ op: 'add', path: jsonPointer([...change.map, change.key]), value: change.value }]
    }
    if (at(value, change.list) === null)
      return [{ op: 'replace', path: jsonPointer(change.list), value: change.values }]
    return change.values.map((item, index) => ({ op: 'add', path: jsonPointer([...change.list, index]), value: item }))
  })
}

function at(value: unknown, pointer: Pointer): unknown {
  return pointer.reduce<unknown>(
    (inside, step) => (typeof inside === 'object' && inside !== null ? Reflect.get(inside, step) : undefined),
    value,
  )
}
