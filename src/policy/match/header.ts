import { OutriderError } from '../../lib/errors.ts'
import type { Truth } from '../truth.ts'
import { matchesNoValue, matchesSomeValue, matchesValue, type ValueMatcher } from './value.ts'

/** RFC 9110, section 5.1, in lower case. */
export const headerNameForm: RegExp = /^[a-z0-9!#$%&'*+.^_`|~-]+$/

/** Reads a field name in lower case (RFC 9110, section 5.1). Throws an `OutriderError` with `header-malformed`. */
export function parseHeaderName(text: string): string {
  if (headerNameForm.test(text)) return text
  throw new OutriderError(
    'header-malformed',
    `not the name of a header in lower case: ${JSON.stringify(text.slice(0, 100))}`,
  )
}

/** The values of a header, in order. `headers` has names, in lower case, and values in turn. */
export function headerValues(headers: readonly string[], name: string): readonly string[] {
  const values: string[] = []
  for (let at = 0; at < headers.length; at += 2) if (headers[at] === name) values.push(headers[at + 1]!)
  return values
}

/**
 * Whether the values of a header match. Of several, each has to: which one the application would take is not known, so that it is
 * unknown when some match and others do not. A client can neither get past a DENY rule nor into an ALLOW rule by sending a second
 * one. Of `cookie` the values are its pairs, `name=value` (RFC 6265, section 5.4): see `matchesCookies`.
 */
export function matchesHeader(name: string, matcher: ValueMatcher, headers: readonly string[]): Truth {
  const values = headerValues(headers, name)
  if (values.length === 0) return matchesNoValue(matcher)
  if (name === 'cookie') return matchesCookies(matcher, values)
  let all: Truth | undefined
  for (const value of values) {
    const truth = matchesValue(matcher, value)
    if (all !== undefined && all !== truth) return 'unknown'
    all = truth
  }
  return all!
}

/**
 * Cookies are a list: one pair has to match, and none may be in `notValues`. It is unknown when a second cookie of the same name
 * differs from the one that matches. HTTP/2 may send each pair as a field of its own (RFC 9113, section 8.2.3).
 */
function matchesCookies(matcher: ValueMatcher, values: readonly string[]): Truth {
  const pairs = values.flatMap((value) =>
    value
      .split(';')
      .map((pair) => pair.trim())
      .filter(Boolean),
  )
  if (pairs.length === 0) return matchesNoValue(matcher)
  const truth = matchesSomeValue(matcher, pairs, true)
  if (truth !== true || (matcher.values === undefined && matcher.matches === undefined)) return truth
  // Without a match among the cookies whose name occurs once, there are only those that another one contradicts.
  const once = new Map<string, string>()
  const twice = new Set<string>()
  for (const pair of pairs) {
    const name = pair.split('=', 1)[0]!
    if (once.has(name) && once.get(name) !== pair) twice.add(name)
    once.set(name, pair)
  }
  for (const name of twice) once.delete(name)
  return matchesSomeValue(matcher, [...once.values()], true) === true ? true : 'unknown'
}
