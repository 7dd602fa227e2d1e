import { z } from 'zod'
import { parseIdPattern } from '../identity/match.ts'
import { parseSpiffeId, parseTrustDomain } from '../identity/spiffe-id.ts'
import { appProtocols } from '../lib/app-protocol.ts'
import { parseDuration } from '../lib/duration.ts'
import { OutriderError } from '../lib/errors.ts'
import { parseAddress, parseHost } from './host.ts'
import { parseMethod } from './match/method.ts'
import { parsePath } from './match/path.ts'
import { parseNamespace } from './match/source.ts'
import {
  apiVersion,
  defaultNamespace,
  type Kind,
  kinds,
  type Metadata,
  type ResolvedResource,
  type Resource,
  type Violation,
} from './model.ts'
import { describe, unknownKey, unknownValue, violationsOf } from './violations.ts'

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

function validate<T>(document: unknown, schemas: Readonly<Record<Kind, z.ZodType<T>>>): Validation<T> {
  const kind = kindOf(document)
  if (typeof kind !== 'string') return { ok: false, violations: [kind] }
  const result = schemas[kind].safeParse(document, { reportInput: true })
  if (result.success) return { ok: true, resource: result.data }
  return { ok: false, violations: result.error.issues.flatMap(violationsOf) }
}

function kindOf(document: unknown): Kind | Violation {
  if (typeof document !== 'object' || document === null || Array.isArray(document))
    return { field: '', code: 'type-mismatch', message: `a resource is a mapping, not ${describe(document)}` }
  const kind: unknown = 'kind' in document ? document.kind : undefined
  if (kind === undefined) return { field: 'kind', code: 'field-missing', message: `is required: ${kinds.join(', ')}` }
  return kinds.find((known) => known === kind) ?? { field: 'kind', ...unknownValue(kind, kinds) }
}

/** An object without other keys. The hints for unknown keys travel as lines of the message, in the order of the keys. */
function strict<Shape extends z.core.$ZodShape>(shape: Shape): z.ZodObject<Shape, z.core.$strict> {
  const known = Object.keys(shape)
  return z.strictObject(shape, {
    error: (issue) =>
      issue.code === 'unrecognized_keys' && Array.isArray(issue['keys'])
        ? issue['keys'].map((key) => unknownKey(key, known)).join('\n')
        : undefined,
  })
}

/** Adds what a parser of `match/` or `identity/` has to say about a value. */
function checked(parse: (text: string) => unknown): z.ZodString {
  return z
    .string()
    .max(MAX_STRING)
    .check((context) => {
      try {
        parse(context.value)
      } catch (error) {
        if (!(error instanceof OutriderError)) throw error
        const { code, message } = error
        // `continue`: the list around the value is still checked.
        context.issues.push({ code: 'custom', params: { code }, message, input: context.value, continue: true })
      }
    })
}

function listOf<Item extends z.ZodType>(item: Item): z.ZodArray<Item> {
  return z.array(item).max(MAX_LIST)
}

/** A list whose absence means "everything": an empty one would be read as the opposite of what it says. */
function conditionOf<Item extends z.ZodType>(item: Item): z.ZodExactOptional<z.ZodArray<Item>> {
  return listOf(item).min(1).exactOptional()
}

