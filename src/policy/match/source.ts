import { type IdPattern, matchesId } from '../../identity/match.ts'
import type { SpiffeId, TrustDomain } from '../../identity/spiffe-id.ts'
import { OutriderError } from '../../lib/errors.ts'

/** The caller of one request. Without an ID it is anonymous; the parts of the ID may be left out when no rule asks. */
export interface Caller {
  readonly id: SpiffeId | undefined
  readonly namespace: string | undefined
  readonly trustDomain: TrustDomain | undefined
}

export type IdPrefix = Extract<IdPattern, { kind: 'prefix' }>

/** Conditions on a caller, all of which must hold; an absent one holds. */
export interface SourceMatcher {
  readonly ids: { readonly exact: ReadonlySet<SpiffeId>; readonly prefixes: readonly IdPrefix[] } | undefined
  readonly namespaces: ReadonlySet<string> | undefined
  readonly trustDomains: ReadonlySet<TrustDomain> | undefined
}

/** A namespace as it stands in a rule: a DNS label (RFC 1123, section 2.1). */
export function parseNamespace(text: string): string {
  if (!/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/.test(text))
    throw new OutriderError(
      'name-malformed',
      `a name has 1 to 63 lower-case letters, digits and inner dashes: ${JSON.stringify(text.slice(0, 100))}`,
    )
  return text
}

export function matchesSource(matcher: SourceMatcher, caller: Caller): boolean {
  const { id, namespace, trustDomain } = caller
  // An absent identity satisfies no condition on identities, whatever the condition is.
  if (id === undefined) return false
  const { namespaces, trustDomains } = matcher
  if (trustDomains !== undefined && (trustDomain === undefined || !trustDomains.has(trustDomain))) return false
  if (namespaces !== undefined && (namespace === undefined || !namespaces.has(namespace))) return false
  return matcher.ids === undefined || matcher.ids.exact.has(id) || matcher.ids.prefixes.some((p) => matchesId(p, id))
}
