import { nearest } from '../lib/nearest.ts'

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
  return meant === undefined
    ? `is not known here; there are ${known.join(', ')}`
    : `is not known here; did you mean ${meant}?`
}

export function unknownValue(value: unknown, known: readonly string[]): { code: string; message: string } {
  const meant = typeof value === 'string' ? nearest(value, known) : undefined
  const hint = meant === undefined ? `must be ${known.join(' or ')}` : `did you mean ${meant}?`
  return { code: 'value-unknown', message: `is ${describe(value)}; ${hint}` }
}
