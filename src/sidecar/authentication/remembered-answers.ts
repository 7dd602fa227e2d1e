import type { IntrospectionAnswer } from './introspection-answers.ts'
import { isRefusal } from './introspection-answers.ts'
import { BoundedCache } from './bounded-cache.ts'

const MAX_BYTES = 16 * 1024 * 1024
/** An entry without what the server said. */
const ENTRY_BYTES = 256

/** What authorization servers said a moment ago, by a digest of the token and of how it was asked about. */
export class RememberedAnswers {
  readonly #answers = new BoundedCache<IntrospectionAnswer>(MAX_BYTES)

  get size(): number {
    return this.#answers.size
  }

  find(key: string, nowMs: number): IntrospectionAnswer | undefined {
    return this.#answers.find(key, nowMs)
  }

  add(key: string, answer: IntrospectionAnswer, untilMs: number): void {
    const bytes = ENTRY_BYTES + (isRefusal(answer) ? 0 : JSON.stringify(answer.token.claims).length)
    this.#answers.add(key, answer, untilMs, bytes)
  }
}
