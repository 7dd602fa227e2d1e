import { isJsonObject, type JsonObject } from '../../identity/json.ts'
import { jwsAlgorithms } from '../../identity/jws-algorithm.ts'
import { OutriderError } from '../../lib/errors.ts'
import { checkExternalAddress, needsNoIdentity } from '../external.ts'
import { parseClaimPath } from '../match/claim.ts'
import { parseHeaderName } from '../match/header.ts'
import {
  type ApiKey,
  type ClaimToHeader,
  type ExternalAuthorization,
  type JwtIssuer,
  type KeySource,
  type RequestAuthentication,
  type TokenLocation,
} from '../model.ts'
import { andThen, boolean, list, object, oneOf, optional, parsed, pathOf, type Reader, withDefault } from '../schema.ts'
import { describe } from '../violations.ts'
import { operation } from './authorization.ts'
import {
  conditionOf,
  duration,
  envelope,
  listOf,
  MAX_STRING,
  spiffeId,
  text,
  timestamp,
  words,
  workloads,
} from './readers.ts'

/** Each is looked for in every request. */
const MAX_LOCATIONS = 8
const MAX_ISSUERS = 32
/** While one replaces another. */
const MAX_SECRETS = 4
const DAY_MS = 86_400_000

const headerName = text(parseHeaderName)

