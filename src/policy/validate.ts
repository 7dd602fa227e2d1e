import type { BundleDocument } from '../identity/bundle-document.ts'
import { parseFederatedBundle } from '../identity/federated-bundle.ts'
import { parseIdPattern } from '../identity/match.ts'
import { parseSerial } from '../identity/revocation.ts'
import { parseSpiffeId, parseTrustDomain, trustDomainOf } from '../identity/spiffe-id.ts'
import { appProtocols } from '../lib/app-protocol.ts'
import { parseDuration } from '../lib/duration.ts'
import { OutriderError } from '../lib/errors.ts'
import { parseAddress, parseHost } from './host.ts'
import { parseMethod } from './match/method.ts'
import { parsePath } from './match/path.ts'
import { parseSelector, selectorsFault } from './match/selector.ts'
import { parseNamespace } from './match/source.ts'
import {
  apiVersion,
  type BundleEndpoint,
  defaultNamespace,
  type Kind,
  kinds,
  type Metadata,
  type ResolvedResource,
  type Resource,
  type Violation,
} from './model.ts'
import {
  andThen,
  integer,
  list,
  type ListBounds,
  object,
  oneOf,
  optional,
  parsed,
  pathOf,
  type Reader,
  withDefault,
} from './schema.ts'
import { describe, unknownValue } from './violations.ts'

/** Most entries of any list. */
export const MAX_LIST = 512
/** Most characters of any string. */
export const MAX_STRING = 2048
/** Highest count in a RateLimit. */
export const MAX_REQUESTS = 1_000_000_000
/** Faster than this the clock's resolution, not the limit, would decide. */
export const MAX_REQUESTS_PER_MS = 1000
export const MAX_LIMIT_PERIOD_MS: number = 31 * 86_400_000
export const MIN_TTL_MS = 10_000
export const MAX_TTL_MS: number = 90 * 86_400_000
/** A certificate with them has to fit into the handshake. */
export const MAX_DNS_NAMES = 16

/** Most endpoints of a service, fixed and reported together. */
export const MAX_ENDPOINTS = 10_000

export type Validation<T> =
  | { readonly ok: true; readonly resource: T }
  | { readonly ok: false; readonly violations: readonly Violation[] }

/** Checks a document against the schema of its kind and fills in defaults. Reports everything that is wrong. */
export function validateResource(document: unknown): Validation<Resource> {
  return validate(document, schemas)
}

/** As `validateResource`, for what goes to a sidecar: services and workloads in their resolved form. */
export function validateResolved(document: unknown): Validation<ResolvedResource> {
  return validate(document, resolvedSchemas)
}

function validate<K extends Kind, T>(document: unknown, schemas: Readonly<Record<K, Reader<T>>>): Validation<T> {
  const kind = kindOf(
    document,
    kinds.filter((kind): kind is K => Object.hasOwn(schemas, kind)),
  )
  if (typeof kind !== 'string') return { ok: false, violations: [kind] }
  const violations: Violation[] = []
  const resource = schemas[kind](document, '', (violation) => {
    violations.push(violation)
    return undefined
  })
  return resource === undefined ? { ok: false, violations } : { ok: true, resource }
}

function kindOf<K extends Kind>(document: unknown, kinds: readonly K[]): K | Violation {
  if (typeof document !== 'object' || document === null || Array.isArray(document))
    return { field: '', code: 'type-mismatch', message: `a resource is a mapping, not ${describe(document)}` }
  const kind: unknown = 'kind' in document ? document.kind : undefined
  if (kind === undefined) return { field: 'kind', code: 'field-missing', message: `is required: ${kinds.join(', ')}` }
  return kinds.find((known) => known === kind) ?? { field: 'kind', ...unknownValue(kind, kinds) }
}

/** A text that a parser of `match/` or `identity/` takes, as it stands. */
function text(parse: (text: string) => unknown): Reader<string> {
  return parsed((text) => {
    parse(text)
    return text
  }, MAX_STRING)
}

function listOf<T>(item: Reader<T>, bounds: Omit<ListBounds<T>, 'max'> = {}): Reader<readonly T[]> {
  return list(item, { max: MAX_LIST, ...bounds })
}

