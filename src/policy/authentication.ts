import { noKeys, readJwkSet, type VerificationKeys } from '../identity/jwk-set.ts'
import { OutriderError } from '../lib/errors.ts'
import { type ApiKeyTable, compileApiKeys } from './api-keys.ts'
import { type ClaimPath, parseClaimPath } from './match/claim.ts'
import {
  type ApiKey,
  type ApiKeyAcceptance,
  type Introspection,
  type JwtIssuer,
  nameOf,
  type RequestAuthentication,
  type ResourceViolation,
  type TokenAcceptance,
  type TokenLocation,
  type Violation,
} from './model.ts'

/** The tokens and API keys that a workload accepts, of all that govern it, by where they are looked for. */
export interface CompiledAuthentication {
  /** Header fields that credentials come in, by their names. */
  readonly headers: ReadonlyMap<string, readonly CredentialPlace[]>
  readonly cookies: ReadonlyMap<string, CredentialPlace>
  readonly queries: ReadonlyMap<string, CredentialPlace>
  /** Header fields that claims are set in: what a client sends in them is never forwarded. */
  readonly claimHeaders: ReadonlySet<string>
  /** Fields that credentials come in or claims are set in: in trailers they are believed by nobody, and never forwarded. */
  readonly withheldTrailers: ReadonlySet<string>
  /** Nothing of the above: no request has to be looked at. */
  readonly empty: boolean
  /** Issuers of JWTs, wherever they are accepted. */
  readonly issuers: ReadonlySet<string>
  /** Addresses of JWK Sets. */
  readonly keySources: ReadonlyMap<string, KeyTimes>
  readonly apiKeys: ApiKeyTable
}

/** How old the keys of an address may get: see `KeySource`. */
export interface KeyTimes {
  readonly refreshMs: number
  readonly staleMs: number
}

/** One place of a request, and all that may be found there. */
export interface CredentialPlace {
  /** A prefix is in lower case. */
  readonly location: TokenLocation
  /** By `iss`: several resources may accept one issuer, for other audiences. */
  readonly issuers: ReadonlyMap<string, readonly AcceptedIssuer[]>
  readonly introspection: AcceptedIntrospection | undefined
  readonly apiKeys: ApiKeyAcceptance | undefined
}

/** A claim that becomes a header field. */
export interface ClaimHeader {
  readonly claim: ClaimPath
  /** In lower case. */
  readonly header: string
}

export interface AcceptedIssuer extends Omit<JwtIssuer, 'keys' | 'claimsToHeaders'> {
  readonly keys: { readonly set: VerificationKeys } | { readonly uri: string }
  readonly claimsToHeaders: readonly ClaimHeader[]
}

export interface AcceptedIntrospection extends Omit<Introspection, 'claimsToHeaders'> {
  readonly claimsToHeaders: readonly ClaimHeader[]
}

/** How many resources may accept one issuer at one place: each may cost a signature for one token. */
const MAX_REPEATED = 4
/** Places that are looked at in each request. */
const MAX_PLACES = 32
/** Each is asked for keys again and again. */
const MAX_KEY_SOURCES = 64

/** Fields that say how a message is read, whose connection it is on or who calls: no credential comes in them. */
const reservedHeaders: ReadonlySet<string> = new Set([
  'client-cert',
  'client-cert-chain',
  'connection',
  'content-encoding',
  'content-length',
  'content-type',
  'cookie',
  'dpop',
  'expect',
  'host',
  'keep-alive',
  'proxy-connection',
  'te',
  'traceparent',
  'tracestate',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'x-forwarded-client-cert',
  'x-outrider-protocol',
  'x-outrider-refusal',
  'x-request-id',
])

export const noAuthentication: CompiledAuthentication = {
  headers: new Map(),
  cookies: new Map(),
  queries: new Map(),
  claimHeaders: new Set(),
  withheldTrailers: new Set(),
  empty: true,
  issuers: new Set(),
  keySources: new Map(),
  apiKeys: new Map(),
}