const cookieOrQuery = text((name) => {
  if (!/^[\w!#$%&'*+.^`|~-]{1,128}$/.test(name))
    throw new OutriderError('token-location', `not the name of a cookie or of a query parameter: ${quote(name)}`)
})

const url = parsed((text) => {
  const parsed = URL.parse(text)
  if (parsed?.protocol === 'https:' && parsed.username === '' && parsed.password === '' && !/[#@\s]/.test(text))
    return parsed.href
  throw new OutriderError(
    'url-malformed',
    `begins with https:// and has neither a user nor a fragment, not ${quote(text)}`,
  )
}, MAX_STRING)

function quote(text: string): string {
  return JSON.stringify(text.slice(0, 100))
}

const location: Reader<TokenLocation> = andThen(
  object({
    header: optional(headerName),
    prefix: optional(words),
    cookie: optional(cookieOrQuery),
    query: optional(cookieOrQuery),
  }),
  ({ header, prefix, cookie, query }, field, report) => {
    const given = [header, cookie, query].filter((name) => name !== undefined)
    if (given.length !== 1)
      return report({ field, code: 'token-location', message: 'is one of header, cookie and query' })
    if (header !== undefined) return { header, ...(prefix === undefined ? {} : { prefix }) }
    if (prefix !== undefined)
      return report({ field: pathOf(field, 'prefix'), code: 'field-not-applicable', message: 'is for a header' })
    return cookie === undefined ? { query: query! } : { cookie }
  },
)

const bearer: readonly TokenLocation[] = [{ header: 'authorization', prefix: 'Bearer ' }]
const locations = (fallback: readonly TokenLocation[]) =>
  withDefault(list(location, { min: 1, max: MAX_LOCATIONS, uniqueBy: (at) => JSON.stringify(at) }), fallback)

const claimToHeader: Reader<ClaimToHeader> = object({ claim: text(parseClaimPath), header: headerName })

const acceptance = {
  from: locations(bearer),
  forward: withDefault(boolean, false),
  claimsToHeaders: withDefault(listOf(claimToHeader, { uniqueBy: ({ header }) => header }), []),
  binding: optional(oneOf(['certificate', 'dpop', 'any'])),
}

const jwks: Reader<JsonObject> = (value, field, report) =>
  isJsonObject(value)
    ? value
    : report({ field, code: 'type-mismatch', message: `must be a JWK Set, not ${describe(value)}` })

const issuer: Reader<JwtIssuer> = andThen(
  object({
    ...acceptance,
    issuer: words,
    audiences: listOf(words, { min: 1, uniqueBy: (audience) => audience }),
    algorithms: withDefault(listOf(oneOf(jwsAlgorithms), { min: 1, uniqueBy: (algorithm) => algorithm }), [
      'ES256',
      'RS256',
      'PS256',
      'EdDSA',
    ]),
    jwks: optional(jwks),
    jwksUri: optional(url),
    refresh: withDefault(duration(60_000, DAY_MS, '1m to 1d'), 300_000),
    staleFor: withDefault(duration(0, 7 * DAY_MS, '0s to 7d'), DAY_MS),
    clockSkew: withDefault(duration(0, 300_000, '0s to 5m'), 30_000),
  }),
  ({ jwks, jwksUri, refresh: refreshMs, staleFor: staleMs, clockSkew: clockSkewMs, ...rest }, field, report) => {
    if ((jwks === undefined) === (jwksUri === undefined))
      return report({ field, code: 'key-source', message: 'needs its keys: either jwks or jwksUri' })
    const keys: KeySource = jwksUri === undefined ? { jwks: jwks! } : { jwksUri, refreshMs, staleMs }
    return { ...rest, keys, clockSkewMs }
  },
)

const secretName = text((name) => {
  if (!/^[A-Za-z0-9][\w.-]{0,127}$/.test(name))
    throw new OutriderError('secret-name', `the name of a file in secretsDir, not ${quote(name)}`)
})

const introspection = andThen(
  object({
    ...acceptance,
    endpoint: url,
    issuer: words,
    audiences: withDefault(listOf(words, { uniqueBy: (audience) => audience }), []),
    clientId: words,
    clientSecret: secretName,
    cacheFor: withDefault(duration(0, 300_000, '0s to 5m'), 30_000),
    timeout: withDefault(duration(50, 10_000, '50ms to 10s'), 2000),
  }),
  ({ cacheFor: cacheMs, timeout: timeoutMs, ...rest }) => ({ ...rest, cacheMs, timeoutMs }),
)

const requestAuthenticationSpec = andThen(
  object({
    workloads,
    jwt: withDefault(list(issuer, { max: MAX_ISSUERS, uniqueBy: ({ issuer }) => issuer }), []),
    introspection: withDefault(list(introspection, { max: MAX_ISSUERS, uniqueBy: ({ endpoint }) => endpoint }), []),
    apiKeys: optional(object({ from: locations([{ header: 'x-api-key' }]), forward: withDefault(boolean, false) })),
  }),
  (spec, field, report) =>
    spec.jwt.length + spec.introspection.length > 0 || spec.apiKeys !== undefined
      ? spec
      : report({ field, code: 'entry-empty', message: 'accepts nothing: give jwt, introspection or apiKeys' }),
)

const secret = andThen(
  object({
    id: text((id) => {
      if (!/^[a-z0-9]{8,32}$/.test(id))
        throw new OutriderError(
          'api-key-malformed',
          `an ID has 8 to 32 lower-case letters and digits, not ${quote(id)}`,
        )
    }),
    salt: text((salt) => {
      if (!/^[\w-]{22,86}$/.test(salt))
        throw new OutriderError('api-key-malformed', 'a salt is base64url of 16 to 64 bytes')
    }),
    hash: text((hash) => {
      if (!/^[0-9a-f]{64}$/.test(hash))
        throw new OutriderError('api-key-malformed', 'a hash is SHA-256 in 64 lower-case hexadecimal digits')
    }),
    createdAt: timestamp,
    notAfter: optional(timestamp),
  }),
  ({ createdAt: createdAtMs, notAfter: notAfterMs, ...rest }) => ({
    ...rest,
    createdAtMs,
    ...(notAfterMs === undefined ? {} : { notAfterMs }),
  }),
)

const apiKeySpec = object({
  workloads,
  owner: words,
  scopes: withDefault(listOf(words, { uniqueBy: (scope) => scope }), []),
  secrets: list(secret, { max: MAX_SECRETS, uniqueBy: ({ id }) => id }),
})

const externalAuthorizationSpec = andThen(
  object({
    workloads,
    address: text(checkExternalAddress),
    spiffeId: optional(spiffeId),
    timeout: withDefault(duration(10, 10_000, '10ms to 10s'), 200),
    onFailure: withDefault(oneOf(['deny', 'allow']), 'deny'),
    to: conditionOf(operation),
    headers: optional(listOf(headerName, { uniqueBy: (name) => name })),
  }),
  ({ timeout: timeoutMs, ...rest }, field, report) =>
    rest.spiffeId === undefined && !needsNoIdentity(rest.address)
      ? report({
          field: pathOf(field, 'spiffeId'),
          code: 'external-insecure',
          message: 'a server that is not on this machine is asked over mutual TLS: say who it is',
        })
      : { ...rest, timeoutMs },
)

export const requestAuthentication: Reader<RequestAuthentication> = envelope(
  'RequestAuthentication',
  requestAuthenticationSpec,
)
export const apiKey: Reader<ApiKey> = envelope('ApiKey', apiKeySpec)
export const externalAuthorization: Reader<ExternalAuthorization> = envelope(
  'ExternalAuthorization',
  externalAuthorizationSpec,
)
