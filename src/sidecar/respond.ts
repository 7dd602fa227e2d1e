import { NO_BODY, type ResponseHead } from '../http/exchange.ts'
import { type Headers, headerValue } from '../http/headers.ts'
import { grpcStatus } from './grpc.ts'
import { UNPROCESSED } from './own-fields.ts'
import { type Refusal, type RefusalCode, refusals } from './refusal.ts'

export interface RefusalResponse {
  readonly head: ResponseHead
  readonly body: Buffer
}

const nothing = Buffer.alloc(0)

/**
 * The response to a refused request. `explain` says whether the client may know why: it is the own application or a verified
 * peer. A gRPC client gets a gRPC status: it looks at no other.
 */
export function respond(refusal: Refusal, requestId: string, explain: boolean, grpc: boolean): RefusalResponse {
  const { text } = refusals[refusal.code]
  const { answer } = refusal
  const status = answer?.status ?? refusals[refusal.code].status
  const headers = ['x-request-id', requestId, ...(refusal.headers ?? [])]
  if (grpc) {
    headers.push('content-type', 'application/grpc', ...refusalTrailers(refusal.code, explain, status))
    return { head: { status: 200, headers, bodyLength: NO_BODY, close: false }, body: nothing }
  }
  if (explain) headers.push('x-outrider-refusal', refusal.code)
  if (explain && refusal.unprocessed === true) headers.push(UNPROCESSED, 'true')
  if (answer !== undefined) {
    const body = Buffer.from(answer.body)
    headers.push(...answer.headers)
    const untyped = body.length > 0 && headerValue(answer.headers, 'content-type') === undefined
    if (untyped) headers.push('content-type', 'text/plain; charset=utf-8')
    return { head: { status, headers, bodyLength: body.length, close: false }, body }
  }
  const body = explain ? Buffer.from(`${refusal.code}: ${text}\n`) : nothing
  if (explain) headers.push('content-type', 'text/plain; charset=utf-8')
  return { head: { status, headers, bodyLength: body.length, close: false }, body }
}

/** How a gRPC response ends in place of the upstream's end. */
export function refusalTrailers(code: RefusalCode, explain: boolean, status: number = refusals[code].status): Headers {
  const { text } = refusals[code]
  return explain ? ['x-outrider-refusal', code, ...grpcStatus(status, `${code}: ${text}`)] : grpcStatus(status, '')
}
