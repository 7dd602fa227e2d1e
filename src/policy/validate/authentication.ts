import { isJsonObject } from '../../identity/json.ts'
import { jwsAlgorithms } from '../../identity/jws-algorithm.ts'
import { OutriderError } from '../../lib/errors.ts'
import { checkExternalAddress, needsNoIdentity } from '../external.ts'
import { parseClaimPath } from '../match/claim.ts'
import { headerNameForm, parseHeaderName } from '../match/header.ts'
import {
  type ApiKey,
  type ClaimToHeader,
  type ExternalAuthorization,
  type JwtIssuer,
  type KeySource,
  type RequestAuthentication,
  type TokenLocation,
} from '../model.ts'
import {
  andThen,
  boolean,
  by,
  foreign,
  itself,
  itselfUnruled,
  list,
  object,
  oneOf,
  optional,
  parsed,
  pathOf,
  type Reader,
  withDefault,
} from '../schema.ts'
import { operation } from './authorization.ts'
import {
  conditionOf,
  duration,
  envelope,
  httpsForm,
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

const headerName = text(parseHeaderName, { pattern: headerNameForm })

interface Formed {
  readonly code: string
  readonly pattern: RegExp
  /** What a text should be that is not. */
  readonly fault: (text: string) => string
}

/** A text that one regular expression describes whole. */
function formed({ code, pattern, fault }: Formed): Reader<string> {
  return text(
    (text) => {
      if (!pattern.test(text)) throw new OutriderError(code, fault(text))
    },
    { pattern },
  )
}

const cookieOrQuery = formed({
  code: 'token-location',
  pattern: /^[\w!#$%&'*+.^`|~-]{1,128}$/,
  fault: (name) => `not the name of a cookie or of a query parameter: ${quote(name)}`,
})

const url = parsed(
  (text) => {
    const parsed = httpsForm.test(text) ? URL.parse(text) : null
    if (parsed !== null && parsed.username === '' && parsed.password === '') return parsed.href
    throw new OutriderError(
      'url-malformed',
      `begins with https:// and has neither a user nor a fragment, not ${quote(text)}`,
    )
  },
  MAX_STRING,
  { pattern: httpsForm },
)

function quote(text: string): string {
  return JSON.stringify(text.slice(0, 100))
}

const oneLocation = 'is one of header, cookie and query'

const location: Reader<TokenLocation> = andThen(
  object({
    header: optional(headerName),
    prefix: optional(words),
    cookie: optional(cookieOrQuery),
    query: optional(cookieOrQuery),
  }),
  ({ header, prefix, cookie, query }, field, report) => {
    const given = [header, cookie, query].filter((name) => name !== undefined)
    if (given.length !== 1) return report({ field, code: 'token-location', message: oneLocation })
    if (header !== undefined) return { header, ...(prefix === undefined ? {} : { prefix }) }
    if (prefix !== undefined)
      return report({ field: pathOf(field, 'prefix'), code: 'field-not-applicable', message: 'is for a header' })
    return cookie === undefined ? { query: query! } : { cookie }
  },
  {
    rules: [
      {
        rule: '(has(self.header) ? 1 : 0) + (has(self.cookie) ? 1 : 0) + (has(self.query) ? 1 : 0) == 1',
        message: oneLocation,
      },
      { rule: 'has(self.header) || !has(self.prefix)', message: 'is for a header', fieldPath: '.prefix' },
    ],
  },
)

const bearer: readonly TokenLocation[] = [{ header: 'authorization', prefix: 'Bearer ' }]
const locations = (fallback: readonly TokenLocation[]) =>
  withDefault(list(location, { min: 1, max: MAX_LOCATIONS, unique: { keyOf: (at) => JSON.stringify(at) } }), fallback)

const claimToHeader: Reader<ClaimToHeader> = object({ claim: text(parseClaimPath), header: headerName })

const acceptance = {
  from: locations(bearer),
  forward: withDefault(boolean, false),
  claimsToHeaders: withDefault(listOf(claimToHeader, { unique: { keyOf: ({ header }) => header } }), []),
  binding: optional(oneOf(['certificate', 'dpop', 'any'])),
}

const jwks = foreign('a JWK Set', isJsonObject)
const noKeys = 'needs its keys: either jwks or jwksUri'

const issuer: Reader<JwtIssuer> = andThen(
  object({
    ...acceptance,
    issuer: words,
    audiences: listOf(words, { min: 1, unique: itselfUnruled }),
    algorithms: withDefault(list(oneOf(jwsAlgorithms), { min: 1, max: jwsAlgorithms.length, unique: itself }), [
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
    if ((jwks === undefined) === (jwksUri === undefined)) return report({ field, code: 'key-source', message: noKeys })
    const keys: KeySource = jwksUri === undefined ? { jwks: jwks! } : { jwksUri, refreshMs, staleMs }
    return { ...rest, keys, clockSkewMs }
  },
  { rules: [{ rule: 'has(self.jwks) != has(self.jwksUri)', message: noKeys }] },
)

const secretName = formed({
  code: 'secret-name',
  pattern: /^[A-Za-z0-9][\w.-]{0,127}$/,
  fault: (name) => `the name of a file in secretsDir, not ${quote(name)}`,
})

const introspection = andThen(
  object({
    ...acceptance,
    endpoint: url,
    issuer: words,
    audiences: withDefault(listOf(words, { unique: itselfUnruled }), []),
    clientId: words,
    clientSecret: secretName,
    cacheFor: withDefault(duration(0, 300_000, '0s to 5m'), 30_000),
    timeout: withDefault(duration(50, 10_000, '50ms to 10s'), 2000),
  }),
  ({ cacheFor: cacheMs, timeout: timeoutMs, ...rest }) => ({ ...rest, cacheMs, timeoutMs }),
)

const acceptsNothing = 'accepts nothing: give jwt, introspection or apiKeys'

const requestAuthenticationSpec = andThen(
  object({
    workloads,
    jwt: withDefault(list(issuer, { max: MAX_ISSUERS, unique: by('issuer') }), []),
    introspection: withDefault(list(introspection, { max: MAX_ISSUERS, unique: by('endpoint') }), []),
    apiKeys: optional(object({ from: locations([{ header: 'x-api-key' }]), forward: withDefault(boolean, false) })),
  }),
  (spec, field, report) =>
    spec.jwt.length + spec.introspection.length > 0 || spec.apiKeys !== undefined
      ? spec
      : report({ field, code: 'entry-empty', message: acceptsNothing }),
  {
    rules: [
      {
        rule:
          'has(self.apiKeys) || has(self.jwt) && self.jwt.size() > 0 || ' +
          'has(self.introspection) && self.introspection.size() > 0',
        message: acceptsNothing,
      },
    ],
  },
)

const secret = andThen(
  object({
    id: formed({
      code: 'api-key-malformed',
      pattern: /^[a-z0-9]{8,32}$/,
      fault: (id) => `an ID has 8 to 32 lower-case letters and digits, not ${quote(id)}`,
    }),
    salt: formed({
      code: 'api-key-malformed',
      pattern: /^[\w-]{22,86}$/,
      fault: () => 'a salt is base64url of 16 to 64 bytes',
    }),
    hash: formed({
      code: 'api-key-malformed',
      pattern: /^[0-9a-f]{64}$/,
      fault: () => 'a hash is SHA-256 in 64 lower-case hexadecimal digits',
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
  scopes: withDefault(listOf(words, { unique: itselfUnruled }), []),
  secrets: list(secret, { max: MAX_SECRETS, unique: by('id') }),
})

const insecure = 'a server that is not on this machine is asked over mutual TLS: say who it is'

const externalAuthorizationSpec = andThen(
  object({
    workloads,
    address: text(checkExternalAddress),
    spiffeId: optional(spiffeId),
    timeout: withDefault(duration(10, 10_000, '10ms to 10s'), 200),
    onFailure: withDefault(oneOf(['deny', 'allow']), 'deny'),
    to: conditionOf(operation),
    headers: optional(listOf(headerName, { unique: itselfUnruled })),
  }),
  ({ timeout: timeoutMs, ...rest }, field, report) =>
    rest.spiffeId === undefined && !needsNoIdentity(rest.address)
      ? report({ field: pathOf(field, 'spiffeId'), code: 'external-insecure', message: insecure })
      : { ...rest, timeoutMs },
  {
    rules: [
      {
        // What may be an address of this machine, in all its spellings, is left to the reader.
        rule: "has(self.spiffeId) || self.address.matches('^(?:unix:|127[.]|[Ll][Oo][Cc][Aa][Ll][Hh][Oo][Ss][Tt]:|[[])')",
        message: `spiffeId is missing: ${insecure}`,
      },
    ],
  },
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
