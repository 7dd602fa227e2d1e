import { type Criterion, type CriterionForm, listCriterion, type Member } from '../criterion.ts'
import { parseList, type Violations } from '../parse-list.ts'

/** A list of conditions and its negation, by their names in a rule. */
export interface ListForm<Value, Parsed, T> {
  readonly name: string
  readonly negation: string
  readonly layer7?: true
  parse(value: Value): Parsed
  collect(parsed: readonly Parsed[]): T
  /** How many comparisons it takes at most; absent: one. */
  checks?(values: T): number
  readonly member: Member<T>
  /** A criterion that says the same with less to look at, where there is one. */
  shorter?(form: CriterionForm, negated: boolean, values: T): Criterion | undefined
}

/** A list that was compiled. */
export interface CompiledList<T> {
  readonly values: T
  readonly criterion: Criterion
}

/**
 * Conditions on the same values are compiled once: thousands of rules ask for the same methods, ports and namespaces. Lives as long
 * as one compilation.
 */
export class SharedLists {
  readonly #made = new Map<string, unknown>()

  /** `key` tells everything that it is made of. */
  get<T>(key: string, make: () => T | undefined): T | undefined {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the key begins with the name, and each has one type
    const known = this.#made.get(key) as T | undefined
    if (known !== undefined) return known
    const made = make()
    if (made !== undefined) this.#made.set(key, made)
    return made
  }
}

/** Longer lists are seldom the same. */
const MOST_SHARED = 8

/** Compiles the lists of one entry of a rule, and gathers their criteria. */
export class ListCompiler {
  readonly criteria: Criterion[] = []
  readonly #field: string
  readonly #onUnknown: boolean
  readonly #violations: Violations
  readonly #shared: SharedLists

  constructor(field: string, onUnknown: boolean, violations: Violations, shared: SharedLists) {
    this.#field = field
    this.#onUnknown = onUnknown
    this.#violations = violations
    this.#shared = shared
  }

  /** Gives the values of the list itself. `scope` tells what `form` depends on beside the values. */
  add<Value, Parsed, T>(
    form: ListForm<Value, Parsed, T>,
    list: readonly Value[] | undefined,
    negated: readonly Value[] | undefined,
    scope = '',
  ): T | undefined {
    const values = list === undefined ? undefined : this.#compile(form, list, false, scope)
    if (negated !== undefined) this.#compile(form, negated, true, scope)
    return values
  }

  #compile<Value, Parsed, T>(
    form: ListForm<Value, Parsed, T>,
    list: readonly Value[],
    negated: boolean,
    scope: string,
  ): T | undefined {
    const name = negated ? form.negation : form.name
    const make = (): CompiledList<T> | undefined => this.#make(form, name, list, negated)
    const compiled =
      list.length > MOST_SHARED ? make() : this.#shared.get(JSON.stringify([name, this.#onUnknown, scope, list]), make)
    if (compiled === undefined) return undefined
    this.criteria.push(compiled.criterion)
    return compiled.values
  }

  /** `undefined` when a value cannot be read. */
  #make<Value, Parsed, T>(
    form: ListForm<Value, Parsed, T>,
    name: string,
    list: readonly Value[],
    negated: boolean,
  ): CompiledList<T> | undefined {
    const before = this.#violations.length
    const parsed = parseList(list, `${this.#field}.${name}`, (value) => form.parse(value), this.#violations)
    if (parsed === undefined || this.#violations.length > before) return undefined
    const values = form.collect(parsed)
    const { layer7, member } = form
    const checks = form.checks?.(values) ?? 1
    const criterionForm: CriterionForm = {
      name,
      onUnknown: this.#onUnknown,
      checks,
      ...(layer7 === undefined ? {} : { layer7 }),
    }
    const criterion =
      form.shorter?.(criterionForm, negated, values) ?? listCriterion(criterionForm, negated, values, member)
    return { values, criterion }
  }
}

export function toSet<T>(values: readonly T[]): ReadonlySet<T> {
  return new Set(values)
}

export function itself<T>(value: T): T {
  return value
}
