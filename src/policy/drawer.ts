import { unreachable } from '../lib/unreachable.ts'
import { allHold, type Criterion } from './criterion.ts'
import { alterMap, type Edit, type OwnedMap } from './persistent.ts'
import { alterPrefix, findPrefix, type PrefixTree } from './prefix-tree.ts'
import type { SpiffeId } from '../identity/spiffe-id.ts'
import type { Query } from './query.ts'
import { byPlace, type CompiledRule, matchesRule, type OperationMatcher } from './rule.ts'

/** Who has to call, so that a rule can match: the narrowest condition of one of its sources. */
export type CallerKey =
  | { readonly by: 'anybody' }
  | {
      readonly by: 'id' | 'idPrefix' | 'namespace' | 'serviceAccount' | 'trustDomain' | 'principal' | 'owner'
      readonly value: string
    }

/** A rule in one of its places. */
export interface Filed {
  readonly kind: 'one'
  readonly rule: CompiledRule
  /** What is left to check, where all of it has to hold: what `matchesRule` would, but for the path of the place. */
  readonly rest: readonly Criterion[] | undefined
  /** The operation for which it is there; absent: the rule has none. */
  readonly to: OperationMatcher | undefined
  /** Index of `to`. */
  readonly operation: number
  readonly callers: readonly CallerKey[]
}

/** In the order of their policies, of the rules in these, and of the operations. */
interface FiledList {
  readonly edit: Edit
  readonly items: Filed[]
}

/** The rules filed under one host, port and path pattern; mostly that is one. Persistent, see persistent.ts. */
export type Drawer = Filed | Several

interface Several {
  readonly kind: 'several'
  readonly edit: Edit
  all: FiledList
  /** The same by caller; absent while they are few: to look through these is faster, and takes less memory. */
  callers: Callers | undefined
}

interface Callers {
  readonly edit: Edit
  anybody: FiledList | undefined
  id: OwnedMap<string, FiledList> | undefined
  idPrefix: PrefixTree<FiledList> | undefined
  namespace: OwnedMap<string, FiledList> | undefined
  serviceAccount: OwnedMap<string, FiledList> | undefined
  trustDomain: OwnedMap<string, FiledList> | undefined
  /** Whole ones too, as if they were prefixes. */
  principal: PrefixTree<FiledList> | undefined
  owner: OwnedMap<string, FiledList> | undefined
}

const FEW = 8

/** `drawer` with `filed` in it. */
export function addTo(drawer: Drawer | undefined, filed: Filed, edit: Edit): Drawer {
  if (drawer === undefined) return filed
  const several = drawer.kind === 'several' ? drawer : undefined
  const present = drawer.kind === 'several' ? drawer.all : { edit, items: [drawer] }
  const all = inserted(present, filed, edit)
  if (all.items.length === 1) return drawer
  const own: Several = several?.edit === edit ? several : { kind: 'several', edit, all, callers: several?.callers }
  own.all = all
  if (all.items.length <= FEW) return own
  // The first time, all that were few before come along.
  for (const item of own.callers === undefined ? all.items : [filed])
    own.callers = alterCallers(own.callers, item, edit, inserted)
  return own
}

/** `drawer` without `filed`; `undefined` when nothing is left in it. */
export function removeFrom(drawer: Drawer | undefined, filed: Filed, edit: Edit): Drawer | undefined {
  if (drawer === undefined) return undefined
  if (drawer.kind === 'one') return order(drawer, filed) === 0 ? undefined : drawer
  const all = removed(drawer.all, filed, edit)
  if (all === undefined || all.items.length === 1) return all?.items[0]
  const own: Several = drawer.edit === edit ? drawer : { kind: 'several', edit, all, callers: drawer.callers }
  own.all = all
  own.callers =
    all.items.length > FEW && own.callers !== undefined ? alterCallers(own.callers, filed, edit, removed) : undefined
  return own
}

type Alter = (list: FiledList | undefined, filed: Filed, edit: Edit) => FiledList | undefined

function alterCallers(callers: Callers | undefined, filed: Filed, edit: Edit, alter: Alter): Callers {
  const own = ownedCallers(callers, edit)
  const change = (list: FiledList | undefined): FiledList | undefined => alter(list, filed, edit)
  for (const key of filed.callers) {
    switch (key.by) {
      case 'anybody':
        own.anybody = change(own.anybody)
        break
      case 'idPrefix':
      case 'principal':
        own[key.by] = alterPrefix(own[key.by], key.value, edit, change)
        break
      case 'id':
      case 'namespace':
      case 'serviceAccount':
      case 'trustDomain':
      case 'owner':
        own[key.by] = alterMap(own[key.by], key.value, edit, change)
        break
      default:
        unreachable(key)
    }
  }
  return own
}

