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
  'apikey-malformed': { status: 401, text: 'what stands for an API key is none, or is mistyped' },
  'apikey-unknown': { status: 401, text: 'the API key is not one that this workload accepts' },
  'apikey-expired': { status: 401, text: 'the API key has expired' },
  'apikey-locked-out': { status: 429, text: 'too many wrong API keys came from this source' },
  'token-repeated': { status: 400, text: 'a token is there twice, or two tokens or keys are for one purpose' },
  'token-too-many': { status: 400, text: 'the request has more than 4 tokens and keys' },
  'token-malformed': { status: 401, text: 'a token is not of a form that is accepted where it was found' },
  'token-type': { status: 401, text: 'a token is of a type that is for something else' },
  'token-algorithm': { status: 401, text: 'a token is signed with an algorithm that is not allowed' },
  'token-issuer-unknown': { status: 401, text: 'the issuer of a token is not accepted' },
  'token-key-unknown': { status: 401, text: 'a token names a key that is none of its issuer' },
  'token-signature': { status: 401, text: 'the signature of a token is wrong' },
  'token-claims': { status: 401, text: 'a claim of a token is missing or malformed' },
  'token-expired': { status: 401, text: 'a token has expired' },
  'token-not-yet-valid': { status: 401, text: 'a token is not valid yet' },
  'token-audience': { status: 401, text: 'a token is for others' },
  'token-inactive': { status: 401, text: 'the authorization server says that a token is not active' },
  'token-unbound': { status: 401, text: 'a token has to be bound to its bearer, and is not' },
  'token-binding-unknown': { status: 401, text: 'a token is bound in a way that is not known' },
  'token-binding-mismatch': { status: 401, text: 'a token is bound to another certificate or key than its bearer has' },
  'token-replayed': { status: 401, text: 'a DPoP proof was shown before' },
  'dpop-proof-missing': { status: 401, text: 'a token is bound to a key, and the request has no DPoP proof' },
  'dpop-proof-invalid': { status: 401, text: 'the DPoP proof does not hold' },
  'dpop-proof-expired': { status: 401, text: 'the DPoP proof is too old, or of the future' },
  'dpop-proof-mismatch': { status: 401, text: 'the DPoP proof is for another method or URI' },
  'dpop-busy': { status: 503, text: 'there is no room to remember one more DPoP proof' },
  'claims-conflict': { status: 400, text: 'two tokens want to be in one header field' },
  'claims-too-large': { status: 431, text: 'a header field that is made of claims would be too large' },
  'keys-unavailable': { status: 503, text: 'the keys of the issuer of a token cannot be had' },
  'introspection-unavailable': { status: 503, text: 'the authorization server could not be asked about a token' },
  'introspection-timeout': { status: 503, text: 'the authorization server did not answer in time' },
  'introspection-malformed': { status: 503, text: 'the authorization server gave an answer that means nothing' },
  'introspection-busy': { status: 503, text: 'too many tokens wait for an answer of authorization servers' },
  'denied-by-rule': { status: 403, text: 'a DENY rule matches' },
  'no-allow-rule': { status: 403, text: 'no ALLOW rule matches' },
  'policy-broken': { status: 503, text: 'a policy of this workload cannot be compiled' },
  'policy-missing': { status: 503, text: 'there is no policy yet, or the last-good one is too old' },
  'permission-withdrawn': { status: 403, text: 'the policy no longer allows what it allowed when this began' },
  'external-denied': { status: 403, text: 'an external authorization server denies it' },
  'external-timeout': { status: 503, text: 'an external authorization server did not answer in time' },
  'external-unavailable': { status: 503, text: 'an external authorization server cannot be asked' },
  'external-overloaded': { status: 503, text: 'too many questions to an external authorization server are under way' },
  'external-malformed': { status: 503, text: 'the answer of an external authorization server cannot be followed' },
  'path-not-normal': {
    status: 400,
    text: 'the path is not in its normal form, and who asks is the one who forwards it',
  },
  'principal-refused': { status: 403, text: 'the caller that is named may not be believed' },
  'check-malformed': { status: 400, text: 'what is told of the request cannot be read' },
  'rate-limited': { status: 429, text: 'a rate limit is used up' },
  overloaded: { status: 503, text: 'more requests are in flight than maxInFlight' },
  'service-unknown': { status: 404, text: 'no service of the policy has this authority' },
  'outbound-denied': { status: 403, text: 'no service is there, and the mesh lets nothing out (MeshConfig)' },
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
  /** The application has seen nothing of the request: a caller of the mesh may ask another endpoint. */
  readonly unprocessed?: boolean
  /** Fields for the response, flat. */
  readonly headers?: Headers
  /** What the client is answered with, in place of what the code has: for a server that was asked. */
  readonly answer?: { readonly status: number; readonly headers: Headers; readonly body: string } | undefined
}

export function refuse(code: RefusalCode, more: Omit<Refusal, 'kind' | 'code'> = {}): Refusal {
  return { kind: 'refusal', code, ...more }
}
