import { Worker } from 'node:worker_threads'
import type { Clock, Timer } from '../../lib/clock.ts'
import { OutriderError } from '../../lib/errors.ts'
import { unreachable } from '../../lib/unreachable.ts'
import type { OpenPorts } from '../traffic.ts'
import type { Answer, FromWorker, Log, Question, ToWorker, WorkerStart } from './messages.ts'

/** Who started a thread. */
export interface ThreadOwner {
  onInForce(order: number): void
  onKeysWanted(uri: string): void
  onLines(log: Log, lines: string, written: (failure?: string) => void): void
  /** Called once, at whatever time it ends, and with why. */
  onEnded(reason: Error): void
}

type AnswerTo<Q extends Question> = Extract<Answer, { about: Q }>

interface Asked {
  readonly timer: Timer
  answered(answer: Answer): void
  failed(error: OutriderError): void
}

/** A thread that does not answer for so long hangs. */
const ANSWER_WITHIN_MS = 5_000

const ENTRY = new URL(`./worker.${import.meta.url.endsWith('.ts') ? 'ts' : 'js'}`, import.meta.url)

/** The main thread's end of one worker thread. */
export class WorkerThread {
  readonly #worker: Worker
  readonly #name: string
  readonly #clock: Clock
  readonly #owner: ThreadOwner
  readonly #asked = new Map<number, Asked>()
  readonly #open = Promise.withResolvers<OpenPorts>()
  readonly #drained = Promise.withResolvers<boolean>()
  #questions = 0
  #reason: Error | undefined
  #ended = false

  constructor(start: WorkerStart, clock: Clock, owner: ThreadOwner) {
    this.#name = `worker ${start.worker}`
    this.#clock = clock
    this.#owner = owner
    this.#worker = new Worker(ENTRY, { workerData: start, name: this.#name })
    this.#open.promise.catch(() => {})
    this.#worker.on('message', (message: FromWorker) => this.#take(message))
    this.#worker.on('error', (error) => this.#endWith(error))
    this.#worker.on('messageerror', (error) => this.#endWith(error))
    this.#worker.once('exit', (code) => this.#onExit(code))
  }

  /** Resolves when its ports are open. Rejects when it ends before. */
  get open(): Promise<OpenPorts> {
    return this.#open.promise
  }

  post(message: ToWorker): void {
    this.#worker.postMessage(message)
  }

  /** Rejects with `worker-silent` when no answer comes within five seconds, with `worker-ended` when the thread ends. */
  ask<Q extends Question>(about: Q): Promise<AnswerTo<Q>> {
    const id = this.#questions
    this.#questions += 1
    return new Promise((resolve, reject) => {
      const finish = (): void => {
        this.#asked.delete(id)
        timer.cancel()
      }
      const failed = (error: OutriderError): void => {
        finish()
        reject(error)
      }
      const timer = this.#clock.after(ANSWER_WITHIN_MS, () =>
        failed(fault('worker-silent', `${this.#name} gave no answer within ${ANSWER_WITHIN_MS} ms`)),
      )
      const answered = (answer: Answer): void => {
        finish()
        if (isAbout(answer, about)) resolve(answer)
        else reject(new TypeError(`asked about ${about}, told about ${answer.about}`))
      }
      this.#asked.set(id, { timer, answered, failed })
      this.post({ kind: 'question', id, about })
    })
  }

  /** Resolves with whether all finished in time; with false when the thread ends before, or says nothing `withinMs`. */
  async drain(withinMs: number): Promise<boolean> {
    const timer = this.#clock.after(withinMs, () => this.#drained.resolve(false))
    this.post({ kind: 'drain' })
    const inTime = await this.#drained.promise
    timer.cancel()
    return inTime
  }

  /** Ends the thread now. Resolves when it is gone. */
  async end(): Promise<void> {
    await this.#worker.terminate()
  }

  #take(message: FromWorker): void {
    switch (message.kind) {
      case 'open':
        this.#open.resolve(message.ports)
        break
      case 'failed': {
        const { code, message: text, place } = message
        this.#endWith(new OutriderError(code, text, place === undefined ? {} : { place }))
        break
      }
      case 'in-force':
        this.#owner.onInForce(message.order)
        break
      case 'keys-wanted':
        this.#owner.onKeysWanted(message.uri)
        break
      case 'lines': {
        const { log, lines } = message
        this.#owner.onLines(log, lines, (failure) => this.post({ kind: 'written', log, failure }))
        break
      }
      case 'answer':
        this.#asked.get(message.id)?.answered(message.answer)
        break
      case 'drained':
        this.#drained.resolve(message.inTime)
        break
      default:
        unreachable(message)
    }
  }

  #endWith(reason: Error): void {
    this.#reason ??= reason
    void this.#worker.terminate()
  }

  #onExit(code: number): void {
    if (this.#ended) return
    this.#ended = true
    const reason = this.#reason ?? fault('worker-ended', `${this.#name} ended with ${code}`)
    for (const asked of this.#asked.values()) asked.failed(fault('worker-ended', `${this.#name} has ended`))
    this.#drained.resolve(false)
    this.#open.reject(reason)
    this.#owner.onEnded(reason)
  }
}

function isAbout<Q extends Question>(answer: Answer, about: Q): answer is AnswerTo<Q> {
  return answer.about === about
}

function fault(code: 'worker-silent' | 'worker-ended', message: string): OutriderError {
  return new OutriderError(code, message, { source: 'internal' })
}
