import type { Headers } from '../http/headers.ts'
import type { NearMiss, RuleRef } from '../policy/decision.ts'

/**
 * Every way in which a sidecar answers in place of the upstream. Who may be told why is decided here too: a verified mesh
 * peer and the own application get the code, everybody else only the status.
 */
export const refusals = {
  'path-form': { status: 400, text: 'the path does not begin with a slash' },
  'path-character': { status: 400, text: 'the path holds a character that is not allowed there' },
  'path-backslash': { status: 400, text: 'the path holds a backslash' },
  'path-encoded-slash': { status: 400, text: 'the path holds an encoded slash' },
  'path-escape': { status: 400, text: 'the path holds "%" without two hexadecimal digits' },
  'path-overlong-utf8': { status: 400, text: 'the path holds over-long UTF-8' },
  'path-above-root': { status: 400, text: 'the path leads above the root' },
  'path-dot-parameters': { status: 400, text: 'the path holds a dot segment with parameters' },
  'denied-by-rule': { status: 403, text: 'a DENY rule matches' },
  'no-allow-rule': { status: 403, text: 'no ALLOW rule matches' },
  'policy-broken': { status: 503, text: 'a policy of this workload cannot be compiled' },
  'policy-missing': { status: 503, text: 'there is no policy yet, or the last-good one is too old' },
  'permission-withdrawn': { status: 403, text: 'the policy no longer allows what it allowed when this began' },
  'rate-limited': { status: 429, text: 'a rate limit is used up' },
  overloaded: { status: 503, text: 'more requests are in flight than maxInFlight' },
  'service-unknown': { status: 404, text: 'no service of the policy has this authority' },
  'no-endpoint': { status: 503, text: 'the service has no endpoint' },
  'upstream-unreachable': { status: 503, text: 'no connection to the upstream could be opened' },
  'upstream-busy': { status: 503, text: 'all upstream connections were busy for upstreamQueueTimeoutMs' },
  'upstream-identity': { status: 503, text: 'the upstream is not who may serve this service' },
  'peer-refused-us': { status: 503, text: 'the upstream does not accept the certificate of this workload' },
  'identity-expired': { status: 503, text: 'a certificate of the connection has expired, or our own has' },
  'identity-withdrawn': { status: 503, text: 'a certificate of the connection is no longer believed' },
  'upstream-gone': { status: 502, text: 'the upstream ended the connection before its response was complete' },
  'upstream-malformed': { status: 502, text: 'the response of the upstream breaks HTTP' },
  'deadline-exceeded': { status: 504, text: 'the deadline that the client set (grpc-timeout) has passed' },
  'protocol-mismatch': { status: 501, text: 'the application does not speak the protocol of the request' },
  'timed-out': {
    status: 504,
    text: 'the upstream was silent for requestIdleTimeoutMs, or a WebSocket or TCP connection for tunnelIdleTimeoutMs',
  },
} as const

export type RefusalCode = keyof typeof refusals

export interface Refusal {
  readonly kind: 'refusal'
  readonly code: RefusalCode
  /** The rule that denied. */
  readonly rule?: RuleRef | undefined
  readonly nearest?: NearMiss | undefined
  /** The limit that refused. */
  readonly limit?: string
  /** For the log only. */
  readonly detail?: string | undefined
  /** Fields for the response, flat. */
  readonly headers?: Headers
}

export function refuse(code: RefusalCode, more: Omit<Refusal, 'kind' | 'code'> = {}): Refusal {
  return { kind: 'refusal', code, ...more }
}
