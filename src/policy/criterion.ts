import type { Query } from './query.ts'
import { not, type Truth } from './truth.ts'

/** One named condition of a compiled rule, for its action. */
export interface Criterion {
  /** Its field below the entry that it is of: `spiffeIds`, `notPaths`. */
  readonly name: string
  /** About something that a TCP connection does not have. */
  readonly layer7: boolean
  /** How many comparisons it takes at most: sets count as one, lists by their length. */
  readonly checks: number
  /** What is unknown is taken as the action of the rule says. */
  readonly holds: (query: Query) => boolean
  /** Of a criterion that stands for several fields: those that do not hold, when it does not. */
  readonly failures?: (query: Query) => readonly string[]
}

export interface CriterionForm {
  readonly name: string
  readonly layer7?: true
  readonly checks?: number
  /** How the action takes what is unknown. */
  readonly onUnknown: boolean
}

/** A condition that says itself when it is unknown, but for TCP connections. */
export function criterion(
  { name, layer7, checks = 1, onUnknown }: CriterionForm,
  truth: (query: Query) => Truth,
): Criterion {
  const taken = (query: Query): boolean => {
    const value = truth(query)
    return value === 'unknown' ? onUnknown : value
  }
  const holds = layer7 === true ? (query: Query) => (query.isConnection ? onUnknown : taken(query)) : taken
  return { name, layer7: layer7 === true, checks, holds }
}

/** Whether what a list is about is in the list; `undefined` when the request does not have it. */
export type Membership = (query: Query) => Truth | undefined

/** A list of values: something that is absent is in no list. */
export function within(form: CriterionForm, member: Membership): Criterion {
  return criterion(form, (query) => member(query) ?? false)
}

/** A `not...` list: whether something that is absent is in none of it is unknown. */
export function without(form: CriterionForm, member: Membership): Criterion {
  return criterion(form, (query) => not(member(query) ?? 'unknown'))
}

export function allHold(criteria: readonly Criterion[], query: Query): boolean {
  for (const criterion of criteria) if (!criterion.holds(query)) return false
  return true
}

/** The names of those that do not hold. */
export function failuresOf(criteria: readonly Criterion[], query: Query): readonly string[] {
  return criteria.flatMap((criterion) =>
    criterion.holds(query) ? [] : (criterion.failures?.(query) ?? [criterion.name]),
  )
}
