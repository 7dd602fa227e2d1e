import { hash } from 'node:crypto'
import type { Clock } from '../../lib/clock.ts'
import { OutriderError } from '../../lib/errors.ts'
import { Fifo } from '../../lib/fifo.ts'
import type { AcceptedIntrospection, CompiledAuthentication } from '../../policy/authentication.ts'
import type { Logger } from '../../telemetry/log.ts'
import { type Refusal, type RefusalCode, refuse } from '../refusal.ts'
import type { BindingCheck } from './binding.ts'
import type { ClientSecrets } from './client-secrets.ts'
import type { Credential, CredentialContext, CredentialVerifier, Outcome } from './credential.ts'
import { FailureLog } from './failure-log.ts'
import { type IntrospectionAnswer, isRefusal, readAnswer } from './introspection-answers.ts'
import type { Providers } from './providers.ts'
import { RememberedAnswers } from './remembered-answers.ts'

export interface IntrospectionOptions {
  readonly providers: Pick<Providers, 'introspect'>
  readonly secrets: ClientSecrets
  readonly binding: BindingCheck
  readonly clock: Clock
  readonly log: Logger
  /** Questions under way at a time: this thread's part of the bound of the process. */
  readonly maxConcurrent: number
  readonly counted: (result: 'active' | 'inactive' | 'remembered' | 'refused' | 'failed') => void
}

/** One question about one token, and all requests that wait for its answer. */
interface Question {
  readonly key: string
  readonly accepted: AcceptedIntrospection
  readonly text: string
  readonly answer: Promise<IntrospectionAnswer>
  readonly settle: (answer: IntrospectionAnswer) => void
  /** Aborted when all who waited have left. */
  readonly given: AbortController
  waiting: number
}

/** Questions under way at a time in the process. */
export const MAX_INTROSPECTIONS = 64
/** Tokens that wait for their question, for each that is under way; requests with one more are refused at once. */
const QUEUE_FACTOR = 8
/** How long a token that is not active is remembered: one that is issued now may be shown a moment too early. */
const NEGATIVE_MS = 5000

/** Tokens that an authorization server is asked about (RFC 7662). Without an answer a token is not believed. */
export class IntrospectionVerifier implements CredentialVerifier {
  readonly #options: IntrospectionOptions
  readonly #failures: FailureLog
  readonly #remembered = new RememberedAnswers()
  readonly #questions = new Map<string, Question>()
  readonly #queue = new Fifo<Question>()
  #running = 0

  constructor(options: IntrospectionOptions) {
    this.#options = options
    this.#failures = new FailureLog(options.log, options.clock)
  }

  takes({ place }: Credential, _authentication: CompiledAuthentication): boolean {
    return place.introspection !== undefined
  }

  verify(credential: Credential, context: CredentialContext): Outcome | Promise<Outcome> {
    const accepted = credential.place.introspection!
    // A server that is asked as another client, or for another audience, may answer otherwise.
    const key = hash('sha256', JSON.stringify([accepted, credential.text]), 'base64')
    const remembered = this.#remembered.find(key, context.nowMs)
    if (remembered !== undefined) {
      this.#options.counted('remembered')
      return this.#finish(remembered, accepted, credential, context)
    }
    const question = this.#questions.get(key) ?? this.#ask(key, accepted, credential.text)
    if (question === undefined) {
      this.#options.counted('failed')
      return refuse('introspection-busy', {
        detail: `${this.#queue.size} tokens wait for ${this.#options.maxConcurrent} questions under way`,
      })
    }
    return this.#wait(question, credential, context)
  }

