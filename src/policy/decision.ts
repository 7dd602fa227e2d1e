import type { SpiffeId } from '../identity/spiffe-id.ts'
import type { ResourceName } from './model.ts'

/** Who calls: a verified peer, or nobody known and why. */
export type Principal =
  | { readonly kind: 'peer'; readonly id: SpiffeId }
  | { readonly kind: 'anonymous'; readonly why: AnonymousReason }

/** The listener takes nobody with TLS, or this caller came without it to one that takes both. */
export type AnonymousReason = 'plaintext-port' | 'plaintext-permissive'

/** A request; without method and path, which come and go together, it is a TCP connection. */
export interface DecisionRequest {
  readonly principal: Principal
  readonly method: string | undefined
  /** As `normalisePath` returns it, without the query. */
  readonly path: string | undefined
  /** Port of the application. */
  readonly port: number
}

/** Names one rule for logs and people: its policy, and its name or place (`rules[3]`). */
export interface RuleRef {
  readonly policy: ResourceName
  readonly rule: string
}

declare const permitted: unique symbol

/** Proof that a request was authorized. Only `decide` makes one; forwarding asks for one. */
export interface Permit {
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

/** The conditions of a rule. */
export type Condition = 'from' | 'to.methods' | 'to.paths' | 'to.ports'

/** The ALLOW rule that came closest to a match. */
export interface NearMiss {
  readonly rule: RuleRef
  /** The first condition of it that did not hold. */
  readonly failed: Condition
}

export interface Denial {
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
