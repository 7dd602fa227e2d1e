import { OutriderError } from '../lib/errors.ts'
import type { Violation } from './model.ts'
import {
  type SchemaRule,
  type StructuralSchema,
  type TextForm,
  textSchema,
  uniquenessRule,
  withRules,
} from './structural-schema.ts'
import { describe, unknownKey, unknownValue } from './violations.ts'

/** Takes what is wrong with a document. Gives `undefined`, so that a reader can return what it reports. */
export type Report = (violation: Violation) => undefined

/**
 * Reads a value of a document, whose field path is `field`: gives what the value stands for, or reports everything that is
 * wrong with it and gives `undefined`.
 */
export type Reading<T> = (value: unknown, field: string, report: Report) => T | undefined

/** A `Reading` that can also tell what it takes. */
export interface Reader<T> extends Reading<T> {
  readonly schema: StructuralSchema
}

/** `read` must belong to nobody else: it becomes the reader. */
export function reader<T>(schema: StructuralSchema, read: Reading<T>): Reader<T> {
  return Object.assign(read, { schema })
}

/** A field that may be absent, and then has `fallback` as its value, or is absent from the result as well. */
export interface Optional<T, Fallback> {
  readonly read: Reader<T>
  readonly fallback: Fallback
}

type Field = Reader<unknown> | Optional<unknown, unknown>
type Shape = Readonly<Record<string, Field>>
type ValueOf<F> = F extends Reader<infer T> ? T : F extends Optional<infer T, unknown> ? T : never
type MaybeAbsent<S extends Shape> = { [K in keyof S]: S[K] extends Optional<unknown, undefined> ? K : never }[keyof S]

/** What `object` reads. */
export type ObjectOf<S extends Shape> = { readonly [K in Exclude<keyof S, MaybeAbsent<S>>]: ValueOf<S[K]> } & {
  readonly [K in MaybeAbsent<S>]?: ValueOf<S[K]>
}

export function optional<T>(read: Reader<T>): Optional<T, undefined> {
  return { read, fallback: undefined }
}

export function withDefault<T>(read: Reader<T>, fallback: T): Optional<T, T> {
  return { read, fallback }
}

/** A mapping with these fields and no others. */
export function object<const S extends Shape>(shape: S): Reader<ObjectOf<S>> {
  const fields = Object.entries(shape)
  const known = Object.keys(shape)
  const required = fields.filter(([, spec]) => typeof spec === 'function').map(([key]) => key)
  const schema: StructuralSchema = {
    type: 'object',
    ...(required.length === 0 ? {} : { required }),
    properties: Object.fromEntries(
      fields.map(([key, spec]) => [key, (typeof spec === 'object' ? spec.read : spec).schema]),
    ),
  }
  return reader(schema, (value, field, report) => {
    if (!isMapping(value)) return mismatch('a mapping', value, field, report)
    const result: Record<string, unknown> = {}
    let whole = true
    for (const [key, spec] of fields) {
      const present = Object.hasOwn(value, key)
      if (!present && typeof spec === 'object') {
        if (spec.fallback !== undefined) result[key] = spec.fallback
        continue
      }
      const read = typeof spec === 'object' ? spec.read : spec
      const part = read(present ? value[key] : undefined, pathOf(field, key), report)
      if (part === undefined) whole = false
      else result[key] = part
    }
    for (const key of Object.keys(value)) {
      if (Object.hasOwn(shape, key)) continue
      whole = false
      report({ field: pathOf(field, key), code: 'field-unknown', message: unknownKey(key, known) })
    }
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- every field of the shape was read, or may be absent
    return whole ? (result as ObjectOf<S>) : undefined
  })
}

/** Of a list: entries with the same key are refused, but for those without one. */
export interface Unique<T> {
  readonly keyOf: (item: T) => string | number | undefined
  /** The same for the schema: given where it is cheap, and where the key is what the document says. */
  readonly rule?: SchemaRule
}

export const itself: Unique<string> = { keyOf: (item) => item, rule: uniquenessRule(undefined, false) }

/** As `itself`, for lists within lists and of long texts: their rule would be above the budget. */
export const itselfUnruled: Unique<string> = { keyOf: (item) => item }

/** By a field that every entry has. */
export function by<K extends string>(field: K): Unique<{ readonly [Field in K]: string | number }> {
  return { keyOf: (item) => item[field], rule: uniquenessRule(field, false) }
}

/** By a field that entries may have. */
export function byOptional<K extends string>(field: K): Unique<{ readonly [Field in K]?: string }> {
  return { keyOf: (item) => item[field], rule: uniquenessRule(field, true) }
}

