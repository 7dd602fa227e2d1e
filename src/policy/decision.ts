import type { JsonObject } from '../identity/json.ts'
import type { SpiffeId } from '../identity/spiffe-id.ts'
import type { ResourceName } from './model.ts'

/** Who calls: a verified peer, or nobody known and why. */
export type Principal =
  | { readonly kind: 'peer'; readonly id: SpiffeId }
  | { readonly kind: 'anonymous'; readonly why: AnonymousReason }

/**
 * The listener takes nobody with TLS, or this caller came without it to one that takes both; or who asks about a request of somebody
 * else (external authorization) names nobody.
 */
export type AnonymousReason = 'plaintext-port' | 'plaintext-permissive' | 'no-principal'

/** A token that a request proved: believed, in time, and its bearer's own where it is bound. */
export interface TokenIdentity {
  readonly issuer: string
  /** Absent: the token names nobody. */
  readonly subject: string | undefined
  readonly claims: JsonObject
  readonly expiresAtMs: number
}

export interface ApiKeyIdentity {
  /** Of the secret; not secret itself. */
  readonly id: string
  readonly owner: string
  readonly scopes: readonly string[]
  readonly expiresAtMs: number
}

/** Who the user is, beside the workload that calls: all that a request proved, and nothing that it only claims. */
export interface UserIdentity {
  readonly tokens: readonly TokenIdentity[]
  readonly apiKey: ApiKeyIdentity | undefined
}

export const noUser: UserIdentity = { tokens: [], apiKey: undefined }

/** A request; without method and path, which come and go together, it is a TCP connection. */
export interface DecisionRequest {
  readonly principal: Principal
  readonly method: string | undefined
  /** As `normalisePath` returns it, without the query. */
  readonly path: string | undefined
  /** Port of the application. */
  readonly port: number
  /** Host name in lower case, without port; absent for a TCP connection. */
  readonly host?: string | undefined
  /** IP address that the connection comes from. */
  readonly address?: string | undefined
  /** Server name that the client asked for in its TLS handshake. */
  readonly sni?: string | undefined
  /** Flat: names, in lower case, and values in turn. Absent for a TCP connection. */
  readonly headers?: readonly string[] | undefined
  readonly user?: UserIdentity
  /** Milliseconds since 1970; absent: no time-boxed policy is in force. */
  readonly nowMs?: number
}

/** Names one rule for logs and people: its policy, and its name or place (`rules[3]`). */
export interface RuleRef {
  readonly policy: ResourceName
  readonly rule: string
}

/** `namespace/policy/rule`: how logs and people name a rule. */
export function ruleName({ policy, rule }: RuleRef): string {
  return `${policy.namespace}/${policy.name}/${rule}`
}

declare const permitted: unique symbol

/** What follows from policies that decide nothing; absent when nothing does. */
export interface Observations {
  /** The AUDIT rules that matched. */
  readonly audits?: readonly RuleRef[] | undefined
  /** What would have been decided with the policies in force that are only a dry run, where that is different. */
  readonly shadow?: { readonly kind: 'permit' | 'denial'; readonly rule: RuleRef | undefined } | undefined
}

/** Proof that a request was authorized. Only `decide` makes one; forwarding asks for one. */
export interface Permit extends Observations {
  readonly kind: 'permit'
  /** An ALLOW rule that matched. */
  readonly rule: RuleRef
  readonly [permitted]: true
}

export const denialCodes = [
  /** A DENY rule matched. */
  'denied-by-rule',
  /** No ALLOW rule matched: the default. */
  'no-allow-rule',
  /** A resource that may deny could not be compiled. */
  'policy-broken',
  /** There is no policy to decide with. */
  'policy-missing',
] as const
export type DenialCode = (typeof denialCodes)[number]

/**
 * A condition of a rule, by its field: `from.spiffeIds`, `from.claims[0]`, `to.paths`, `when[2]`; `window` when the policy is not
 * in force at the time, `unknown` when a part of the rule is.
 */
export type FailedCondition = `from.${string}` | `to.${string}` | `when[${string}]` | 'window' | 'unknown'

/** The ALLOW rule that came closest to a match. */
export interface NearMiss {
  readonly rule: RuleRef
  /** The first condition of it that did not hold. */
  readonly failed: FailedCondition
}

export interface Denial extends Observations {
  readonly kind: 'denial'
  readonly code: DenialCode
  /** The DENY rule, of `denied-by-rule`. */
  readonly rule?: RuleRef
  /** What closed the policy, of `policy-broken` and `policy-missing`. */
  readonly detail?: string
  /** Of `no-allow-rule`, computed when first read; absent when there is no ALLOW rule. */
  readonly nearest?: NearMiss | undefined
}

export type Decision = Permit | Denial
