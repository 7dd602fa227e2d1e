import { OutriderError } from '../../lib/errors.ts'
import type { ValueMatch } from '../model.ts'
import { both, not, type Truth } from '../truth.ts'
import { matchesRegex, type Regex } from './regex.ts'

/** A set of texts, some of them by their beginning or end. */
export interface ValueSet {
  readonly any: boolean
  readonly exact: ReadonlySet<string>
  readonly prefixes: readonly string[]
  readonly suffixes: readonly string[]
}

/** A `ValueMatch`, compiled; an absent part holds. */
export interface ValueMatcher {
  readonly values: ValueSet | undefined
  readonly notValues: ValueSet | undefined
  readonly matches: readonly Regex[] | undefined
}

/** At most one star, at the beginning or at the end. */
export const valueForm: RegExp = /^(?:\*?[^*]*|[^*]*\*)$/

/** Reads a whole text, `prefix*`, `*suffix` or `*`. Throws an `OutriderError` with `value-pattern-star`. */
export function parseValuePattern(text: string): string {
  if (valueForm.test(text)) return text
  throw new OutriderError(
    'value-pattern-star',
    `one star, at the beginning or at the end; for more use matches: ${JSON.stringify(text.slice(0, 100))}`,
  )
}

export function valueSetOf(patterns: readonly string[]): ValueSet {
  const exact = new Set<string>()
  const prefixes: string[] = []
  const suffixes: string[] = []
  let any = false
  for (const pattern of patterns)
    if (pattern === '*') any = true
    else if (pattern.startsWith('*')) suffixes.push(pattern.slice(1))
    else if (pattern.endsWith('*')) prefixes.push(pattern.slice(0, -1))
    else exact.add(pattern)
  return { any, exact, prefixes, suffixes }
}

export function inValueSet({ any, exact, prefixes, suffixes }: ValueSet, text: string): boolean {
  return (
    any ||
    exact.has(text) ||
    prefixes.some((prefix) => text.startsWith(prefix)) ||
    suffixes.some((suffix) => text.endsWith(suffix))
  )
}

/** Patterns that `parseValuePattern` took, and `matches` compiled. */
export function valueMatcherOf(
  { values, notValues }: Pick<ValueMatch, 'values' | 'notValues'>,
  matches: readonly Regex[] | undefined,
): ValueMatcher {
  return {
    values: values === undefined ? undefined : valueSetOf(values),
    notValues: notValues === undefined ? undefined : valueSetOf(notValues),
    matches,
  }
}

/** Of something that has one value. */
export function matchesValue(matcher: ValueMatcher, text: string): Truth {
  return both(wanted(matcher, text), matcher.notValues === undefined || !inValueSet(matcher.notValues, text))
}

/**
 * Of something that has a list of values: one of them has to match, and none may be in `notValues`. `whole`: every entry could be
 * read as a text; else there is no telling that none is.
 */
export function matchesSomeValue(matcher: ValueMatcher, texts: readonly string[], whole: boolean): Truth {
  const { values, notValues, matches } = matcher
  const excluded =
    notValues === undefined ? false : texts.some((text) => inValueSet(notValues, text)) || (!whole && 'unknown')
  if (values === undefined && matches === undefined) return not(excluded)
  let found: Truth = false
  for (const text of texts) {
    const truth = wanted(matcher, text)
    if (truth !== false) found = truth
    if (found === true) break
  }
  return both(found, not(excluded))
}

/** Of something that is not there: it is in no list, and whether it is in none of a list is unknown. */
export function matchesNoValue({ values, matches }: ValueMatcher): Truth {
  return values !== undefined || matches !== undefined ? false : 'unknown'
}

function wanted({ values, matches }: ValueMatcher, text: string): Truth {
  if (values !== undefined && !inValueSet(values, text)) return false
  if (matches === undefined) return true
  let found: Truth = false
  for (const regex of matches) {
    const truth = matchesRegex(regex, text)
    if (truth === true) return true
    if (truth === 'unknown') found = truth
  }
  return found
}
