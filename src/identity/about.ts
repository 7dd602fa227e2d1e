import { OutriderError } from '../lib/errors.ts'

/**
 * Runs `check`. What it complains of starts with a verb ("has no key usage"); `subject` is put before it, since only the
 * caller knows whether it is the leaf, the root or a request.
 */
export function about<T>(subject: string, check: () => T): T {
  try {
    return check()
  } catch (thrown) {
    if (!(thrown instanceof OutriderError)) throw thrown
    throw new OutriderError(thrown.code, `${subject} ${thrown.message}`, { cause: thrown })
  }
}

/** Text of a stranger for a message: one line of ASCII, so that it breaks neither a log nor a terminal, and cut. */
export function quote(text: string): string {
  return JSON.stringify(text.length > 100 ? `${text.slice(0, 100)}...` : text).replaceAll(
    /[^ -~]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}