/** A list whose absence means "everything": an empty one would be read as the opposite of what it says. */
function conditionOf<T>(item: Reader<T>): ReturnType<typeof optional<readonly T[]>> {
  return optional(listOf(item, { min: 1 }))
}

/** A duration as it stands in a resource, in milliseconds. */
function durationMs(text: string): number {
  const ms = parseDuration(text)
  if (ms !== undefined) return ms
  throw new OutriderError(
    'duration-malformed',
    `a duration is a number with its unit, such as 500ms, 10s, 5m, 24h or 90d, not ${JSON.stringify(text.slice(0, 100))}`,
  )
}

function duration(minMs: number, maxMs: number, range: string): Reader<number> {
  return andThen(parsed(durationMs, MAX_STRING), (ms, field, report) =>
    ms < minMs || ms > maxMs ? report({ field, code: 'duration-out-of-range', message: `must be from ${range}` }) : ms,
  )
}

const label = text(parseNamespace)
const spiffeId = parsed(parseSpiffeId, MAX_STRING)
const port = integer(1, 65535)
const workloads = withDefault(listOf(label), [])

/** Refuses `{}`, which would match everything in the middle of a list of conditions. */
function notEmpty<T extends object>(entry: Reader<T>): Reader<T> {
  return andThen(entry, (value, field, report) =>
    Object.keys(value).length > 0
      ? value
      : report({
          field,
          code: 'entry-empty',
          message: 'an entry without a condition matches everything: leave the list out to say so',
        }),
  )
}

const source = notEmpty(
  object({
    spiffeIds: conditionOf(text(parseIdPattern)),
    namespaces: conditionOf(label),
    trustDomains: conditionOf(text(parseTrustDomain)),
  }),
)

const operation = notEmpty(
  object({
    methods: conditionOf(text(parseMethod)),
    paths: conditionOf(text(parsePath)),
    ports: conditionOf(port),
  }),
)

const rule = object({ name: optional(label), from: conditionOf(source), to: conditionOf(operation) })

const authorizationPolicySpec = object({
  workloads,
  action: oneOf(['ALLOW', 'DENY']),
  rules: listOf(rule, { uniqueBy: ({ name }) => name }),
})

const count = integer(1, MAX_REQUESTS)

const limit = andThen(
  object({
    name: label,
    key: oneOf(['identity', 'all']),
    requests: count,
    per: duration(1, MAX_LIMIT_PERIOD_MS, '1ms to 31d'),
    burst: optional(count),
    to: conditionOf(operation),
  }),
  ({ per: perMs, ...rest }, field, report) =>
    rest.requests > perMs * MAX_REQUESTS_PER_MS
      ? report({
          field: pathOf(field, 'requests'),
          code: 'rate-too-high',
          message: `at most ${MAX_REQUESTS_PER_MS * 1000} requests a second`,
        })
      : { ...rest, perMs, burst: rest.burst ?? rest.requests },
)

const rateLimitSpec = object({ workloads, limits: listOf(limit, { min: 1, uniqueBy: ({ name }) => name }) })

const protocol = oneOf(appProtocols)

const servicePort = andThen(
  object({ port, targetPort: optional(port), protocol: withDefault(protocol, 'auto') }),
  ({ port, targetPort = port, protocol }) => ({ port, targetPort, protocol }),
)

const serviceSpec = andThen(
  object({
    hosts: withDefault(listOf(text(parseHost), { uniqueBy: (host) => host }), []),
    ports: listOf(servicePort, { min: 1, uniqueBy: ({ port }) => port }),
    workloads: listOf(text(parseReference), { min: 1 }),
    endpoints: withDefault(listOf(object({ address: text(parseAddress), port, appPort: optional(port) })), []),
  }),
  ({ endpoints, ...rest }, field, report) => {
    const targets = new Set(rest.ports.map(({ targetPort }) => targetPort))
    const [onlyTarget] = targets.size === 1 ? targets : []
    const located = endpoints.flatMap(({ address, port, appPort = onlyTarget }, index) => {
      if (appPort !== undefined && targets.has(appPort)) return [{ address, port, appPort }]
      report({
        field: pathOf(field, `endpoints[${index}].appPort`),
        code: 'app-port-unknown',
        message: `must be one of the target ports of the service: ${[...targets].join(', ')}`,
      })
      return []
    })
    return located.length === endpoints.length ? { ...rest, endpoints: located } : undefined
  },
)