interface PlaceInWork {
  readonly location: TokenLocation
  readonly issuers: Map<string, AcceptedIssuer[]>
  introspection?: AcceptedIntrospection
  apiKeys?: ApiKeyAcceptance
}

/**
 * Of several resources, in the order given, each adds to what is accepted. One with a violation has to close the workload: who
 * would be refused by it cannot be told any more.
 */
export function compileAuthentication(
  resources: readonly RequestAuthentication[],
  keys: readonly ApiKey[],
): { readonly authentication: CompiledAuthentication; readonly violations: readonly ResourceViolation[] } {
  const apiKeys = compileApiKeys(keys)
  if (resources.length === 0) return { authentication: { ...noAuthentication, apiKeys }, violations: [] }
  const violations: ResourceViolation[] = []
  const places = new Map<string, PlaceInWork>()
  const claimHeaders = new Set<string>()
  const keySources = new Map<string, KeyTimes>()
  for (const resource of resources) {
    const found: Violation[] = []
    addResource(resource, places, claimHeaders, keySources, found)
    violations.push(...found.map((violation) => ({ ...violation, resource: nameOf(resource) })))
  }
  const headers = new Map<string, CredentialPlace[]>()
  const cookies = new Map<string, CredentialPlace>()
  const queries = new Map<string, CredentialPlace>()
  for (const { location, issuers, introspection, apiKeys } of places.values()) {
    const place: CredentialPlace = { location, issuers, introspection, apiKeys }
    if ('header' in location) headers.set(location.header, [...(headers.get(location.header) ?? []), place])
    else if ('cookie' in location) cookies.set(location.cookie, place)
    else queries.set(location.query, place)
  }
  // The longest prefix wins, and no prefix is the shortest.
  for (const [name, list] of headers)
    headers.set(
      name,
      list.toSorted((a, b) => prefixLength(b) - prefixLength(a)),
    )
  const issuers = new Set([...places.values()].flatMap((place) => [...place.issuers.keys()]))
  const withheldTrailers = new Set([...claimHeaders, ...headers.keys(), 'dpop'])
  const authentication = {
    headers,
    cookies,
    queries,
    claimHeaders,
    withheldTrailers,
    empty: false,
    issuers,
    keySources,
    apiKeys,
  }
  return { authentication, violations }
}

function prefixLength({ location }: CredentialPlace): number {
  return 'header' in location ? (location.prefix ?? '').length : 0
}

function addResource(
  { spec }: RequestAuthentication,
  places: Map<string, PlaceInWork>,
  claimHeaders: Set<string>,
  keySources: Map<string, KeyTimes>,
  violations: Violation[],
): void {
  const placesOf = (from: readonly TokenLocation[], field: string): PlaceInWork[] =>
    from.flatMap((location, index) => placeOf(location, `${field}.from[${index}]`, places, violations))

  for (const [index, issuer] of spec.jwt.entries()) {
    const field = `spec.jwt[${index}]`
    const keys = keysOf(issuer, field, keySources, violations)
    const accepted = { ...issuer, keys, claimsToHeaders: headersOf(issuer, field, claimHeaders, violations) }
    for (const { issuers } of placesOf(issuer.from, field)) {
      const repeated = issuers.get(issuer.issuer) ?? []
      if (repeated.length === MAX_REPEATED)
        violations.push({
          field: `${field}.issuer`,
          code: 'issuer-repeated',
          message: `more than ${MAX_REPEATED} resources accept this issuer at one place`,
        })
      else issuers.set(issuer.issuer, [...repeated, accepted])
    }
  }
  for (const [index, introspection] of spec.introspection.entries()) {
    const field = `spec.introspection[${index}]`
    const accepted = { ...introspection, claimsToHeaders: headersOf(introspection, field, claimHeaders, violations) }
    for (const place of placesOf(introspection.from, field)) {
      if (place.introspection === undefined) place.introspection = accepted
      else
        violations.push({
          field: `${field}.from`,
          code: 'introspection-repeated',
          message: `${shown(place.location)} is looked at for ${place.introspection.endpoint} already: a token would be shown to two servers`,
        })
    }
  }
  const { apiKeys } = spec
  if (apiKeys === undefined) return
  for (const place of placesOf(apiKeys.from, 'spec.apiKeys')) place.apiKeys ??= apiKeys
}

