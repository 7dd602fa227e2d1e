import { OutriderError } from '../lib/errors.ts'
import type { Violation } from './model.ts'

/** Where violations go while a resource is compiled. */
export type Violations = Violation[]

/** An empty list would match everything where its author may have meant nothing: it is refused. */
export function parseEntries<From extends object, To>(
  list: readonly From[] | undefined,
  field: string,
  violations: Violations,
  compile: (entry: From, field: string) => To,
): readonly To[] | undefined {
  if (list?.length === 0) violations.push(emptyList(field))
  return list?.map((entry, index) => {
    const at = `${field}[${index}]`
    if (Object.values(entry).every((value) => value === undefined))
      violations.push({ field: at, code: 'entry-empty', message: 'an entry without a condition matches everything' })
    return compile(entry, at)
  })
}

/** Every value of a list through its parser; each failure is one violation. */
export function parseList<From, To>(
  values: readonly From[] | undefined,
  field: string,
  parse: (value: From) => To,
  violations: Violations,
): readonly To[] | undefined {
  if (values?.length === 0) violations.push(emptyList(field))
  return values?.flatMap((value, index) => {
    const parsed = parseOne(value, `${field}[${index}]`, parse, violations)
    return parsed === undefined ? [] : [parsed]
  })
}

/** One value through its parser; `undefined` when it fails, which is one violation. */
export function parseOne<From, To>(
  value: From,
  field: string,
  parse: (value: From) => To,
  violations: Violations,
): To | undefined {
  try {
    return parse(value)
  } catch (error) {
    if (!(error instanceof OutriderError)) throw error
    violations.push({ field, code: error.code, message: error.message })
    return undefined
  }
}

function emptyList(field: string): Violation {
  return { field, code: 'list-empty', message: 'an empty list matches nothing: leave it out to match everything' }
}

export function setOf<T>(values: readonly T[] | undefined): ReadonlySet<T> | undefined {
  return values === undefined ? undefined : new Set(values)
}