const selectors = andThen(
  listOf(parsed(parseSelector, MAX_STRING), { min: 1, uniqueBy: ({ text }) => text }),
  (list, field, report) => {
    const message = selectorsFault(list)
    return message === undefined
      ? list.map(({ text }) => text)
      : report({ field, code: 'selectors-never-hold', message })
  },
)

const workloadSpec = object({
  spiffeId,
  ttl: optional(duration(MIN_TTL_MS, MAX_TTL_MS, '10s to 90d')),
  selectors: optional(selectors),
  dnsNames: optional(list(text(parseHost), { max: MAX_DNS_NAMES, uniqueBy: (name) => name })),
  upstreams: optional(listOf(text(parseReferencePattern))),
})

interface Envelope<K, Spec> {
  readonly kind: K
  readonly metadata: Metadata
  readonly spec: Spec
}

function envelope<K extends Kind, Spec>(kind: K, spec: Reader<Spec>): Reader<Envelope<K, Spec>> {
  const document = object({
    apiVersion: oneOf([apiVersion]),
    kind: oneOf([kind]),
    metadata: object({ name: label, namespace: withDefault(label, defaultNamespace) }),
    spec,
  })
  return andThen(document, ({ kind, metadata, spec }) => ({ kind, metadata, spec }))
}

const revocationSpec = andThen(
  object({
    serials: withDefault(listOf(parsed(parseSerial, MAX_STRING), { uniqueBy: (serial) => serial }), []),
    spiffeIds: withDefault(listOf(spiffeId, { uniqueBy: (id) => id }), []),
    reason: optional(text(() => {})),
  }),
  (spec, field, report) =>
    spec.serials.length + spec.spiffeIds.length > 0
      ? spec
      : report({ field, code: 'entry-empty', message: 'names nothing to revoke: give serials or spiffeIds' }),
)

