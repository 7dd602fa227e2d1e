/**
 * The structures of the rule index are persistent: one that is in use never changes. An edit copies what it changes, from the
 * root down to the place, and shares all else with what was there before; what it has copied or made itself it changes in
 * place. Every node says which edit made it.
 */
export type Edit = symbol

/** Begins an edit. It ends with its result being used: nobody may go on with it then. */
export function newEdit(): Edit {
  return Symbol('edit')
}

/** Makes the value of a place out of the one that is there; `undefined` for none, before and after. */
export type Change<T> = (value: T | undefined) => T | undefined

/** A map that says who made it. */
export interface OwnedMap<K, V> {
  readonly edit: Edit
  readonly map: Map<K, V>
}

/** `owned` with the value of `key` changed; `undefined` when nothing is left in it. */
export function alterMap<K, V>(
  owned: OwnedMap<K, V> | undefined,
  key: K,
  edit: Edit,
  change: Change<V>,
): OwnedMap<K, V> | undefined {
  const before = owned?.map.get(key)
  const after = change(before)
  if (after === before) return owned
  if (after === undefined && owned?.map.size === 1) return undefined
  const own = owned?.edit === edit ? owned : { edit, map: new Map(owned?.map) }
  if (after === undefined) own.map.delete(key)
  else own.map.set(key, after)
  return own
}
