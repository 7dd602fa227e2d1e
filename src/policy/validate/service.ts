import { appProtocols } from '../../lib/app-protocol.ts'
import { OutriderError } from '../../lib/errors.ts'
import { canonicalIp } from '../../lib/ip.ts'
import { isLoopback, isUnspecified } from '../../lib/address.ts'
import { hostForm, MAX_HOST_LENGTH, parseAddress, parseHost } from '../host.ts'
import { parseSelector, selectorForm, selectorsFault } from '../match/selector.ts'
import { nameForm, parseNamespace, referenceForm } from '../match/account.ts'
import type { ResolvedService, ResolvedWorkload, Service, Workload } from '../model.ts'
import {
  andThen,
  by,
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
import { duration, envelope, listOf, MAX_LIST, MAX_STRING, port, spiffeId, text } from './readers.ts'

export const MIN_TTL_MS = 10_000
export const MAX_TTL_MS: number = 90 * 86_400_000
/** A certificate with them has to fit into the handshake. */
export const MAX_DNS_NAMES = 16

/** Most endpoints times ports that the rule of the schema looks at: the API server pays for each. */
const MAX_PAIRS = 10_000

/** Most endpoints of a service, fixed and reported together. */
export const MAX_ENDPOINTS = 10_000

const protocol = oneOf(appProtocols)
const host = text(parseHost, { pattern: hostForm, maxLength: MAX_HOST_LENGTH })

/** An address that a client could connect to from another machine. */
function parseServiceAddress(text: string): string {
  const address = canonicalIp(text)
  if (address !== undefined && !isLoopback(address) && !isUnspecified(address)) return address
  throw new OutriderError(
    'service-address',
    `an IP address that is neither loopback nor unspecified, not ${JSON.stringify(text.slice(0, 100))}`,
  )
}

const addresses = listOf(parsed(parseServiceAddress, MAX_STRING), { unique: itselfUnruled })

const servicePort = andThen(
  object({ port, targetPort: optional(port), protocol: withDefault(protocol, 'auto') }),
  ({ port, targetPort = port, protocol }) => ({ port, targetPort, protocol }),
)

const serviceSpecOf = (maxEndpoints: number) =>
  andThen(
    object({
      hosts: withDefault(listOf(host, { unique: itselfUnruled }), []),
      ports: listOf(servicePort, { min: 1, unique: by('port') }),
      workloads: listOf(text(parseReference, { pattern: referenceForm }), { min: 1 }),
      endpoints: withDefault(
        list(object({ address: text(parseAddress), port, appPort: optional(port) }), { max: maxEndpoints }),
        [],
      ),
      addresses: withDefault(addresses, []),
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
    {
      rules: [
        {
          rule:
            `!has(self.endpoints) || self.endpoints.size() * self.ports.size() > ${MAX_PAIRS} || ` +
            'self.endpoints.all(e, has(e.appPort) ' +
            '? self.ports.exists(p, has(p.targetPort) ? p.targetPort == e.appPort : p.port == e.appPort) ' +
            ': self.ports.all(p, (has(p.targetPort) ? p.targetPort : p.port) == ' +
            '(has(self.ports[0].targetPort) ? self.ports[0].targetPort : self.ports[0].port)))',
          message:
            'the appPort of an endpoint must be one of the target ports, and may be left out where there is but one',
          fieldPath: '.endpoints',
        },
      ],
    },
  )

/** As `referenceForm`, and `namespace/*` or `*`. */
const referencePatternForm = new RegExp(`^\\*$|${referenceForm.source}|${nameForm.source.replace(/\$$/, '/\\*$')}`)

const selectors = andThen(
  listOf(parsed(parseSelector, MAX_STRING, { pattern: selectorForm }), {
    min: 1,
    unique: { keyOf: ({ text }) => text },
  }),
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
  dnsNames: optional(list(host, { max: MAX_DNS_NAMES, unique: itself })),
  upstreams: optional(listOf(text(parseReferencePattern, { pattern: referencePatternForm }))),
})

function serviceReader(maxEndpoints: number): Reader<Service> {
  return andThen(envelope('Service', serviceSpecOf(maxEndpoints)), ({ kind, metadata, spec }) => ({
    kind,
    metadata,
    spec: { ...spec, workloads: spec.workloads.map((text) => reference(text, metadata.namespace)) },
  }))
}

export const service: Reader<Service> = serviceReader(MAX_LIST)
/** As the control server stores it: with the endpoints that a cluster has found, which no operator writes by hand. */
export const storedService: Reader<Service> = serviceReader(MAX_ENDPOINTS)

export const workload: Reader<Workload> = andThen(
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
)

const resolvedServiceSpec = object({
  hosts: listOf(host),
  ports: listOf(object({ port, targetPort: port, protocol }), { min: 1 }),
  identities: listOf(spiffeId),
  endpoints: list(object({ address: text(parseAddress), port, appPort: port }), { max: MAX_ENDPOINTS }),
  addresses: optional(addresses),
})

export const resolvedService: Reader<ResolvedService> = envelope('Service', resolvedServiceSpec)
export const resolvedWorkload: Reader<ResolvedWorkload> = envelope('Workload', object({ spiffeId }))

function parseReference(text: string): void {
  if (referenceForm.test(text)) return
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
