import type { SpiffeId } from '../../identity/spiffe-id.ts'
import type { JsonObject } from '../../identity/json.ts'
import type { JwsAlgorithm } from '../../identity/jws-algorithm.ts'
import type { OperationMatch } from './authorization.ts'
import type { Metadata } from './name.ts'

/**
 * Which tokens and API keys a workload accepts, and how they are proven. A request without any goes on without: to demand one
 * is for an AuthorizationPolicy. A request with one that does not prove good is refused.
 */
export interface RequestAuthentication {
  readonly kind: 'RequestAuthentication'
  readonly metadata: Metadata
  readonly spec: {
    readonly workloads: readonly string[]
    readonly jwt: readonly JwtIssuer[]
    readonly introspection: readonly Introspection[]
    /** Absent: API keys are not looked for. */
    readonly apiKeys?: ApiKeyAcceptance
  }
}

/** Where in a request a token or key is looked for; in a header `prefix` is before it. */
export type TokenLocation =
  | { readonly header: string; readonly prefix?: string }
  | { readonly cookie: string }
  | { readonly query: string }

export interface ClaimToHeader {
  /** As in `ClaimMatch`. */
  readonly claim: string
  /** In lower case. What a client sends in it is never forwarded. */
  readonly header: string
}

/** What every way to accept a token has. */
export interface TokenAcceptance {
  readonly from: readonly TokenLocation[]
  /** Whether the application gets the token. */
  readonly forward: boolean
  readonly claimsToHeaders: readonly ClaimToHeader[]
  /**
   * The token has to be bound to its bearer, in this way: to the certificate of its mTLS connection (RFC 8705) or a key of its
   * own (DPoP, RFC 9449). One that is bound has to be proven whether or not this asks for it.
   */
  readonly binding?: 'certificate' | 'dpop' | 'any'
}

/** JSON Web Tokens of one issuer. RFC 7519, RFC 8725. */
export interface JwtIssuer extends TokenAcceptance {
  /** The claim `iss`, whole. */
  readonly issuer: string
  /** One of them is in the claim `aud`. */
  readonly audiences: readonly string[]
  readonly algorithms: readonly JwsAlgorithm[]
  readonly keys: KeySource
  /** How far the issuer's clock may be from ours. */
  readonly clockSkewMs: number
}

/** A JWK Set (RFC 7517, 5): as it stands, or where it is published. */
export type KeySource =
  | { readonly jwks: JsonObject }
  /** `https:`. `refreshMs`: how old it may be before it is asked for again; it serves for `staleMs` more while it cannot be had. */
  | { readonly jwksUri: string; readonly refreshMs: number; readonly staleMs: number }

/** Tokens that an authorization server is asked about. RFC 7662. */
export interface Introspection extends TokenAcceptance {
  /** `https:`. */
  readonly endpoint: string
  /** In the answer, when it names one; request principals begin with it. */
  readonly issuer: string
  /** One of them is in `aud` of the answer; empty: any. */
  readonly audiences: readonly string[]
  readonly clientId: string
  /** Name of a file in the sidecar's `secretsDir` with the client secret. */
  readonly clientSecret: string
  /** How long an answer serves, at most and never past `exp`. */
  readonly cacheMs: number
  readonly timeoutMs: number
}

export interface ApiKeyAcceptance {
  readonly from: readonly TokenLocation[]
  readonly forward: boolean
}

/** An API key of one owner, as its hashes. It is accepted by workloads of its own namespace. */
export interface ApiKey {
  readonly kind: 'ApiKey'
  readonly metadata: Metadata
  readonly spec: {
    /** Workloads that accept it; empty: all of its namespace. */
    readonly workloads: readonly string[]
    /** For `apiKeyOwners` of rules. */
    readonly owner: string
    readonly scopes: readonly string[]
    /** Those that are good now; several while one replaces another. */
    readonly secrets: readonly ApiKeySecret[]
  }
}

export interface ApiKeySecret {
  /** Names it in the key and in logs; not secret. */
  readonly id: string
  /** base64url, of 16 bytes or more. */
  readonly salt: string
  /** SHA-256 of salt and secret, hexadecimal. */
  readonly hash: string
  readonly createdAtMs: number
  readonly notAfterMs?: number
}

/** A server that is asked about requests that the policies allow. Envoy's protocol: envoy.service.auth.v3.Authorization. */
export interface ExternalAuthorization {
  readonly kind: 'ExternalAuthorization'
  readonly metadata: Metadata
  readonly spec: {
    readonly workloads: readonly string[]
    /** `host:port`, or `unix:` and a path. */
    readonly address: string
    /** Who it is; asked over mutual TLS then. Absent: without TLS, which is taken for loopback addresses and sockets only. */
    readonly spiffeId?: SpiffeId
    readonly timeoutMs: number
    /** What happens to a request that no answer came for. */
    readonly onFailure: 'deny' | 'allow'
    /** Requests that it is asked about; absent: all. */
    readonly to?: readonly OperationMatch[]
    /** Names of the headers that it is shown, in lower case; absent: all. */
    readonly headers?: readonly string[]
  }
}
