import type { AppProtocol } from '../lib/app-protocol.ts'
import { durationOf, durationText } from '../lib/protobuf-time.ts'
import { unreachable } from '../lib/unreachable.ts'
import type { RateLimitSpec, RateLimitSpec__Output } from '../wire/outrider/policy/v1/RateLimitSpec.ts'
import type { Resource as WireResource, Resource__Output } from '../wire/outrider/policy/v1/Resource.ts'
import type { ServicePort, ServicePort__Output } from '../wire/outrider/policy/v1/ServicePort.ts'
import type { ServiceSpec__Output } from '../wire/outrider/policy/v1/ServiceSpec.ts'
import type { UnreadableResource } from './compile.ts'
import type * as model from './model.ts'
import { apiVersion, type ResolvedResource, type Violation } from './model.ts'
import { validateResolved } from './validate.ts'
import {
  apiKeyDocument,
  apiKeyToWire,
  externalAuthorizationDocument,
  externalAuthorizationToWire,
  requestAuthenticationDocument,
  requestAuthenticationToWire,
} from './wire/authentication.ts'
import {
  actionOf,
  operationDocument,
  operationToWire,
  policyDocument,
  policyToWire,
  unknownRules,
} from './wire/authorization.ts'
import { present } from './wire/presence.ts'

/** What a message says, or what is wrong with it and what must be closed because of that. */
export type FromWire =
  | { readonly ok: true; readonly resource: ResolvedResource; readonly revision: number }
  | { readonly ok: false; readonly violations: readonly Violation[]; readonly unreadable: UnreadableResource }

const protocols = {
  auto: 'PROTOCOL_AUTO',
  http1: 'PROTOCOL_HTTP1',
  http2: 'PROTOCOL_HTTP2',
  grpc: 'PROTOCOL_GRPC',
  tcp: 'PROTOCOL_TCP',
} as const satisfies Record<AppProtocol, string>
const limitKeys = { identity: 'KEY_IDENTITY', all: 'KEY_ALL' } as const

/** The message for one resource; `revision` is the store's when it last changed. */
export function toWire(resource: ResolvedResource, revision: number): WireResource {
  const { kind, metadata } = resource
  const head = { name: { kind, ...metadata }, revision }
  switch (resource.kind) {
    case 'ApiKey':
      return { ...head, apiKey: apiKeyToWire(resource.spec) }
    case 'AuthorizationPolicy':
      return { ...head, authorizationPolicy: policyToWire(resource.spec) }
    case 'ExternalAuthorization':
      return { ...head, externalAuthorization: externalAuthorizationToWire(resource.spec) }
    case 'RateLimit':
      return { ...head, rateLimit: rateLimitToWire(resource.spec) }
    case 'RequestAuthentication':
      return { ...head, requestAuthentication: requestAuthenticationToWire(resource.spec) }
    case 'Revocation': {
      const { serials, spiffeIds, reason = '' } = resource.spec
      return { ...head, revocation: { serials: [...serials], spiffeIds: [...spiffeIds], reason } }
    }
    case 'Service': {
      const { hosts, ports, identities, endpoints } = resource.spec
      return {
        ...head,
        service: {
          hosts: [...hosts],
          ports: ports.map(portToWire),
          identities: [...identities],
          endpoints: [...endpoints],
        },
      }
    }
    case 'Workload':
      return { ...head, workload: { spiffeId: resource.spec.spiffeId } }
    default:
      return unreachable(resource)
  }
}

type SpecOf<K extends ResolvedResource['kind']> = Extract<ResolvedResource, { kind: K }>['spec']

function rateLimitToWire({ workloads, limits }: SpecOf<'RateLimit'>): RateLimitSpec {
  return {
    workloads: [...workloads],
    limits: limits.map(({ name, key, requests, perMs, burst, to = [] }) => ({
      name,
      key: limitKeys[key],
      requests,
      per: durationOf(perMs),
      burst,
      to: to.map(operationToWire),
    })),
  }
}

function portToWire({ port, targetPort, protocol }: model.ServicePort): ServicePort {
  return { port, targetPort, protocol: protocols[protocol] }
}

/** Reads one message with the checks of admission: a sidecar trusts its server to be who it is, not to be right. */
export function fromWire(message: Resource__Output): FromWire {
  const { kind = '', namespace = '', name = '' } = message.name ?? {}
  const result = validateResolved({
    apiVersion,
    kind,
    metadata: { name, namespace },
    spec: specDocument(kind, message),
  })
  if (result.ok) return { ok: true, resource: marked(result.resource, message), revision: message.revision }
  const action = kind === 'AuthorizationPolicy' ? actionOf(message.authorizationPolicy?.action) : undefined
  const unreadable = { kind, metadata: { name, namespace }, ...(action === undefined ? {} : { action }) }
  return { ok: false, violations: result.violations, unreadable }
}

/** A rule with a condition that this version does not know says so. */
function marked(resource: ResolvedResource, { authorizationPolicy }: Resource__Output): ResolvedResource {
  if (resource.kind !== 'AuthorizationPolicy' || authorizationPolicy === null || authorizationPolicy === undefined)
    return resource
  const unknown = unknownRules(authorizationPolicy)
  if (unknown.size === 0) return resource
  const rules = resource.spec.rules.map((rule, index) =>
    unknown.has(index) ? { ...rule, unknown: true as const } : rule,
  )
  return { ...resource, spec: { ...resource.spec, rules } }
}

/** The spec as a document would hold it; absent when the message holds that of another kind. */
function specDocument(kind: string, message: Resource__Output): unknown {
  const { apiKey, authorizationPolicy, externalAuthorization, rateLimit, requestAuthentication } = message
  const { revocation, service, workload } = message
  const specs: Readonly<Record<string, unknown>> = {
    ApiKey: apiKey && apiKeyDocument(apiKey),
    AuthorizationPolicy: authorizationPolicy && policyDocument(authorizationPolicy),
    ExternalAuthorization: externalAuthorization && externalAuthorizationDocument(externalAuthorization),
    RateLimit: rateLimit && rateLimitDocument(rateLimit),
    RequestAuthentication: requestAuthentication && requestAuthenticationDocument(requestAuthentication),
    Revocation: revocation && present(revocation),
    Service: service && serviceDocument(service),
    Workload: workload,
  } satisfies Record<ResolvedResource['kind'], unknown>
  return specs[kind] ?? undefined
}

function rateLimitDocument({ workloads, limits }: RateLimitSpec__Output): unknown {
  return {
    workloads,
    limits: limits.map(({ name, key, requests, per, burst, to }) => ({
      name,
      key: key === limitKeys.identity ? 'identity' : key === limitKeys.all ? 'all' : undefined,
      requests,
      per: durationText(per),
      burst,
      ...present({ to: to.map(operationDocument) }),
    })),
  }
}

function serviceDocument({ hosts, ports, identities, endpoints }: ServiceSpec__Output): unknown {
  return { hosts, ports: ports.map(portDocument), identities, endpoints }
}

/** A protocol that this version does not know stays as it came, and makes the service unreadable. */
function portDocument({ port, targetPort, protocol }: ServicePort__Output): unknown {
  const known = Object.entries(protocols).find(([, value]) => value === protocol)?.[0]
  return { port, targetPort, protocol: known ?? (protocol === 'PROTOCOL_UNSPECIFIED' ? undefined : protocol) }
}