export interface ListBounds<T> {
  /** 0 when not given. An empty list says nothing where "absent" says "everything". */
  readonly min?: 0 | 1
  readonly max: number
  readonly unique?: Unique<T>
}

export function list<T>(item: Reader<T>, { min = 0, max, unique }: ListBounds<T>): Reader<readonly T[]> {
  const bounds = { ...(min === 0 ? {} : { minItems: min }), maxItems: max }
  const schema: StructuralSchema = { type: 'array', ...bounds, items: item.schema }
  return reader(withRules(schema, unique?.rule === undefined ? [] : [unique.rule]), (value, field, report) => {
    if (!Array.isArray(value)) return mismatch('a list', value, field, report)
    if (value.length < min)
      return report({
        field,
        code: 'list-empty',
        message: 'an empty list matches nothing: leave it out, or give it an entry',
      })
    if (value.length > max) return report({ field, code: 'list-too-long', message: `has more than ${max} entries` })
    const items: T[] = []
    const seen = new Map<string | number, number>()
    for (const [index, entry] of value.entries()) {
      const read = item(entry, `${field}[${index}]`, report)
      if (read === undefined) continue
      const key = unique?.keyOf(read)
      const first = key === undefined ? undefined : seen.get(key)
      if (first === undefined) {
        items.push(read)
        if (key !== undefined) seen.set(key, index)
      } else
        report({ field: `${field}[${index}]`, code: 'duplicate', message: `${key} is the same as in entry ${first}` })
    }
    return items.length === value.length ? items : undefined
  })
}

/** A text of at most `max` characters that `parse` takes: gives what `parse` makes of it. All that it takes has the form `form`. */
export function parsed<T>(parse: (text: string) => T, max: number, form: TextForm = {}): Reader<T> {
  return reader(textSchema(max, form), (value, field, report) => {
    if (typeof value !== 'string') return mismatch('a text', value, field, report)
    if (value.length > max)
      return report({ field, code: 'string-too-long', message: `has more than ${max} characters` })
    try {
      return parse(value)
    } catch (error) {
      if (!(error instanceof OutriderError)) throw error
      return report({ field, code: error.code, message: error.message })
    }
  })
}

export const boolean: Reader<boolean> = reader({ type: 'boolean' }, (value, field, report) =>
  typeof value === 'boolean' ? value : mismatch('true or false', value, field, report),
)

/** A mapping with fields of any name, which another standard than ours defines: `what`, with its article, for the error. */
export function foreign<T extends object>(what: string, isRead: (value: unknown) => value is T): Reader<T> {
  return reader({ type: 'object', 'x-kubernetes-preserve-unknown-fields': true }, (value, field, report) =>
    isRead(value) ? value : mismatch(what, value, field, report),
  )
}

export function integer(min: number, max: number): Reader<number> {
  return reader({ type: 'integer', minimum: min, maximum: max }, (value, field, report) => {
    if (typeof value !== 'number' || !Number.isInteger(value)) return mismatch('a whole number', value, field, report)
    if (value < min) return report({ field, code: 'number-out-of-range', message: `must be at least ${min}` })
    if (value > max) return report({ field, code: 'number-out-of-range', message: `must be at most ${max}` })
    return value
  })
}

export function oneOf<const T extends string>(values: readonly T[]): Reader<T> {
  return reader({ type: 'string', enum: values }, (value, field, report) => {
    if (value === undefined) return missing(field, report)
    return values.find((known) => known === value) ?? report({ field, ...unknownValue(value, values) })
  })
}

/** What a second step says of its first step's schema. */
export interface Further {
  readonly minProperties?: number
  readonly rules?: readonly SchemaRule[]
  readonly description?: string
}

/** Reads with `read`, and makes something else of the result or finds fault with it; of the faults `further` says what it can. */
export function andThen<T, U>(
  read: Reader<T>,
  next: (value: T, field: string, report: Report) => U | undefined,
  { rules = [], ...more }: Further = {},
): Reader<U> {
  return reader(withRules({ ...read.schema, ...more }, rules), (value, field, report) => {
    const first = read(value, field, report)
    return first === undefined ? undefined : next(first, field, report)
  })
}

export function pathOf(field: string, key: string): string {
  return field === '' ? key : `${field}.${key}`
}

function isMapping(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function mismatch(wanted: string, value: unknown, field: string, report: Report): undefined {
  if (value === undefined) return missing(field, report)
  return report({ field, code: 'type-mismatch', message: `must be ${wanted}, not ${describe(value)}` })
}

function missing(field: string, report: Report): undefined {
  return report({ field, code: 'field-missing', message: 'is required' })
}
