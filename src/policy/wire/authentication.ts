import { durationOf, durationText, isoOf, timestampOf } from '../../lib/protobuf-time.ts'
import { unreachable } from '../../lib/unreachable.ts'
import type { ApiKeySpec, ApiKeySpec__Output } from '../../wire/outrider/policy/v1/ApiKeySpec.ts'
import type {
  ExternalAuthorizationSpec,
  ExternalAuthorizationSpec__Output,
} from '../../wire/outrider/policy/v1/ExternalAuthorizationSpec.ts'
import type { Introspection, Introspection__Output } from '../../wire/outrider/policy/v1/Introspection.ts'
import type { JwtIssuer, JwtIssuer__Output } from '../../wire/outrider/policy/v1/JwtIssuer.ts'
import type {
  RequestAuthenticationSpec,
  RequestAuthenticationSpec__Output,
} from '../../wire/outrider/policy/v1/RequestAuthenticationSpec.ts'
import type { TokenAcceptance, TokenAcceptance__Output } from '../../wire/outrider/policy/v1/TokenAcceptance.ts'
import type { TokenLocation, TokenLocation__Output } from '../../wire/outrider/policy/v1/TokenLocation.ts'
import type * as model from '../model.ts'
import { operationDocument, operationToWire } from './authorization.ts'
import { fieldCount, present } from './presence.ts'

const bindings = {
  certificate: 'BINDING_CERTIFICATE',
  dpop: 'BINDING_DPOP',
  any: 'BINDING_ANY',
} as const satisfies Record<NonNullable<model.TokenAcceptance['binding']>, string>

const onFailures = { deny: 'ON_FAILURE_DENY', allow: 'ON_FAILURE_ALLOW' } as const

export function requestAuthenticationToWire({
  workloads,
  jwt,
  introspection,
  apiKeys,
}: model.RequestAuthentication['spec']): RequestAuthenticationSpec {
  const message = {
    workloads: [...workloads],
    jwt: jwt.map(issuerToWire),
    introspection: introspection.map(introspectionToWire),
    apiKeys: apiKeys === undefined ? null : { from: apiKeys.from.map(locationToWire), forward: apiKeys.forward },
  }
  return { ...message, fieldCount: fieldCount(message) }
}

function issuerToWire(issuer: model.JwtIssuer): JwtIssuer {
  const { keys, audiences, algorithms, clockSkewMs } = issuer
  return {
    acceptance: acceptanceToWire(issuer),
    issuer: issuer.issuer,
    audiences: [...audiences],
    algorithms: [...algorithms],
    clockSkew: durationOf(clockSkewMs),
    ...('jwks' in keys
      ? { jwks: JSON.stringify(keys.jwks) }
      : { published: { uri: keys.jwksUri, refresh: durationOf(keys.refreshMs), stale: durationOf(keys.staleMs) } }),
  }
}

function introspectionToWire(introspection: model.Introspection): Introspection {
  const { endpoint, issuer, audiences, clientId, clientSecret, cacheMs, timeoutMs } = introspection
  return {
    acceptance: acceptanceToWire(introspection),
    endpoint,
    issuer,
    audiences: [...audiences],
    clientId,
    clientSecret,
    cache: durationOf(cacheMs),
    timeout: durationOf(timeoutMs),
  }
}

function acceptanceToWire({ from, forward, claimsToHeaders, binding }: model.TokenAcceptance): TokenAcceptance {
  return {
    from: from.map(locationToWire),
    forward,
    claimsToHeaders: [...claimsToHeaders],
    ...(binding === undefined ? {} : { binding: bindings[binding] }),
  }
}

function locationToWire(location: model.TokenLocation): TokenLocation {
  return 'header' in location ? { header: { name: location.header, prefix: location.prefix ?? '' } } : { ...location }
}

export function apiKeyToWire({ workloads, owner, scopes, secrets }: model.ApiKey['spec']): ApiKeySpec {
  return {
    workloads: [...workloads],
    owner,
    scopes: [...scopes],
    secrets: secrets.map(({ createdAtMs, notAfterMs, ...secret }) => ({
      ...secret,
      createdAt: timestampOf(createdAtMs),
      notAfter: notAfterMs === undefined ? null : timestampOf(notAfterMs),
    })),
  }
}

