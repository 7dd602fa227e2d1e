import type * as re2 from 're2js'
import { OutriderError } from '../../lib/errors.ts'
import { loadPackage } from '../../lib/load-package.ts'
import type { Truth } from '../truth.ts'

export type Regex = re2.RE2JS

/** Most instructions of a compiled expression: what a character costs at worst, and what an expression takes in memory. */
export const MAX_REGEX_PROGRAM = 1000
/** Most characters of a text that expressions are tried on. Whether a longer one matches is unknown. */
export const MAX_REGEX_TEXT = 4096
/**
 * Most characters times instructions: what a match costs at worst, at some 50 ns for each. Whether a text above it matches is
 * unknown.
 */
export const MAX_REGEX_WORK = 200_000
/** Most expressions of one policy. Each keeps up to 8 MB of states that texts have led it to. */
export const MAX_REGEXES = 32

/**
 * Compiles a regular expression of RE2, whose time is linear in the text whatever the expression is. Throws an `OutriderError`
 * with `regex-malformed` or `regex-too-large`.
 */
export function compileRegex(text: string): Regex {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what the package's own declarations say
  const { RE2JS } = loadPackage('re2js') as typeof re2
  let regex: Regex
  try {
    regex = RE2JS.compile(text)
  } catch (cause) {
    const message = cause instanceof Error ? cause.message.replace('error parsing regexp: ', '') : String(cause)
    throw new OutriderError('regex-malformed', `not a regular expression of RE2: ${message.slice(0, 200)}`, { cause })
  }
  const size = regex.programSize()
  if (size > MAX_REGEX_PROGRAM)
    throw new OutriderError(
      'regex-too-large',
      `compiles to ${size} instructions, and ${MAX_REGEX_PROGRAM} are the most (MAX_REGEX_PROGRAM): bound its repetitions lower`,
    )
  return regex
}

/** Whether it matches the text as a whole. */
export function matchesRegex(regex: Regex, text: string): Truth {
  return isTooMuch(regex, text) ? 'unknown' : regex.matches(text)
}

/** Nobody may be made to wait for so much. */
export function isTooMuch(regex: Regex, text: string): boolean {
  return text.length > MAX_REGEX_TEXT || text.length * regex.programSize() > MAX_REGEX_WORK
}