function ownedCallers(callers: Callers | undefined, edit: Edit): Callers {
  if (callers?.edit === edit) return callers
  return {
    edit,
    anybody: callers?.anybody,
    id: callers?.id,
    idPrefix: callers?.idPrefix,
    namespace: callers?.namespace,
    serviceAccount: callers?.serviceAccount,
    trustDomain: callers?.trustDomain,
    principal: callers?.principal,
    owner: callers?.owner,
  }
}

/** The same twice is once: a rule may name a caller in two ways. */
function inserted(list: FiledList | undefined, filed: Filed, edit: Edit): FiledList {
  if (list === undefined) return { edit, items: [filed] }
  const at = placeOf(list.items, filed)
  const present = list.items[at]
  if (present !== undefined && order(present, filed) === 0) return list
  if (list.edit !== edit) return { edit, items: list.items.toSpliced(at, 0, filed) }
  list.items.splice(at, 0, filed)
  return list
}

function removed(list: FiledList | undefined, filed: Filed, edit: Edit): FiledList | undefined {
  if (list === undefined) return undefined
  const at = placeOf(list.items, filed)
  const present = list.items[at]
  if (present === undefined || order(present, filed) !== 0) return list
  if (list.items.length === 1) return undefined
  if (list.edit !== edit) return { edit, items: list.items.toSpliced(at, 1) }
  list.items.splice(at, 1)
  return list
}

/** Index of `filed`, or of what it has to stand before. */
function placeOf(items: readonly Filed[], filed: Filed): number {
  let low = 0
  let high = items.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (order(items[middle]!, filed) < 0) low = middle + 1
    else high = middle
  }
  return low
}

function order(a: Filed, b: Filed): number {
  return byPlace(a.rule, b.rule) || a.operation - b.operation
}

/** A query under way. */
export interface Search {
  readonly query: Query
  /** Takes all rules that match; absent: the first one is enough. */
  readonly matches: Set<CompiledRule> | undefined
  /** Ends the search when there are so many matches. */
  readonly most: number
  /** Told of each rule that is checked. */
  readonly witness: ((rule: CompiledRule) => void) | undefined
}

/** Gives the rule that ends the search. */
export function findInDrawer(drawer: Drawer, search: Search): CompiledRule | undefined {
  if (drawer.kind === 'one') return check(drawer, search)
  return drawer.callers === undefined ? findInList(drawer.all, search) : findByCaller(drawer.callers, search)
}

export function filedIn(drawer: Drawer): readonly Filed[] {
  return drawer.kind === 'one' ? [drawer] : drawer.all.items
}

function findByCaller(callers: Callers, search: Search): CompiledRule | undefined {
  const { query } = search
  const { id, user } = query
  if (id !== undefined) {
    const found = findById(callers, id, search)
    if (found !== undefined) return found
  }
  if (callers.principal !== undefined)
    for (const { issuer, subject = '' } of user.tokens) {
      const found = findPrefix(callers.principal, `${issuer}/${subject}`, findInList, search)
      if (found !== undefined) return found
    }
  const owner = user.apiKey?.owner
  const owned = callers.owner === undefined || owner === undefined ? undefined : callers.owner.map.get(owner)
  return findInList(owned, search) ?? findInList(callers.anybody, search)
}

function findById(callers: Callers, id: SpiffeId, search: Search): CompiledRule | undefined {
  const { query } = search
  const { namespace, serviceAccount, trustDomain } = callers
  return (
    findInMap(callers.id, id, search) ??
    findPrefix(callers.idPrefix, id, findInList, search) ??
    (serviceAccount === undefined ? undefined : findInMap(serviceAccount, query.serviceAccount, search)) ??
    (namespace === undefined ? undefined : findInMap(namespace, query.namespace, search)) ??
    (trustDomain === undefined ? undefined : findInMap(trustDomain, query.trustDomain, search))
  )
}

function findInMap(
  owned: OwnedMap<string, FiledList> | undefined,
  key: string | undefined,
  search: Search,
): CompiledRule | undefined {
  return key === undefined ? undefined : findInList(owned?.map.get(key), search)
}

function findInList(list: FiledList | undefined, search: Search): CompiledRule | undefined {
  if (list === undefined) return undefined
  for (const filed of list.items) {
    const found = check(filed, search)
    if (found !== undefined) return found
  }
  return undefined
}

function check(filed: Filed, search: Search): CompiledRule | undefined {
  const { rule, rest } = filed
  const matched = rest === undefined ? matchesRule(rule, search.query, filed.to) : allHold(rest, search.query)
  search.witness?.(rule)
  if (!matched) return undefined
  if (search.matches === undefined) return rule
  search.matches.add(rule)
  return search.matches.size >= search.most ? rule : undefined
}
