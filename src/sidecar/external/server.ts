import type { Clock } from '../../lib/clock.ts'
import { describeError, OutriderError } from '../../lib/errors.ts'
import type { CompiledExternal } from '../../policy/external.ts'
import type { AuthorizationClient } from '../../rpc/authorization.ts'
import type { Logger } from '../../telemetry/log.ts'
import type { sidecarMetrics } from '../../telemetry/names.ts'
import type { MetricsOf } from '../../telemetry/registry.ts'
import type { CheckRequest } from '../../wire/envoy/service/auth/v3/CheckRequest.ts'
import type { CheckResponse__Output } from '../../wire/envoy/service/auth/v3/CheckResponse.ts'
import { type Answer, readAnswer } from './answer.ts'

/** Why there is no answer that could be followed; the refusal of the request, where that is what follows. */
export interface NoAnswer {
  readonly kind: 'none'
  readonly code: 'external-timeout' | 'external-unavailable' | 'external-overloaded' | 'external-malformed'
  readonly detail: string
}

export interface ExternalServerParts {
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: Pick<MetricsOf<typeof sidecarMetrics>, 'externalChecks' | 'externalCheckDuration'>
  /** Loaded when the first server is asked: most sidecars ask nobody. */
  readonly connect: (server: CompiledExternal) => Promise<AuthorizationClient>
  /** Questions to one server that may be under way. */
  readonly maxQuestions: number
}

/** Failures are logged so often, and then counted. */
const LOG_EVERY_MS = 10_000

/** One external authorization server, with a bound on what is asked at once: there is no queue, who finds no room is refused. */
export class ExternalServer {
  readonly #server: CompiledExternal
  readonly #parts: ExternalServerParts
  readonly #client: Promise<AuthorizationClient>
  #connected: AuthorizationClient | undefined
  #asked = 0
  #failedAt = Number.NEGATIVE_INFINITY
  #unsaid = 0
  #closed = false

  constructor(server: CompiledExternal, parts: ExternalServerParts) {
    this.#server = server
    this.#parts = parts
    this.#client = this.#open()
    // Who asks hears of it.
    this.#client.catch(() => {})
  }

  /**
   * Resolves, and never rejects, within the time that the server has: with an answer, without one, or with `undefined` when
   * `departure` says that nobody waits any more. `claims`: as for `readAnswer`.
   */
  async ask(
    question: CheckRequest,
    claims: ReadonlySet<string>,
    departure: AbortSignal,
  ): Promise<Answer | NoAnswer | undefined> {
    const { clock, metrics, maxQuestions } = this.#parts
    if (this.#asked >= maxQuestions) {
      const detail = `${maxQuestions} questions are under way, and that is the limit`
      return this.#without({ kind: 'none', code: 'external-overloaded', detail })
    }
    this.#asked += 1
    const started = clock.monotonic()
    try {
      const outcome = await this.#answerTo(question, departure)
      if (outcome === undefined) return undefined
      if ('code' in outcome) return this.#without(outcome)
      const answer = readAnswer(outcome, claims)
      if (answer.kind === 'malformed') {
        return this.#without({ kind: 'none', code: 'external-malformed', detail: answer.why })
      }
      this.#count(answer.kind)
      return answer
    } finally {
      this.#asked -= 1
      metrics.externalCheckDuration.observe((clock.monotonic() - started) / 1000)
    }
  }

  /** A request goes on although nobody has allowed it. */
  passed(): void {
    this.#count('allowed-without-answer')
  }

  reconnect(): void {
    this.#connected?.reconnect()
  }

  close(): void {
    this.#closed = true
    this.#connected?.close()
  }

  async #open(): Promise<AuthorizationClient> {
    const client = await this.#parts.connect(this.#server)
    this.#connected = client
    if (this.#closed) client.close()
    return client
  }

  async #answerTo(
    question: CheckRequest,
    departure: AbortSignal,
  ): Promise<CheckResponse__Output | NoAnswer | undefined> {
    const { clock } = this.#parts
    const { timeoutMs } = this.#server
    const { promise, resolve } = Promise.withResolvers<CheckResponse__Output | NoAnswer | undefined>()
    const leave = (): void => resolve(undefined)
    const timer = clock.after(timeoutMs, () =>
      resolve({ kind: 'none', code: 'external-timeout', detail: `no answer within ${timeoutMs} ms` }),
    )
    departure.addEventListener('abort', leave, { once: true })
    if (departure.aborted) leave()
    const asked = this.#send(question, resolve)
    try {
      return await promise
    } finally {
      timer.cancel()
      departure.removeEventListener('abort', leave)
      void asked.then(takeBack)
    }
  }

  /** Resolves with what takes the question back; an answer that is there is left alone by that. */
  async #send(
    question: CheckRequest,
    answered: (outcome: CheckResponse__Output | NoAnswer) => void,
  ): Promise<() => void> {
    try {
      const client = await this.#client
      return client.check(question, this.#server.timeoutMs, (error, response) => answered(response ?? noAnswer(error)))
    } catch (thrown) {
      answered(noAnswer(thrown))
      return () => {}
    }
  }

  #without(none: NoAnswer): NoAnswer {
    const { clock, log } = this.#parts
    const { code, detail } = none
    this.#count(resultOf[code])
    this.#unsaid += 1
    if (clock.monotonic() - this.#failedAt < LOG_EVERY_MS) return none
    this.#failedAt = clock.monotonic()
    const failures = this.#unsaid
    this.#unsaid = 0
    const { label, address, onFailure } = this.#server
    log.error({ server: label, address, code, detail, failures, onFailure }, 'external authorization: no answer')
    return none
  }

  #count(result: Result): void {
    this.#parts.metrics.externalChecks.with({ server: this.#server.label, result }).inc()
  }
}

type Result = (typeof sidecarMetrics.externalChecks.labels.result)[number]

const resultOf = {
  'external-timeout': 'timeout',
  'external-unavailable': 'unavailable',
  'external-overloaded': 'overloaded',
  'external-malformed': 'malformed',
} as const satisfies Record<NoAnswer['code'], Result>

function noAnswer(thrown: unknown): NoAnswer {
  const late = thrown instanceof OutriderError && thrown.code === 'rpc-deadline-exceeded'
  return { kind: 'none', code: late ? 'external-timeout' : 'external-unavailable', detail: describeError(thrown) }
}

function takeBack(question: () => void): void {
  question()
}
