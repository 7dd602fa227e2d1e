import type { z } from 'zod'
import { nearest } from '../lib/nearest.ts'
import { unreachable } from '../lib/unreachable.ts'
import type { Violation } from './model.ts'

/** What the schema library found, in our codes and words. */
export function violationsOf(issue: z.core.$ZodIssue): readonly Violation[] {
  const field = fieldPath(issue.path)
  if (issue.code === 'unrecognized_keys') {
    const hints = issue.message.split('\n')
    return issue.keys.map((key, index) => ({
      field: fieldPath([...issue.path, key]),
      code: 'field-unknown',
      message: hints[index] ?? 'is not known here',
    }))
  }
  return [{ field, ...explain(issue) }]
}

function explain(issue: z.core.$ZodIssue): { code: string; message: string } {
  if (issue.input === undefined && issue.code !== 'custom') return { code: 'field-missing', message: 'is required' }
  switch (issue.code) {
    case 'invalid_type':
      return {
        code: 'type-mismatch',
        message: `must be ${typeNames[issue.expected] ?? issue.expected}, not ${describe(issue.input)}`,
      }
    case 'invalid_value':
      return unknownValue(issue.input, issue.values.map(String))
    case 'too_small':
      if (issue.origin === 'array')
        return { code: 'list-empty', message: 'an empty list matches nothing: leave it out, or give it an entry' }
      return { code: 'number-out-of-range', message: `must be at least ${issue.minimum}` }
    case 'too_big':
      if (issue.origin === 'array') return { code: 'list-too-long', message: `has more than ${issue.maximum} entries` }
      if (issue.origin === 'string')
        return { code: 'string-too-long', message: `has more than ${issue.maximum} characters` }
      return { code: 'number-out-of-range', message: `must be at most ${issue.maximum}` }
    case 'custom':
      return { code: String(issue.params?.['code']), message: issue.message }
    case 'invalid_element':
    case 'invalid_format':
    case 'invalid_key':
    case 'invalid_union':
    case 'not_multiple_of':
    case 'unrecognized_keys':
      return { code: 'value-malformed', message: issue.message }
    default:
      return unreachable(issue)
  }
}

const typeNames: Readonly<Record<string, string>> = {
  int: 'a whole number',
  number: 'a number',
  string: 'a text',
  array: 'a list',
  object: 'a mapping',
}

/** A value of any type, for a message. */
export function describe(value: unknown): string {
  if (value === null || value === undefined) return 'nothing'
  if (Array.isArray(value)) return 'a list'
  if (typeof value === 'object') return 'a mapping'
  return typeof value === 'string' ? `the text ${JSON.stringify(value.slice(0, 100))}` : JSON.stringify(value)
}

/** The hint for a key that an object does not have; one line. */
export function unknownKey(key: string, known: readonly string[]): string {
  const meant = nearest(key, known)
  // The key stands in the field path; a line break in the hint would shift the hints after it.
  return meant === undefined
    ? `is not known here; there are ${known.join(', ')}`
    : `is not known here; did you mean ${meant}?`
}

export function unknownValue(value: unknown, known: readonly string[]): { code: string; message: string } {
  const meant = typeof value === 'string' ? nearest(value, known) : undefined
  const hint = meant === undefined ? `must be ${known.join(' or ')}` : `did you mean ${meant}?`
  return { code: 'value-unknown', message: `is ${describe(value)}; ${hint}` }
}

function fieldPath(path: readonly PropertyKey[]): string {
  return path.reduce<string>(
    (field, key) => (typeof key === 'number' ? `${field}[${key}]` : `${field}${field === '' ? '' : '.'}${String(key)}`),
    '',
  )
}
