/** Where the cause lies: the peer's or the user's input, something we depend on, or ourselves (a bug or our machine). */
export type ErrorSource = 'input' | 'dependency' | 'internal'

export interface ErrorDetails {
  /** Where in the input: a field path such as `spec.rules[0].from`, a file name, an option. */
  readonly place?: string
  readonly source?: ErrorSource
  /** May the same call succeed later without a change of its input? */
  readonly retryable?: boolean
  readonly cause?: unknown
}

/**
 * The base of every error that Outrider raises on purpose. `code` is stable and documented in
 * docs/reference/errors.md; the message is one line for a person.
 */
export class OutriderError<Code extends string = string> extends Error {
  override readonly name: string = 'OutriderError'
  readonly code: Code
  readonly place: string | undefined
  readonly source: ErrorSource
  readonly retryable: boolean

  constructor(code: Code, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause })
    this.code = code
    this.place = details.place
    this.source = details.source ?? 'input'
    this.retryable = details.retryable ?? false
  }
}

/** One line for a log or a terminal out of anything that was thrown: message, then the causes. */
export function describeError(thrown: unknown): string {
  const parts: string[] = []
  let current: unknown = thrown
  for (let depth = 0; depth < 5 && current !== undefined && current !== null; depth += 1) {
    if (!(current instanceof Error)) {
      parts.push(typeof current === 'string' ? current : JSON.stringify(current))
      break
    }
    const text = current.message === '' ? current.name : current.message
    if (parts.at(-1)?.includes(text) !== true) parts.push(text)
    current = current.cause
  }
  return parts.join(': ')
}
