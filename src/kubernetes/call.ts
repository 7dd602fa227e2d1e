import { request } from 'node:https'
import type { Clock } from '../lib/clock.ts'
import { readSmallFile } from '../lib/small-file.ts'

export interface ApiCall {
  readonly url: URL
  /** GET, or POST with a body, when not given. */
  readonly method?: 'GET' | 'POST' | 'PATCH'
  /** Sent as JSON. */
  readonly body?: unknown
  /** `application/json` when not given. */
  readonly contentType?: string
  /** File of our own service-account token. Read for each call, because the kubelet replaces it. */
  readonly tokenFile?: string
  /** PEM file of the authorities that may have certified the server; those of the system when not given. */
  readonly caFile?: string
}

export interface ApiAnswer {
  readonly status: number
  readonly text: string
}

/** For the whole of a call. */
const CALL_MS = 5_000
const MAX_ANSWER_BYTES = 1024 * 1024
const MAX_FILE_BYTES = 1024 * 1024

/**
 * One call of an HTTPS server that answers with JSON, such as the API server of a cluster. Redirects are not followed. Rejects
 * with an `Error` in whose message there is no token, when there is no answer within 5 s or one of more than 1 MiB.
 */
export function callApi(call: ApiCall, clock: Clock): Promise<ApiAnswer> {
  const { url, body, contentType = 'application/json', tokenFile, caFile } = call
  const ca = caFile === undefined ? undefined : readSmallFile(caFile, MAX_FILE_BYTES).text
  const token = tokenFile === undefined ? undefined : readSmallFile(tokenFile, MAX_FILE_BYTES).text.trim()
  const text = body === undefined ? undefined : JSON.stringify(body)
  return new Promise((resolve, reject) => {
    const sent = request(url, {
      method: call.method ?? (text === undefined ? 'GET' : 'POST'),
      // A connection of its own: calls are rare, and what changes with the files counts at once.
      agent: false,
      minVersion: 'TLSv1.2',
      ...(ca === undefined ? {} : { ca }),
      headers: {
        accept: 'application/json',
        ...(text === undefined ? {} : { 'content-type': contentType, 'content-length': Buffer.byteLength(text) }),
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      },
    })
    const timer = clock.after(CALL_MS, () => sent.destroy(new Error(`no answer within ${CALL_MS} ms`)))
    const fail = (error: unknown): void => {
      timer.cancel()
      reject(error)
    }
    sent.once('error', fail)
    sent.once('response', (response) => {
      const parts: Buffer[] = []
      let size = 0
      response.on('data', (part: Buffer) => {
        size += part.length
        if (size > MAX_ANSWER_BYTES) sent.destroy(new Error(`its answer has more than ${MAX_ANSWER_BYTES} bytes`))
        else parts.push(part)
      })
      response.once('error', fail)
      response.once('end', () => {
        timer.cancel()
        resolve({ status: response.statusCode ?? 0, text: Buffer.concat(parts).toString('utf8') })
      })
    })
    sent.end(text)
  })
}