export function externalAuthorizationToWire(spec: model.ExternalAuthorization['spec']): ExternalAuthorizationSpec {
  const { workloads, address, spiffeId = '', timeoutMs, onFailure, to = [], headers } = spec
  return {
    workloads: [...workloads],
    address,
    spiffeId,
    timeout: durationOf(timeoutMs),
    onFailure: onFailures[onFailure],
    to: to.map(operationToWire),
    headers: [...(headers ?? [])],
    someHeaders: headers !== undefined,
  }
}

/** As a document; `undefined` when there is more in the message than this version knows, which leaves the whole unreadable. */
export function requestAuthenticationDocument(message: RequestAuthenticationSpec__Output): unknown {
  if (fieldCount(message) < message.fieldCount) return undefined
  const { workloads, jwt, introspection, apiKeys } = message
  return {
    workloads,
    jwt: jwt.map(issuerDocument),
    introspection: introspection.map(introspectionDocument),
    ...(apiKeys === null ? {} : { apiKeys: { from: apiKeys.from.map(locationDocument), forward: apiKeys.forward } }),
  }
}

function issuerDocument({
  acceptance,
  issuer,
  audiences,
  algorithms,
  clockSkew,
  jwks,
  published,
}: JwtIssuer__Output): object {
  return {
    ...acceptanceDocument(acceptance),
    issuer,
    audiences,
    algorithms,
    clockSkew: durationText(clockSkew),
    ...present({
      jwks: jwks === undefined || jwks === '' ? undefined : parsedJson(jwks),
      jwksUri: published?.uri,
      refresh: durationText(published?.refresh ?? null),
      staleFor: durationText(published?.stale ?? null),
    }),
  }
}

function introspectionDocument(message: Introspection__Output): object {
  const { acceptance, cache, timeout, ...rest } = message
  return {
    ...acceptanceDocument(acceptance),
    ...rest,
    cacheFor: durationText(cache),
    timeout: durationText(timeout),
  }
}

function acceptanceDocument(acceptance: TokenAcceptance__Output | null): object {
  if (acceptance === null) return {}
  const { from, forward, claimsToHeaders, binding } = acceptance
  const bound = Object.entries(bindings).find(([, value]) => value === binding)?.[0]
  return {
    from: from.map(locationDocument),
    forward,
    claimsToHeaders,
    // One that this version does not know stays as it came, and makes the resource unreadable.
    ...(binding === 'BINDING_UNSPECIFIED' ? {} : { binding: bound ?? binding }),
  }
}

function locationDocument({ location, header, cookie, query }: TokenLocation__Output): object {
  switch (location) {
    case 'header':
      return present({ header: header!.name, prefix: header!.prefix })
    case 'cookie':
      return { cookie }
    case 'query':
      return { query }
    case undefined:
      return {}
    default:
      return unreachable(location)
  }
}

/** `undefined`, which no schema accepts, for what is not JSON. */
function parsedJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

export function apiKeyDocument({ workloads, owner, scopes, secrets }: ApiKeySpec__Output): unknown {
  return {
    workloads,
    owner,
    scopes,
    secrets: secrets.map(({ id, salt, hash, createdAt, notAfter }) =>
      present({ id, salt, hash, createdAt: isoOf(createdAt), notAfter: isoOf(notAfter) }),
    ),
  }
}

export function externalAuthorizationDocument(message: ExternalAuthorizationSpec__Output): unknown {
  const { workloads, address, spiffeId, timeout, onFailure, to, headers, someHeaders } = message
  const known = Object.entries(onFailures).find(([, value]) => value === onFailure)?.[0]
  return {
    workloads,
    address,
    timeout: durationText(timeout),
    onFailure: known ?? onFailure,
    ...present({ spiffeId, to: to.map(operationDocument) }),
    ...(someHeaders ? { headers } : {}),
  }
}
