import grpc from '@grpc/grpc-js'
import { describeError, OutriderError } from '../lib/errors.ts'

type StatusName = Exclude<keyof typeof grpc.status, 'OK'>

/** Stable codes of failed calls whose server sent no code of its own: one per gRPC status. */
export const RPC_CODES = {
  CANCELLED: 'rpc-cancelled',
  UNKNOWN: 'rpc-unknown',
  INVALID_ARGUMENT: 'rpc-invalid-argument',
  DEADLINE_EXCEEDED: 'rpc-deadline-exceeded',
  NOT_FOUND: 'rpc-not-found',
  ALREADY_EXISTS: 'rpc-already-exists',
  PERMISSION_DENIED: 'rpc-permission-denied',
  RESOURCE_EXHAUSTED: 'rpc-resource-exhausted',
  FAILED_PRECONDITION: 'rpc-failed-precondition',
  ABORTED: 'rpc-aborted',
  OUT_OF_RANGE: 'rpc-out-of-range',
  UNIMPLEMENTED: 'rpc-unimplemented',
  INTERNAL: 'rpc-internal',
  UNAVAILABLE: 'rpc-unavailable',
  DATA_LOSS: 'rpc-data-loss',
  UNAUTHENTICATED: 'rpc-unauthenticated',
} as const

/** Which gRPC status our own codes have on the wire. A code that is not here gets the status of its `source`. */
const STATUS_OF_CODE: Readonly<Record<string, StatusName>> = {
  'peer-unauthenticated': 'UNAUTHENTICATED',
  'join-token-refused': 'UNAUTHENTICATED',
  'attestation-refused': 'UNAUTHENTICATED',
  'svid-expired': 'UNAUTHENTICATED',
  'svid-revoked': 'UNAUTHENTICATED',
  'identity-not-allowed': 'PERMISSION_DENIED',
  'identity-revoked': 'PERMISSION_DENIED',
  'workload-unknown': 'PERMISSION_DENIED',
  'caller-unknown': 'PERMISSION_DENIED',
  'caller-not-entitled': 'PERMISSION_DENIED',
  'secret-unknown': 'NOT_FOUND',
  'attestation-rate': 'RESOURCE_EXHAUSTED',
  'signing-rate': 'RESOURCE_EXHAUSTED',
  'audit-unwritable': 'UNAVAILABLE',
  'store-not-synced': 'UNAVAILABLE',
  'store-is-kubernetes': 'FAILED_PRECONDITION',
  'too-many-sidecars': 'RESOURCE_EXHAUSTED',
  'too-many-resources': 'RESOURCE_EXHAUSTED',
  'too-many-watchers': 'RESOURCE_EXHAUSTED',
  'too-many-tokens': 'RESOURCE_EXHAUSTED',
  'too-many-listeners': 'RESOURCE_EXHAUSTED',
  'too-many-secrets': 'RESOURCE_EXHAUSTED',
  'jwt-svid-rate': 'RESOURCE_EXHAUSTED',
  'watcher-too-slow': 'RESOURCE_EXHAUSTED',
  'resource-not-found': 'NOT_FOUND',
  'token-not-found': 'NOT_FOUND',
  'api-key-secret-unknown': 'NOT_FOUND',
  'api-key-exists': 'ALREADY_EXISTS',
  'trust-domain-not-found': 'NOT_FOUND',
  'resource-in-use': 'FAILED_PRECONDITION',
  'canary-running': 'FAILED_PRECONDITION',
  'canary-nobody': 'FAILED_PRECONDITION',
  'ca-in-use': 'FAILED_PRECONDITION',
  'ca-state': 'FAILED_PRECONDITION',
  'ca-too-many': 'RESOURCE_EXHAUSTED',
  'ca-unknown': 'NOT_FOUND',
  'stream-protocol': 'FAILED_PRECONDITION',
  'stream-replaced': 'ABORTED',
  'update-unanswered': 'ABORTED',
  'control-stopping': 'UNAVAILABLE',
  'sidecar-stopping': 'UNAVAILABLE',
  'disk-full': 'RESOURCE_EXHAUSTED',
}

const STATUS_OF_SOURCE = { input: 'INVALID_ARGUMENT', dependency: 'UNAVAILABLE', internal: 'INTERNAL' } as const

/** Statuses after which the very same call may succeed. */
const RETRYABLE: ReadonlySet<StatusName> = new Set([
  'UNAVAILABLE',
  'DEADLINE_EXCEEDED',
  'RESOURCE_EXHAUSTED',
  'ABORTED',
])

/** Trailer that carries the stable code of an `OutriderError`. */
const CODE_TRAILER = 'outrider-code'

/** Binary trailer with an encoded `ApplyRefusal`. */
export const REFUSAL_TRAILER = 'outrider-refusal-bin'

const trailersOf = new WeakMap<OutriderError, Readonly<Record<string, Buffer>>>()

/** Attaches a binary trailer (name ending in `-bin`) to an error that a handler is about to throw. */
export function withTrailer(error: OutriderError, name: string, value: Buffer): OutriderError {
  trailersOf.set(error, { ...trailersOf.get(error), [name]: value })
  return error
}

/** The binary trailer that came with a failed call. */
export function trailerOf(error: OutriderError, name: string): Buffer | undefined {
  return trailersOf.get(error)?.[name]
}

export interface WireStatus {
  readonly code: grpc.status
  readonly details: string
  readonly metadata: grpc.Metadata
}

/** What a caller is told about something a handler threw. Only an `OutriderError` may speak; the rest is `internal`. */
export function toStatus(thrown: unknown): WireStatus {
  const metadata = new grpc.Metadata()
  if (!(thrown instanceof OutriderError)) return { code: grpc.status.INTERNAL, details: 'internal error', metadata }
  const name = STATUS_OF_CODE[thrown.code] ?? STATUS_OF_SOURCE[thrown.source]
  metadata.set(CODE_TRAILER, thrown.code)
  for (const [trailer, value] of Object.entries(trailersOf.get(thrown) ?? {})) metadata.set(trailer, value)
  const place = thrown.place === undefined ? '' : `${thrown.place}: `
  return { code: grpc.status[name], details: `${place}${thrown.message}`, metadata }
}

/**
 * The one way from a failed gRPC call to our error. What the server raised on purpose keeps its code and message; for
 * the rest the code stands for the gRPC status, and the message says who was asked.
 */
export function fromServiceError(error: unknown, target: string): OutriderError {
  if (error instanceof OutriderError) return error
  const failure: Partial<grpc.ServiceError> = error instanceof Error ? error : {}
  const name = statusName(failure.code)
  const sent = failure.metadata?.get(CODE_TRAILER)[0]
  const details = failure.details ?? describeError(error)
  const [code, message] =
    typeof sent === 'string' ? [sent, details] : [RPC_CODES[name], `${target}: ${details} (${name})`]
  // Without the cause: grpc-js repeats in it what is in the message.
  const ours = new OutriderError(code, message, {
    source: name === 'UNAVAILABLE' || name === 'DEADLINE_EXCEEDED' ? 'dependency' : 'input',
    retryable: RETRYABLE.has(name),
  })
  for (const [trailer, value] of Object.entries(failure.metadata?.getMap() ?? {})) {
    if (Buffer.isBuffer(value)) withTrailer(ours, trailer, value)
  }
  return ours
}

function statusName(code: grpc.status | undefined): StatusName {
  const name = code === undefined ? undefined : grpc.status[code]
  return name !== undefined && isStatusName(name) ? name : 'UNKNOWN'
}

function isStatusName(name: string): name is StatusName {
  return Object.hasOwn(RPC_CODES, name)
}
