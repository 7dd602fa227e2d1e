const HIDDEN = '[secret]'

/**
 * A value that no log line, error or dump shows: `inspect` does not see private fields, and texts and JSON get a
 * placeholder. Only `reveal` gives it, at the one place that needs it.
 */
export class Secret {
  readonly #value: string

  constructor(value: string) {
    this.#value = value
  }

  reveal(): string {
    return this.#value
  }

  toString(): string {
    return HIDDEN
  }

  toJSON(): string {
    return HIDDEN
  }
}
