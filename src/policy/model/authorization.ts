import type { Metadata } from './name.ts'

/**
 * Says which requests from whom are allowed, denied or recorded. DENY is asked first, then ALLOW; a request that no ALLOW rule
 * matches is denied. AUDIT only records.
 */
export interface AuthorizationPolicy {
  readonly kind: 'AuthorizationPolicy'
  readonly metadata: Metadata
  readonly spec: {
    /** Workloads of the policy's namespace that it governs; empty: all of them. */
    readonly workloads: readonly string[]
    readonly action: Action
    /** Decided and reported, but not enforced. */
    readonly dryRun?: true
    /** In force from then on; absent: from the beginning. Milliseconds since 1970, like the next. */
    readonly notBeforeMs?: number
    /** In force before then, and never after; absent: without end. */
    readonly notAfterMs?: number
    /** Why and by whom it was granted, for people: both are there when it has a beginning or an end. */
    readonly reason?: string
    readonly approver?: string
    /** The policy matches when one of them does; without any it matches nothing. */
    readonly rules: readonly AuthorizationRule[]
  }
}

export const actions = ['ALLOW', 'DENY', 'AUDIT'] as const
export type Action = (typeof actions)[number]

/** Matches when one of `from`, one of `to` and all of `when` match; a list that is absent matches everything. */
export interface AuthorizationRule {
  readonly name?: string
  readonly from?: readonly SourceMatch[]
  readonly to?: readonly OperationMatch[]
  readonly when?: readonly Condition[]
  /** It came over the wire with a condition that this version does not know. */
  readonly unknown?: true
}

/**
 * Every list that is present must match; a list matches when one of its values does, a `not...` list when none does. What a
 * request does not have (an identity, a token) is in no list; whether it is in none of a `not...` list is unknown, and what is
 * unknown is false in ALLOW and true in DENY and AUDIT.
 */
export interface SourceMatch {
  /** IDs, whole (`spiffe://td/a`), below a path (`spiffe://td/ns/a/*`), or with a star in place of any segment of the path. */
  readonly spiffeIds?: readonly string[]
  readonly notSpiffeIds?: readonly string[]
  /** Of the workload's own trust domain, unless `trustDomains` says otherwise: a caller of another one has none. */
  readonly namespaces?: readonly string[]
  readonly notNamespaces?: readonly string[]
  /** `name`, of the policy's namespace, or `namespace/name`; the trust domain as with `namespaces`. */
  readonly serviceAccounts?: readonly string[]
  readonly notServiceAccounts?: readonly string[]
  readonly trustDomains?: readonly string[]
  readonly notTrustDomains?: readonly string[]
  /** Addresses and CIDR blocks that the connection comes from. */
  readonly ipBlocks?: readonly string[]
  readonly notIpBlocks?: readonly string[]
  /** `issuer/subject` of a token; `issuer/*` and `*` as prefixes. */
  readonly requestPrincipals?: readonly string[]
  readonly notRequestPrincipals?: readonly string[]
  /** All of them, in the very token that `requestPrincipals` is about. */
  readonly claims?: readonly ClaimMatch[]
  readonly apiKeyOwners?: readonly string[]
  readonly notApiKeyOwners?: readonly string[]
  /** The API key has one of them. */
  readonly apiKeyScopes?: readonly string[]
}

/**
 * A condition on one value: it is one of `values` and none of `notValues`. Values are whole texts, `prefix*`, `*suffix` or `*`,
 * which any value matches; `matches` are regular expressions (RE2) for the whole value. Of something that has a list of values one
 * has to be wanted, and none may be in `notValues`.
 */
export interface ValueMatch {
  readonly values?: readonly string[]
  readonly notValues?: readonly string[]
  readonly matches?: readonly string[]
}

/** A claim by its path: `sub`, `realm_access.roles`, `["https://example.org/groups"].admin`. */
export interface ClaimMatch extends ValueMatch {
  readonly claim: string
}

/** As `SourceMatch`. */
export interface OperationMatch {
  /** Host names without port, whole or `*.suffix`. */
  readonly hosts?: readonly string[]
  readonly notHosts?: readonly string[]
  readonly ports?: readonly number[]
  readonly notPorts?: readonly number[]
  readonly methods?: readonly string[]
  readonly notMethods?: readonly string[]
  readonly paths?: readonly string[]
  readonly notPaths?: readonly string[]
  /** gRPC calls, as `package.Service/Method` or `package.Service/*`. */
  readonly grpcMethods?: readonly string[]
  readonly notGrpcMethods?: readonly string[]
}

/** What else must be true of a request. */
export type Condition =
  /** A header by its name in lower case; of one that is there several times each value has to match, and it is unknown when they differ. */
  | ({ readonly header: string } & ValueMatch)
  | ClaimMatch
  /** The server name that the client asked for in its TLS handshake, whole or `*.suffix`. */
  | { readonly sni: readonly string[] }
  | { readonly time: TimeMatch }
  /** An expression of the Common Expression Language that yields a bool. */
  | { readonly cel: string }

export const weekdays = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const
export type Weekday = (typeof weekdays)[number]

/** A time of the week. */
export interface TimeMatch {
  /** Days on which it begins; absent: all. */
  readonly days?: readonly Weekday[]
  /** Minutes after midnight, from 0. */
  readonly fromMinute: number
  /** Minutes after midnight, to 1440; not above `fromMinute`: on the next day. */
  readonly toMinute: number
  /** Name of the IANA time zone database: `Europe/Berlin`. */
  readonly zone: string
}
