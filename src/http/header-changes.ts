import type { Headers } from './headers.ts'
import { NOT_TOKEN, tokenClass, valueByte } from './syntax.ts'

/** What becomes of one header field. */
export interface HeaderChange {
  /** In lower case. */
  readonly name: string
  readonly value: string
  readonly how: 'append' | 'add-if-absent' | 'overwrite-or-add' | 'overwrite-if-exists'
}

/** A token (RFC 9110 section 5.6.2) in lower case. */
export function isFieldName(name: string): boolean {
  return name !== '' && name === name.toLowerCase() && every(name, (code) => tokenClass[code] !== NOT_TOKEN)
}

/** RFC 9110 section 5.5, with nothing white around it. */
export function isFieldValue(value: string): boolean {
  return value === value.trim() && every(value, (code) => valueByte[code] === 1)
}

function every(text: string, holds: (code: number) => boolean): boolean {
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at)
    if (code > 0xff || !holds(code)) return false
  }
  return true
}

/** `headers` without those in `removed` (lower case), and then with `changes`, one after the other. */
export function changeHeaders(
  headers: Headers,
  changes: readonly HeaderChange[],
  removed: ReadonlySet<string> = new Set(),
): Headers {
  let current = removed.size === 0 ? headers : without(headers, (name) => removed.has(name))
  for (const { name, value, how } of changes) {
    const present = has(current, name)
    if (how === 'append' || !present) {
      if (how !== 'overwrite-if-exists') current = [...current, name, value]
    } else if (how !== 'add-if-absent') current = [...without(current, (other) => other === name), name, value]
  }
  return current
}

function has(headers: Headers, name: string): boolean {
  for (let index = 0; index < headers.length; index += 2) if (headers[index] === name) return true
  return false
}

function without(headers: Headers, gone: (name: string) => boolean): string[] {
  const kept: string[] = []
  for (let index = 0; index < headers.length; index += 2) {
    if (!gone(headers[index]!)) kept.push(headers[index]!, headers[index + 1]!)
  }
  return kept
}
