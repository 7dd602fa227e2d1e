import { request } from 'node:https'
import type { Clock } from '../../../lib/clock.ts'
import { describeError } from '../../../lib/errors.ts'
import { readSmallFile } from '../../../lib/small-file.ts'
import { unavailable } from './kubernetes.ts'

export interface ApiCall {
  readonly url: URL
  /** JSON; its presence makes the call a POST. */
  readonly body?: object
  /** File of our own service-account token. Read for each call, because the kubelet replaces it. */
  readonly tokenFile?: string
  /** PEM file of the authorities that may have certified the server; those of the system when not given. */
  readonly caFile?: string
}

/** For the whole of a call. */
const CALL_MS = 5_000
const MAX_ANSWER_BYTES = 256 * 1024
const MAX_FILE_BYTES = 1024 * 1024

/** One call of an HTTPS server that answers with JSON. Redirects are not followed. Throws `attestation-unavailable`. */
export async function askApi({ url, body, tokenFile, caFile }: ApiCall, clock: Clock): Promise<unknown> {
  try {
    const ca = caFile === undefined ? undefined : readSmallFile(caFile, MAX_FILE_BYTES).text
    const token = tokenFile === undefined ? undefined : readSmallFile(tokenFile, MAX_FILE_BYTES).text.trim()
    const text = body === undefined ? undefined : JSON.stringify(body)
    const { status, answer } = await send(url, text, token, ca, clock)
    if (status !== 200 && status !== 201) throw new Error(`it answers ${status}`)
    return JSON.parse(answer)
  } catch (cause) {
    // Neither our token nor the one that is asked about is in any of these messages.
    throw unavailable(`${url.origin}${url.pathname}: ${describeError(cause)}`)
  }
}

function send(
  url: URL,
  body: string | undefined,
  token: string | undefined,
  ca: string | undefined,
  clock: Clock,
): Promise<{ status: number; answer: string }> {
  return new Promise((resolve, reject) => {
    const call = request(url, {
      method: body === undefined ? 'GET' : 'POST',
      // A connection of its own: calls are rare, and what changes with the files counts at once.
      agent: false,
      minVersion: 'TLSv1.2',
      ...(ca === undefined ? {} : { ca }),
      headers: {
        accept: 'application/json',
        ...(body === undefined
          ? {}
          : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }),
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      },
    })
    const timer = clock.after(CALL_MS, () => call.destroy(new Error(`no answer within ${CALL_MS} ms`)))
    const fail = (error: unknown): void => {
      timer.cancel()
      reject(error)
    }
    call.once('error', fail)
    call.once('response', (response) => {
      const parts: Buffer[] = []
      let size = 0
      response.on('data', (part: Buffer) => {
        size += part.length
        if (size > MAX_ANSWER_BYTES) call.destroy(new Error(`its answer has more than ${MAX_ANSWER_BYTES} bytes`))
        else parts.push(part)
      })
      response.once('error', fail)
      response.once('end', () => {
        timer.cancel()
        resolve({ status: response.statusCode ?? 0, answer: Buffer.concat(parts).toString('utf8') })
      })
    })
    call.end(body)
  })
}
