import type { IntrospectionAnswer } from './introspection-answers.ts'
import { isRefusal } from './introspection-answers.ts'

interface Entry {
  readonly answer: IntrospectionAnswer
  readonly untilMs: number
  readonly bytes: number
}

const MAX_ENTRIES = 4096
const MAX_BYTES = 16 * 1024 * 1024
/** An entry without what the server said. */
const ENTRY_BYTES = 256

/** What authorization servers said a moment ago, by a digest of the token and of how it was asked about. */
export class RememberedAnswers {
  readonly #entries = new Map<string, Entry>()
  #bytes = 0

  get size(): number {
    return this.#entries.size
  }

  find(key: string, nowMs: number): IntrospectionAnswer | undefined {
    const entry = this.#entries.get(key)
    return entry !== undefined && nowMs < entry.untilMs ? entry.answer : undefined
  }

  add(key: string, answer: IntrospectionAnswer, untilMs: number): void {
    const bytes = ENTRY_BYTES + (isRefusal(answer) ? 0 : JSON.stringify(answer.token.claims).length)
    this.#delete(key)
    // The oldest first.
    for (const oldest of this.#entries.keys()) {
      if (this.#entries.size < MAX_ENTRIES && this.#bytes + bytes <= MAX_BYTES) break
      this.#delete(oldest)
    }
    this.#entries.set(key, { answer, untilMs, bytes })
    this.#bytes += bytes
  }

  #delete(key: string): void {
    this.#bytes -= this.#entries.get(key)?.bytes ?? 0
    this.#entries.delete(key)
  }
}
