import type { RequestHead } from '../http/exchange.ts'
import { headerValue, type Headers } from '../http/headers.ts'

/** What of gRPC over HTTP/2 a proxy has to know: who speaks it, how long it may take, and how a refusal is said. */

/** `application/grpc`, alone or with a message format (`+proto`). */
export function isGrpc({ version, headers }: RequestHead): boolean {
  if (version !== 'HTTP/2') return false
  const type = headerValue(headers, 'content-type')
  return type !== undefined && /^application\/grpc(?:[+;]|$)/.test(type)
}

const unitsMs: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1000, m: 1, u: 1e-3, n: 1e-6 }

/** The time that a `grpc-timeout` leaves, in milliseconds; `undefined` when there is none, or none that can be read. */
export function grpcTimeoutMs(headers: Headers): number | undefined {
  const timeout = headerValue(headers, 'grpc-timeout')
  const parts = timeout === undefined ? null : /^(\d{1,8})([HMSmun])$/.exec(timeout)
  return parts === null ? undefined : Number(parts[1]) * unitsMs[parts[2]!]!
}

/** Statuses that a proxy answers with. */
const INVALID_ARGUMENT = 3
const DEADLINE_EXCEEDED = 4
const PERMISSION_DENIED = 7
const RESOURCE_EXHAUSTED = 8
const UNIMPLEMENTED = 12
const INTERNAL = 13
const UNAVAILABLE = 14
const UNAUTHENTICATED = 16

/** The gRPC status for the HTTP status of a refusal. */
export function grpcStatusOf(status: number): number {
  switch (status) {
    case 400:
      return INVALID_ARGUMENT
    case 401:
      return UNAUTHENTICATED
    case 403:
      return PERMISSION_DENIED
    case 404:
    case 501:
      return UNIMPLEMENTED
    case 413:
    case 429:
    case 431:
      return RESOURCE_EXHAUSTED
    case 502:
    case 503:
      return UNAVAILABLE
    case 504:
      return DEADLINE_EXCEEDED
    default:
      return INTERNAL
  }
}

/** Fields that end a gRPC response, in its trailers or, where nothing else was sent, in its head ("Trailers-Only"). */
export function grpcStatus(httpStatus: number, message: string): Headers {
  return ['grpc-status', String(grpcStatusOf(httpStatus)), 'grpc-message', encodeMessage(message)]
}

/** Percent-encoding of everything but visible ASCII and space; `%` included. */
function encodeMessage(message: string): string {
  return message.replace(/[^ -$&-~]+/g, (text) => {
    return [...Buffer.from(text)].map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`).join('')
  })
}
