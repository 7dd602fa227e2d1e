import type { IncomingMessage } from 'node:http'
import { Agent } from 'node:https'
import type { Clock } from '../lib/clock.ts'
import { describeError } from '../lib/errors.ts'
import { type ApiAnswer, type ApiCall, AnswerTooLarge, callApi, openAnswer } from './call.ts'
import type { ApiConnection } from './connection.ts'
import { ApiError } from './failure.ts'
import { type Asked, describeAsked } from './status.ts'

/** A call of the API server by path. */
export interface PathCall extends Pick<ApiCall, 'method' | 'body' | 'contentType' | 'timeoutMs' | 'signal'> {
  /** With its query, if there is one. */
  readonly path: string
  readonly maxAnswerBytes?: number
}

const CALL_MS = 10_000
/** An object has at most 1.5 MiB in etcd, and some more as JSON. */
const MAX_OBJECT_BYTES = 4 * 1024 * 1024
const MAX_CONNECTIONS = 16
const MAX_IDLE_CONNECTIONS = 2
const IDLE_MS = 30_000

/** Connections to one API server, and everything that is going on over them. */
export class Exchange {
  readonly #connection: ApiConnection
  readonly #clock: Clock
  readonly #over: AbortController = new AbortController()
  readonly #agent: Agent = new Agent({
    keepAlive: true,
    maxSockets: MAX_CONNECTIONS,
    maxFreeSockets: MAX_IDLE_CONNECTIONS,
    timeout: IDLE_MS,
    // Node does not verify the name of the server on a resumed session.
    maxCachedSessions: 0,
  })
  /** What is running: each can be ended. */
  readonly #running: Set<AbortController> = new Set()

  constructor(connection: ApiConnection, clock: Clock) {
    if (connection.url.protocol !== 'https:')
      throw new ApiError('kubernetes-unreachable', `${connection.url.href}: only https is spoken with an API server`, {
        retryable: false,
      })
    this.#connection = connection
    this.#clock = clock
  }

  get clock(): Clock {
    return this.#clock
  }

  /** Ends everything; later calls fail. */
  close(): void {
    this.#over.abort()
    for (const running of this.#running) running.abort(closed())
    this.#agent.destroy()
  }

  /** The whole answer, whatever its status. Throws `kubernetes-unreachable`, `kubernetes-credentials`, `kubernetes-answer`. */
  ask(call: PathCall, asked: Asked): Promise<ApiAnswer> {
    const agent = (call.method ?? 'GET') === 'GET' && call.body === undefined ? { agent: this.#agent } : {}
    return this.#run(call, asked, (signal) =>
      callApi(
        { timeoutMs: CALL_MS, maxAnswerBytes: MAX_OBJECT_BYTES, ...this.#callOf(call, signal), ...agent },
        this.#clock,
      ),
    )
  }

  /**
   * The head of an answer whose body does not end, given to `read`; the connection is closed when `read` is over. It is its own one.
   * `headMs` is for the head.
   */
  stream<T>(call: PathCall, asked: Asked, headMs: number, read: (response: IncomingMessage) => Promise<T>): Promise<T> {
    return this.#run(call, asked, async (signal, abort) => {
      const timer = this.#clock.after(headMs, () => abort(new Error(`no answer within ${headMs} ms`)))
      let response: IncomingMessage
      try {
        response = await openAnswer(this.#callOf(call, signal))
      } finally {
        timer.cancel()
      }
      try {
        return await read(response)
      } finally {
        response.destroy()
      }
    })
  }

  async #run<T>(
    { signal }: PathCall,
    asked: Asked,
    work: (signal: AbortSignal, abort: (reason: Error) => void) => Promise<T>,
  ): Promise<T> {
    if (this.#over.signal.aborted) throw closed()
    const running = new AbortController()
    const stop = (): void => running.abort(signal?.reason)
    signal?.addEventListener('abort', stop, { once: true })
    if (signal?.aborted === true) stop()
    this.#running.add(running)
    try {
      return await work(running.signal, (reason) => running.abort(reason))
    } catch (error) {
      if (error instanceof ApiError || signal?.aborted === true) throw error
      const code = error instanceof AnswerTooLarge ? 'kubernetes-answer' : 'kubernetes-unreachable'
      const text = `${describeAsked(asked)} at ${this.#connection.url.host}: ${describeError(error)}`
      throw new ApiError(code, text, { cause: error })
    } finally {
      this.#running.delete(running)
      signal?.removeEventListener('abort', stop)
    }
  }

  #callOf(call: PathCall, signal: AbortSignal): ApiCall {
    const { url: base, ...credentials } = this.#connection
    const { path, ...rest } = call
    return { ...credentials, ...rest, url: new URL(`${base.href.replace(/\/+$/, '')}${path}`), signal }
  }
}

function closed(): ApiError {
  return new ApiError('kubernetes-unreachable', 'the client of the API server is closed', { retryable: false })
}
