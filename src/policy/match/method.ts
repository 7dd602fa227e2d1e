import { OutriderError } from '../../lib/errors.ts'

const standard = new Set(['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE', 'PATCH'])

/** RFC 9110, section 5.6.2. */
export const methodForm: RegExp = /^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/

/** An HTTP method as it stands in a rule. Methods are case-sensitive (RFC 9110, section 9.1). */
export function parseMethod(text: string): string {
  if (!methodForm.test(text)) throw new OutriderError('method-malformed', `not an HTTP method: ${JSON.stringify(text)}`)
  if (!standard.has(text) && standard.has(text.toUpperCase()))
    throw new OutriderError('method-case', `methods are case-sensitive: did you mean ${text.toUpperCase()}?`)
  return text
}