function placeOf(
  given: TokenLocation,
  field: string,
  places: Map<string, PlaceInWork>,
  violations: Violation[],
): PlaceInWork[] {
  const location = normalised(given)
  if ('header' in location && reservedHeaders.has(location.header)) {
    violations.push({
      field: `${field}.header`,
      code: 'header-reserved',
      message: `${location.header} is not for tokens`,
    })
    return []
  }
  const key = shown(location)
  const place = places.get(key) ?? { location, issuers: new Map() }
  if (places.size === MAX_PLACES && !places.has(key)) {
    violations.push({ field, code: 'token-location', message: `more than ${MAX_PLACES} places to look for tokens in` })
    return []
  }
  places.set(key, place)
  return [place]
}

/** Schemes of Authorization have no case, and a space after them (RFC 9110, 11.1 and 11.4). */
function normalised(location: TokenLocation): TokenLocation {
  if (!('header' in location) || location.prefix === undefined) return location
  const { header, prefix } = location
  const scheme = header === 'authorization' ? `${prefix.trimEnd()} ` : prefix
  return { header, prefix: scheme.toLowerCase() }
}

/** One text for each place. */
function shown(location: TokenLocation): string {
  if ('header' in location) return `header ${location.header} ${location.prefix ?? ''}`.trimEnd()
  return 'cookie' in location ? `cookie ${location.cookie}` : `query ${location.query}`
}

function keysOf(
  { keys }: JwtIssuer,
  field: string,
  keySources: Map<string, KeyTimes>,
  violations: Violation[],
): AcceptedIssuer['keys'] {
  if ('jwksUri' in keys) {
    const { jwksUri: uri, refreshMs, staleMs } = keys
    const other = keySources.get(uri) ?? { refreshMs, staleMs }
    if (keySources.size === MAX_KEY_SOURCES && !keySources.has(uri))
      violations.push({
        field: `${field}.jwksUri`,
        code: 'key-sources-too-many',
        message: `more than ${MAX_KEY_SOURCES} addresses of keys for one workload`,
      })
    keySources.set(uri, {
      refreshMs: Math.min(refreshMs, other.refreshMs),
      staleMs: Math.min(staleMs, other.staleMs),
    })
    return { uri }
  }
  return { set: attempt(`${field}.jwks`, violations, () => readJwkSet(keys.jwks)) ?? noKeys }
}

function headersOf(
  { claimsToHeaders }: TokenAcceptance,
  field: string,
  claimHeaders: Set<string>,
  violations: Violation[],
): readonly ClaimHeader[] {
  return claimsToHeaders.flatMap(({ claim, header }, index) => {
    const at = `${field}.claimsToHeaders[${index}]`
    if (reservedHeaders.has(header) || header === 'authorization') {
      violations.push({ field: `${at}.header`, code: 'header-reserved', message: `${header} is not for claims` })
      return []
    }
    claimHeaders.add(header)
    const path = attempt(`${at}.claim`, violations, () => parseClaimPath(claim))
    return path === undefined ? [] : [{ claim: path, header }]
  })
}

function attempt<T>(field: string, violations: Violation[], parse: () => T): T | undefined {
  try {
    return parse()
  } catch (thrown) {
    if (!(thrown instanceof OutriderError)) throw thrown
    violations.push({ field, code: thrown.code, message: thrown.message })
    return undefined
  }
}