/** The address of a bundle endpoint. SPIFFE Federation standard, sections 5.2.1.1 and 5.2.2.1. */
function parseBundleEndpointUrl(text: string): string {
  const url = URL.parse(text)
  if (url?.protocol !== 'https:' || url.username !== '' || url.password !== '' || /[#@\s]/.test(text))
    throw new OutriderError(
      'url-malformed',
      `the URL of a bundle endpoint begins with https:// and has neither a user nor a fragment: ${JSON.stringify(text.slice(0, 100))}`,
    )
  return url.href
}

const bundleEndpoint: Reader<BundleEndpoint> = andThen(
  object({
    url: parsed(parseBundleEndpointUrl, MAX_STRING),
    profile: oneOf(['https_web', 'https_spiffe']),
    spiffeId: optional(spiffeId),
    caFile: optional(text(parseCaFile)),
  }),
  ({ url, profile, spiffeId, caFile }, field, report) => {
    if (profile === 'https_web') {
      if (spiffeId === undefined) return { url, profile, ...(caFile === undefined ? {} : { caFile }) }
      const message = 'https_web knows the endpoint by its host name: leave it out, or use https_spiffe'
      return report({ field: pathOf(field, 'spiffeId'), code: 'field-not-applicable', message })
    }
    if (spiffeId === undefined) {
      const message = 'is required: https_spiffe knows the endpoint by its SPIFFE ID alone'
      return report({ field: pathOf(field, 'spiffeId'), code: 'field-missing', message })
    }
    if (caFile === undefined) return { url, profile, spiffeId }
    const message = 'https_spiffe believes a trust bundle: give that as spec.bundle, or use https_web'
    return report({ field: pathOf(field, 'caFile'), code: 'field-not-applicable', message })
  },
)

function parseCaFile(text: string): void {
  if (!text.startsWith('/'))
    throw new OutriderError('path-relative', 'a file is named by its whole path, from the root of the file system')
}

/** A document of the SPIFFE bundle format, as a mapping; to be read when the trust domain is known. */
const bundleDocument: Reader<object> = (value, field, report) =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
    ? value
    : report({ field, code: 'type-mismatch', message: `must be a SPIFFE bundle, not ${describe(value)}` })

const trustDomainSpec = andThen(
  object({
    trustDomain: parsed(parseTrustDomain, MAX_STRING),
    bundleEndpoint: optional(bundleEndpoint),
    bundle: optional(bundleDocument),
  }),
  ({ trustDomain, bundleEndpoint: endpoint, bundle: given }, field, report) => {
    const at = pathOf(field, 'bundle')
    if (given === undefined) {
      if (endpoint === undefined)
        return report({ field, code: 'entry-empty', message: 'has no bundle: give bundleEndpoint, bundle or both' })
      // Later bundles are verified with the one before; the first has to come from the operator.
      if (endpoint.profile === 'https_spiffe' && trustDomainOf(endpoint.spiffeId) === trustDomain)
        return report({ field: at, code: 'field-missing', message: 'is required: what is the endpoint verified with?' })
      return { trustDomain, bundleEndpoint: endpoint }
    }
    let bundle: BundleDocument
    try {
      bundle = parseFederatedBundle(Buffer.from(JSON.stringify(given)), trustDomain)
    } catch (thrown) {
      if (thrown instanceof RangeError)
        return report({ field: at, code: 'json-too-deep', message: 'is nested too deep' })
      if (!(thrown instanceof OutriderError)) throw thrown
      return report({ field: at, code: thrown.code, message: thrown.message })
    }
    if (bundle.bundle.authorities.length === 0)
      return report({ field: at, code: 'bundle-empty', message: 'has no authority of X.509-SVIDs: it trusts nobody' })
    return { trustDomain, bundle, ...(endpoint === undefined ? {} : { bundleEndpoint: endpoint }) }
  },
)

const revocation = envelope('Revocation', revocationSpec)
const authorizationPolicy = envelope('AuthorizationPolicy', authorizationPolicySpec)
const rateLimit = envelope('RateLimit', rateLimitSpec)

const schemas: Readonly<Record<Kind, Reader<Resource>>> = {
  AuthorizationPolicy: authorizationPolicy,
  RateLimit: rateLimit,
  Revocation: revocation,
  Service: andThen(envelope('Service', serviceSpec), ({ kind, metadata, spec }) => ({
    kind,
    metadata,
    spec: { ...spec, workloads: spec.workloads.map((text) => reference(text, metadata.namespace)) },
  })),
  TrustDomain: envelope('TrustDomain', trustDomainSpec),
  Workload: andThen(
    envelope('Workload', workloadSpec),
    ({ kind, metadata, spec: { spiffeId, ttl, selectors, dnsNames, upstreams } }) => ({
      kind,
      metadata,
      spec: {
        spiffeId,
        ...(ttl === undefined ? {} : { ttlMs: ttl }),
        selectors: selectors ?? [],
        dnsNames: dnsNames ?? [],
        upstreams: (upstreams ?? [`${metadata.namespace}/*`]).map((text) =>
          text === '*' ? { namespace: '*', name: '*' } : reference(text, metadata.namespace),
        ),
      },
    }),
  ),
}

const resolvedServiceSpec = object({
  hosts: listOf(text(parseHost)),
  ports: listOf(object({ port, targetPort: port, protocol }), { min: 1 }),
  identities: listOf(spiffeId),
  endpoints: list(object({ address: text(parseAddress), port, appPort: port }), { max: MAX_ENDPOINTS }),
})

const resolvedSchemas: Readonly<Record<ResolvedResource['kind'], Reader<ResolvedResource>>> = {
  AuthorizationPolicy: authorizationPolicy,
  RateLimit: rateLimit,
  Revocation: revocation,
  Service: envelope('Service', resolvedServiceSpec),
  Workload: envelope('Workload', object({ spiffeId })),
}

/** `name` or `namespace/name`. */
function parseReference(text: string): void {
  const parts = text.split('/')
  if (parts.length > 2)
    throw new OutriderError('reference-malformed', `name or namespace/name, not ${JSON.stringify(text.slice(0, 100))}`)
  for (const part of parts) parseNamespace(part)
}

/** As `parseReference`, and `namespace/*` or `*`. */
function parseReferencePattern(text: string): void {
  if (text !== '*') parseReference(text.replace(/\/\*$/, '/any'))
}

function reference(text: string, namespace: string): { namespace: string; name: string } {
  const slash = text.indexOf('/')
  return slash === -1 ? { namespace, name: text } : { namespace: text.slice(0, slash), name: text.slice(slash + 1) }
}
