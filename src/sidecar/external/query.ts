import { withoutParameters } from '../authentication/pieces.ts'

export interface QueryChanges {
  readonly removed: readonly string[]
  /** Of several for one parameter the last counts. */
  readonly set: readonly { readonly key: string; readonly value: string }[]
}

/** `target` (path and query) without the parameters that go, and with those that are set once, at the end. The rest stays as it is spelled. */
export function changeQuery(target: string, { removed, set }: QueryChanges): string {
  if (removed.length === 0 && set.length === 0) return target
  const at = target.indexOf('?')
  const [path, query] = at < 0 ? [target, ''] : [target.slice(0, at), target.slice(at)]
  const last = new Map(set.map(({ key, value }) => [key, value]))
  const kept = query === '' ? '' : withoutParameters(query, new Set([...removed, ...last.keys()])).slice(1)
  const added = [...last].map(([key, value]) => `${encodeURIComponent(key)}=${encodeURIComponent(value)}`)
  const all = [kept, ...added].filter((piece) => piece !== '').join('&')
  return all === '' ? path : `${path}?${all}`
}
