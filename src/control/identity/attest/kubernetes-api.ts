import { type ApiCall, callApi } from '../../../kubernetes/call.ts'
import type { Clock } from '../../../lib/clock.ts'
import { describeError } from '../../../lib/errors.ts'
import { unavailable } from './kubernetes.ts'

/** What an HTTPS server answers, which is JSON. Throws `attestation-unavailable`. */
export async function askApi(call: ApiCall, clock: Clock): Promise<unknown> {
  const { url } = call
  try {
    const { status, text } = await callApi(call, clock)
    if (status !== 200 && status !== 201) throw new Error(`it answers ${status}`)
    return JSON.parse(text)
  } catch (cause) {
    // Neither our token nor the one that is asked about is in any of these messages.
    throw unavailable(`${url.origin}${url.pathname}: ${describeError(cause)}`)
  }
}