  async #wait(question: Question, credential: Credential, context: CredentialContext): Promise<Outcome> {
    const { clock } = this.#options
    const { accepted } = question
    question.waiting += 1
    const departure = context.departure()
    const late = Promise.withResolvers<IntrospectionAnswer>()
    const timer = clock.after(accepted.timeoutMs, () => {
      this.#options.counted('failed')
      late.resolve(refuse('introspection-timeout', { detail: `no answer within ${accepted.timeoutMs} ms` }))
    })
    const leave = (): void => late.resolve(refuse('introspection-timeout', { detail: 'the client has left' }))
    departure.addEventListener('abort', leave, { once: true })
    if (departure.aborted) leave()
    const answer = await Promise.race([question.answer, late.promise])
    timer.cancel()
    departure.removeEventListener('abort', leave)
    question.waiting -= 1
    if (question.waiting === 0) this.#abandon(question)
    return this.#finish(answer, accepted, credential, context)
  }

  #finish(
    answer: IntrospectionAnswer,
    accepted: AcceptedIntrospection,
    credential: Credential,
    context: CredentialContext,
  ): Outcome {
    if (isRefusal(answer)) return answer
    const { token, confirmation, headers } = answer
    const refusal = this.#options.binding.check(confirmation, accepted.binding, credential, context)
    return refusal ?? { kind: 'proven', token, forward: accepted.forward, headers }
  }

  #ask(key: string, accepted: AcceptedIntrospection, text: string): Question | undefined {
    const { maxConcurrent } = this.#options
    if (this.#running >= maxConcurrent && this.#queue.size >= maxConcurrent * QUEUE_FACTOR) return undefined
    const { promise: answer, resolve: settle } = Promise.withResolvers<IntrospectionAnswer>()
    const question: Question = { key, accepted, text, answer, settle, given: new AbortController(), waiting: 0 }
    this.#questions.set(key, question)
    if (this.#running < maxConcurrent) void this.#run(question)
    else this.#queue.push(question)
    return question
  }

  /** Nobody waits for it any more. */
  #abandon(question: Question): void {
    if (this.#questions.get(question.key) !== question) return
    this.#questions.delete(question.key)
    question.given.abort(new OutriderError('token-provider-timeout', 'nobody waits for the answer any more'))
    this.#queue.remove((other) => other === question)
  }

  async #run(question: Question): Promise<void> {
    const { clock } = this.#options
    this.#running += 1
    const answer = await this.#answerTo(question)
    this.#running -= 1
    if (this.#questions.get(question.key) === question) this.#questions.delete(question.key)
    const nowMs = clock.now()
    const untilMs = this.#rememberUntil(answer, question.accepted, nowMs)
    if (untilMs > nowMs) this.#remembered.add(question.key, answer, untilMs)
    question.settle(answer)
    const next = this.#queue.shift()
    if (next !== undefined) void this.#run(next)
  }

  /** What the server said. That it said nothing is not remembered. */
  #rememberUntil(answer: IntrospectionAnswer, { cacheMs }: AcceptedIntrospection, nowMs: number): number {
    if (!isRefusal(answer)) return Math.min(nowMs + cacheMs, answer.token.expiresAtMs)
    return answer.code.startsWith('introspection-') ? 0 : nowMs + Math.min(cacheMs, NEGATIVE_MS)
  }

  async #answerTo({ accepted, text, given }: Question): Promise<IntrospectionAnswer> {
    const { providers, secrets, clock, counted } = this.#options
    const { endpoint, clientId, clientSecret, timeoutMs } = accepted
    try {
      const authorization = basic(clientId, secrets.of(clientSecret))
      const body = await providers.introspect({ endpoint, authorization, token: text }, timeoutMs, given.signal)
      const answer = readAnswer(body, accepted, clock.now())
      counted(isRefusal(answer) ? (answer.code === 'token-inactive' ? 'inactive' : 'refused') : 'active')
      return answer
    } catch (error) {
      if (given.signal.aborted) return refuse('introspection-timeout')
      counted('failed')
      this.#failures.report(endpoint, error)
      return failed(error)
    }
  }
}

function failed(error: unknown): Refusal {
  const code: RefusalCode =
    error instanceof OutriderError && error.code === 'token-provider-timeout'
      ? 'introspection-timeout'
      : error instanceof OutriderError && error.code === 'token-provider-response'
        ? 'introspection-malformed'
        : 'introspection-unavailable'
  return refuse(code, { detail: error instanceof Error ? error.message : String(error) })
}

/** RFC 6749, 2.3.1: both are form-encoded before they are joined. */
function basic(clientId: string, secret: string): string {
  return `Basic ${Buffer.from(`${formEncoded(clientId)}:${formEncoded(secret)}`).toString('base64')}`
}

function formEncoded(text: string): string {
  return new URLSearchParams({ '': text }).toString().slice(1)
}
