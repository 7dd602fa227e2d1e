import type { Query } from './query.ts'
import type { Truth } from './truth.ts'

/** One named condition of a compiled rule, for its action. */
export interface Criterion {
  /** Its field below the entry that it is of: `spiffeIds`, `notPaths`. */
  readonly name: string
  /** About something that a TCP connection does not have. */
  readonly layer7: boolean
  /** How many comparisons it takes at most: sets count as one, lists by their length. */
  readonly checks: number
  /** What is unknown is taken as the action of the rule says. */
  holds(query: Query): boolean
  /** Of a criterion that stands for several fields: those that do not hold, when it does not. */
  failures?(query: Query): readonly string[]
}

export interface CriterionForm {
  readonly name: string
  readonly layer7?: boolean
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
export type Member<T> = (values: T, query: Query) => Truth | undefined

/**
 * A list of values. Most criteria are such, and there may be tens of thousands: an object of one shape without closures takes
 * a third of the memory, which decisions have to read.
 */
class ListCriterion<T> implements Criterion {
  readonly name: string
  readonly layer7: boolean
  readonly checks: number
  readonly #onUnknown: boolean
  readonly #negated: boolean
  readonly #values: T
  readonly #member: Member<T>

  constructor(
    { name, layer7 = false, checks = 1, onUnknown }: CriterionForm,
    negated: boolean,
    values: T,
    member: Member<T>,
  ) {
    this.name = name
    this.layer7 = layer7
    this.checks = checks
    this.#onUnknown = onUnknown
    this.#negated = negated
    this.#values = values
    this.#member = member
  }

  holds(query: Query): boolean {
    if (this.layer7 && query.isConnection) return this.#onUnknown
    const is = this.#member(this.#values, query)
    if (is === true) return !this.#negated
    if (is === false) return this.#negated
    // What is absent is in no list; whether it is in none of a `not...` list is unknown.
    return is === undefined && !this.#negated ? false : this.#onUnknown
  }
}

/** A list of values, or a `not...` list: see `Criterion.holds` for what is absent or unknown. */
export function listCriterion<T>(form: CriterionForm, negated: boolean, values: T, member: Member<T>): Criterion {
  return new ListCriterion(form, negated, values, member)
}

export function allHold(criteria: readonly Criterion[], query: Query): boolean {
  // By index: an iterator is half of the time that a decision takes.
  for (let at = 0; at < criteria.length; at += 1) if (!criteria[at]!.holds(query)) return false
  return true
}

/** The names of those that do not hold. */
export function failuresOf(criteria: readonly Criterion[], query: Query): readonly string[] {
  return criteria.flatMap((criterion) =>
    criterion.holds(query) ? [] : (criterion.failures?.(query) ?? [criterion.name]),
  )
}
