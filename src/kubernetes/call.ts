import type { IncomingMessage } from 'node:http'
import { type Agent, request } from 'node:https'
import type { Clock } from '../lib/clock.ts'
import { type ApiConnection, readCredentials } from './connection.ts'

export interface ApiCall extends Omit<ApiConnection, 'url'> {
  readonly url: URL
  /** GET, or POST with a body, when not given. */
  readonly method?: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  /** Sent as JSON. */
  readonly body?: unknown
  /** `application/json` when not given. */
  readonly contentType?: string
  /** For the whole of a call; 5 s when not given. */
  readonly timeoutMs?: number
  /** 1 MiB when not given. */
  readonly maxAnswerBytes?: number
  /** Connections that may be used again. Of GET alone: of a write on a connection that just closes nobody knows what became. */
  readonly agent?: Agent
  /** Ends the call. */
  readonly signal?: AbortSignal
}

export interface ApiAnswer {
  readonly status: number
  readonly text: string
  /** Of the header Retry-After in seconds, if there is one. */
  readonly retryAfterMs?: number
}

const CALL_MS = 5_000
const MAX_ANSWER_BYTES = 1024 * 1024
const PROBE_IDLE_MS = 15_000

/** The answer has more than `maxAnswerBytes`. */
export class AnswerTooLarge extends Error {}

/**
 * One call of an HTTPS server that answers with JSON, such as the API server of a cluster. Redirects are not followed. Rejects
 * with an `Error` in whose message there is no token, when there is no answer in time or one that is too large.
 */
export async function callApi(call: ApiCall, clock: Clock): Promise<ApiAnswer> {
  const { timeoutMs = CALL_MS, maxAnswerBytes = MAX_ANSWER_BYTES, signal } = call
  const over = new AbortController()
  const timer = clock.after(timeoutMs, () => over.abort(new Error(`no answer within ${timeoutMs} ms`)))
  const stop = (): void => over.abort(signal?.reason)
  signal?.addEventListener('abort', stop, { once: true })
  if (signal?.aborted === true) stop()
  try {
    return await readAnswer(await openAnswer({ ...call, signal: over.signal }), maxAnswerBytes)
  } finally {
    timer.cancel()
    signal?.removeEventListener('abort', stop)
  }
}

/** The head of an answer, with its body still to be read. The signal of the call ends it at any time; there is no other limit. */
export async function openAnswer(call: ApiCall): Promise<IncomingMessage> {
  const { agent } = call
  try {
    return await send(call, agent)
  } catch (error) {
    // The server closed a connection that was idle just when we took it: it has seen nothing of the call.
    if (!(error instanceof StaleConnection)) throw error
    return send(call, undefined)
  }
}

/** The whole of an answer. Rejects with `AnswerTooLarge`, or with why it broke off. */
export async function readAnswer(response: IncomingMessage, maxBytes: number): Promise<ApiAnswer> {
  const parts: Buffer[] = []
  let size = 0
  for await (const part of response) {
    if (!Buffer.isBuffer(part)) continue
    size += part.length
    // Leaving the loop closes the connection.
    if (size > maxBytes) throw new AnswerTooLarge(`its answer has more than ${maxBytes} bytes`)
    parts.push(part)
  }
  const retryAfter = response.headers['retry-after']
  return {
    status: response.statusCode ?? 0,
    text: Buffer.concat(parts).toString('utf8'),
    ...(retryAfter !== undefined && /^\d{1,6}$/.test(retryAfter) ? { retryAfterMs: Number(retryAfter) * 1000 } : {}),
  }
}

class StaleConnection extends Error {}

function send(call: ApiCall, agent: Agent | undefined): Promise<IncomingMessage> {
  const { url, body, contentType = 'application/json', signal } = call
  const { token, ...tls } = readCredentials(call)
  const text = body === undefined ? undefined : JSON.stringify(body)
  return new Promise((resolve, reject) => {
    if (signal?.aborted === true) {
      reject(signal.reason)
      return
    }
    const sent = request(url, {
      method: call.method ?? (text === undefined ? 'GET' : 'POST'),
      // Without one a connection of its own. An agent keeps connections apart by what they were opened with: other roots, another one.
      agent: agent ?? false,
      minVersion: 'TLSv1.2',
      ...tls,
      headers: {
        accept: 'application/json',
        'user-agent': 'outrider',
        ...(text === undefined ? {} : { 'content-type': contentType, 'content-length': Buffer.byteLength(text) }),
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      },
    })
    // A peer that is gone without a word is found out by the kernel, long before a stream that may be silent is suspect.
    sent.once('socket', (socket) => socket.setKeepAlive(true, PROBE_IDLE_MS))
    let response: IncomingMessage | undefined
    const stop = (): void => {
      ;(response ?? sent).destroy(signal?.reason)
    }
    signal?.addEventListener('abort', stop, { once: true })
    sent.once('close', () => signal?.removeEventListener('abort', stop))
    // Also of what happens after the answer: without a listener it would end the process.
    sent.on('error', (cause: NodeJS.ErrnoException) => {
      const stale = sent.reusedSocket && (cause.code === 'ECONNRESET' || cause.code === 'EPIPE')
      reject(stale && signal?.aborted !== true ? new StaleConnection('closed while idle', { cause }) : cause)
    })
    sent.once('response', (answer) => {
      response = answer
      resolve(answer)
    })
    sent.end(text)
  })
}
