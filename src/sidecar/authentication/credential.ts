import type { Headers } from '../../http/headers.ts'
import type { SpiffeId } from '../../identity/spiffe-id.ts'
import type { CompiledAuthentication, CredentialPlace } from '../../policy/authentication.ts'
import type { ApiKeyIdentity, TokenIdentity } from '../../policy/decision.ts'
import type { Refusal } from '../refusal.ts'

/** What a request shows to say who its user is, as it was found: nothing about it is proven. */
export interface Credential {
  /** Without a prefix. Visible ASCII, never empty, at most `MAX_CREDENTIAL_LENGTH`. */
  readonly text: string
  /** Where it was found, and what is accepted there. */
  readonly place: CredentialPlace
  /** It came in `Authorization` under the scheme DPoP (RFC 9449, 7.1). */
  readonly dpop: boolean
}

/** The request that shows it. */
export interface CredentialContext {
  /** Of the policy that this request is decided with. */
  readonly authentication: CompiledAuthentication
  readonly method: string
  /** `host` or `host:port` in lower case. */
  readonly authority: string
  /** Normalised, without the query. */
  readonly path: string
  readonly headers: Headers
  /** The verified peer of the connection; undefined without mutual TLS. */
  readonly peer: { readonly id: SpiffeId; readonly fingerprint: string } | undefined
  /** IP address and port that the connection comes from. */
  readonly remote: string
  /** Wall-clock time, of the whole request. */
  readonly nowMs: number
  /** Aborted when the client leaves. Made when it is first asked for: only who waits needs it. */
  departure(): AbortSignal
}

/** A credential that proves who the user is: a token or an API key. */
export type Proven = {
  readonly kind: 'proven'
  /** Whether the application gets it. */
  readonly forward: boolean
  /** Fields that the application gets out of it, flat. */
  readonly headers: Headers
} & ({ readonly token: TokenIdentity } | { readonly apiKey: ApiKeyIdentity })

export type Outcome = Proven | Refusal

/** Proves credentials of one kind. */
export interface CredentialVerifier {
  /**
   * Whether the credential is of this kind and accepted where it was found. Of the verifiers in their order the first that takes
   * a credential decides about it; one that nobody takes is refused.
   */
  takes(credential: Credential, authentication: CompiledAuthentication): boolean
  /** Synchronous when it can be. Never throws or rejects: what goes wrong refuses the request. */
  verify(credential: Credential, context: CredentialContext): Outcome | Promise<Outcome>
}

/** Longer ones are refused before anything looks at them. */
export const MAX_CREDENTIAL_LENGTH = 16_384