function uniqueBy<T>(key: (item: T) => string | number | undefined): z.core.CheckFn<T[]> {
  return (context) => {
    const seen = new Map<string | number, number>()
    for (const [index, item] of context.value.entries()) {
      const value = key(item)
      if (value === undefined) continue
      const first = seen.get(value)
      if (first === undefined) seen.set(value, index)
      else
        context.issues.push({
          code: 'custom',
          params: { code: 'duplicate' },
          path: [index],
          message: `${value} is the same as in entry ${first}`,
          input: item,
        })
    }
  }
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

function duration(minMs: number, maxMs: number, range: string): z.ZodType<number> {
  return checked(durationMs).transform((text, context) => {
    const ms = durationMs(text)
    if (ms < minMs || ms > maxMs)
      context.issues.push({
        code: 'custom',
        params: { code: 'duration-out-of-range' },
        message: `must be from ${range}`,
        input: text,
      })
    return ms
  })
}

const label = checked(parseNamespace)
const spiffeId = checked(parseSpiffeId).transform((text) => parseSpiffeId(text))
const port = z.int().min(1).max(65535)
const workloads = listOf(label).default([])

/** Refuses `{}`, which would match everything in the middle of a list of conditions. */
const notEmpty: z.core.CheckFn<object> = ({ value, issues }) => {
  if (Object.keys(value).length === 0 && issues.length === 0)
    issues.push({
      code: 'custom',
      params: { code: 'entry-empty' },
      message: 'an entry without a condition matches everything: leave the list out to say so',
      input: value,
    })
}

const source = strict({
  spiffeIds: conditionOf(checked(parseIdPattern)),
  namespaces: conditionOf(label),
  trustDomains: conditionOf(checked(parseTrustDomain)),
}).check(notEmpty)

const operation = strict({
  methods: conditionOf(checked(parseMethod)),
  paths: conditionOf(checked(parsePath)),
  ports: conditionOf(port),
}).check(notEmpty)

const rule = strict({ name: label.exactOptional(), from: conditionOf(source), to: conditionOf(operation) })

const authorizationPolicySpec = strict({
  workloads,
  action: z.enum(['ALLOW', 'DENY']),
  rules: listOf(rule).check(uniqueBy(({ name }) => name)),
})

const count = z.int().min(1).max(MAX_REQUESTS)

const limit = strict({
  name: label,
  key: z.enum(['identity', 'all']),
  requests: count,
  per: duration(1, MAX_LIMIT_PERIOD_MS, '1ms to 31d'),
  burst: count.exactOptional(),
  to: conditionOf(operation),
}).transform(({ per: perMs, ...rest }, context) => {
  if (rest.requests > perMs * MAX_REQUESTS_PER_MS)
    context.issues.push({
      code: 'custom',
      params: { code: 'rate-too-high' },
      path: ['requests'],
      message: `at most ${MAX_REQUESTS_PER_MS * 1000} requests a second`,
      input: rest.requests,
    })
  return { ...rest, perMs, burst: rest.burst ?? rest.requests }
})

const rateLimitSpec = strict({
  workloads,
  limits: listOf(limit)
    .min(1)
    .check(uniqueBy(({ name }) => name)),
})

const protocol = z.enum(appProtocols)

const servicePort = strict({
  port,
  targetPort: port.exactOptional(),
  protocol: protocol.default('auto'),
}).transform(({ port, targetPort = port, protocol }) => ({ port, targetPort, protocol }))

const serviceSpec = strict({
  hosts: listOf(checked(parseHost))
    .check(uniqueBy((host) => host))
    .default([]),
  ports: listOf(servicePort)
    .min(1)
    .check(uniqueBy(({ port }) => port)),
  workloads: listOf(checked(parseReference)).min(1),
  endpoints: listOf(strict({ address: checked(parseAddress), port, appPort: port.exactOptional() })).default([]),
}).transform(({ endpoints, ...rest }, context) => ({
  ...rest,
  endpoints: endpoints.map((endpoint, index) => {
    const targets = new Set(rest.ports.map(({ targetPort }) => targetPort))
    const { appPort = [...targets][0]! } = endpoint
    if (endpoint.appPort === undefined ? targets.size > 1 : !targets.has(appPort))
      context.issues.push({
        code: 'custom',
        params: { code: 'app-port-unknown' },
        path: ['endpoints', index, 'appPort'],
        message: `must be one of the target ports of the service: ${[...targets].join(', ')}`,
        input: endpoint.appPort,
      })
    return { ...endpoint, appPort }
  }),
}))

const workloadSpec = strict({
  spiffeId,
  ttl: duration(MIN_TTL_MS, MAX_TTL_MS, '10s to 90d').exactOptional(),
  upstreams: listOf(checked(parseReferencePattern)).exactOptional(),
})

function envelope<K extends Kind, Spec extends z.ZodType>(kind: K, spec: Spec) {
  return strict({
    apiVersion: z.literal(apiVersion),
    kind: z.literal(kind),
    metadata: strict({ name: label, namespace: label.default(defaultNamespace) }),
    spec,
  })
}

const authorizationPolicy = envelope('AuthorizationPolicy', authorizationPolicySpec).transform(withoutVersion)
const rateLimit = envelope('RateLimit', rateLimitSpec).transform(withoutVersion)

const schemas: Readonly<Record<Kind, z.ZodType<Resource>>> = {
  AuthorizationPolicy: authorizationPolicy,
  RateLimit: rateLimit,
  Service: envelope('Service', serviceSpec).transform(({ kind, metadata, spec }) => ({
    kind,
    metadata,
    spec: { ...spec, workloads: spec.workloads.map((text) => reference(text, metadata.namespace)) },
  })),
  Workload: envelope('Workload', workloadSpec).transform(({ kind, metadata, spec: { spiffeId, ttl, upstreams } }) => ({
    kind,
    metadata,
    spec: {
      spiffeId,
      ...(ttl === undefined ? {} : { ttlMs: ttl }),
      upstreams: (upstreams ?? [`${metadata.namespace}/*`]).map((text) =>
        text === '*' ? { namespace: '*', name: '*' } : reference(text, metadata.namespace),
      ),
    },
  })),
}

const resolvedServiceSpec = strict({
  hosts: listOf(checked(parseHost)),
  ports: listOf(strict({ port, targetPort: port, protocol })).min(1),
  identities: listOf(spiffeId),
  endpoints: z.array(strict({ address: checked(parseAddress), port, appPort: port })).max(MAX_ENDPOINTS),
})

const resolvedSchemas: Readonly<Record<Kind, z.ZodType<ResolvedResource>>> = {
  AuthorizationPolicy: authorizationPolicy,
  RateLimit: rateLimit,
  Service: envelope('Service', resolvedServiceSpec).transform(withoutVersion),
  Workload: envelope('Workload', strict({ spiffeId })).transform(withoutVersion),
}

function withoutVersion<K, Spec>({
  kind,
  metadata,
  spec,
}: {
  kind: K
  metadata: Metadata
  spec: Spec
}): {
  kind: K
  metadata: Metadata
  spec: Spec
} {
  return { kind, metadata, spec }
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
