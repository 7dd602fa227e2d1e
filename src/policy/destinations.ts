import { type AppProtocol, spokenProtocol } from '../lib/app-protocol.ts'
import { type Metadata, nameOf, type ResolvedService, type ResourceViolation } from './model.ts'

/** Where a call to one authority goes. */
export interface Destination {
  readonly service: ResolvedService
  /** The port that was called. */
  readonly port: number
  /** The port of the application behind it. */
  readonly targetPort: number
  /** What is spoken there: `tcp` on ports that are known for it and declare nothing. */
  readonly protocol: AppProtocol
}

/** What a host name stands for: the service's destinations by port; without any it is known but unusable. */
type Host = ReadonlyMap<number, Destination>

export type Destinations = ReadonlyMap<string, Host>

/** A service that could not be read: its names are known, and calls to them are refused. */
export interface UnusableService {
  readonly kind: string
  readonly metadata: Metadata
  readonly spec?: never
}

const unusable: Host = new Map()

const DEFAULT_PORT = 80

/**
 * The service and port behind an authority: `host` or `host:port`, lower case. Without a port it is 80. Absent when no
 * service has that name and port.
 */
export function resolveDestination(destinations: Destinations, authority: string): Destination | undefined {
  const plain = destinations.get(authority)
  if (plain !== undefined) return plain.get(DEFAULT_PORT)
  const parts = /^(\[[^\]]*\]|[^:]*?)\.?(?::([0-9]{1,5}))?$/.exec(authority)
  if (parts === null) return undefined
  return destinations.get(parts[1]!)?.get(parts[2] === undefined ? DEFAULT_PORT : Number(parts[2]))
}

/**
 * Gives each name to one service. Names made of name and namespace come before `hosts`, so that no service can take the
 * name of another; then the workload's own namespace before others; then the order of the alphabet. A short name of
 * another namespace is given only when just one service has it.
 */
export function compileDestinations(
  services: readonly ResolvedService[],
  unreadable: readonly UnusableService[],
  ownNamespace: string,
): { destinations: Destinations; violations: readonly ResourceViolation[] } {
  const violations: ResourceViolation[] = []
  const destinations = new Map<string, Host>()
  const owners = new Map<string, Metadata>()
  const all = [...services, ...unreadable]
    .map((service) => ({ service, host: service.spec === undefined ? unusable : hostOf(service) }))
    .toSorted((a, b) => order(a.service.metadata, ownNamespace, b.service.metadata))
  const give = (name: string, metadata: Metadata, host: Host): boolean => {
    if (destinations.has(name)) return false
    destinations.set(name, host)
    owners.set(name, metadata)
    return true
  }

  for (const { service, host } of all)
    for (const name of qualifiedNames(service.metadata)) give(name, service.metadata, host)
  for (const { service, host } of all)
    if (service.metadata.namespace === ownNamespace) give(service.metadata.name, service.metadata, host)
  for (const { service, host } of all) {
    if (service.spec === undefined) continue
    for (const [index, name] of service.spec.hosts.entries()) {
      if (give(name, service.metadata, host)) continue
      const owner = owners.get(name)!
      if (owner === service.metadata) continue
      violations.push({
        resource: nameOf(service),
        field: `spec.hosts[${index}]`,
        code: 'host-conflict',
        message: `the host ${name} belongs to the service ${owner.namespace}/${owner.name} already`,
      })
    }
  }
  const short = Map.groupBy(all, ({ service }) => service.metadata.name)
  for (const [name, [only, another]] of short)
    if (only !== undefined && another === undefined) give(name, only.service.metadata, only.host)
  return { destinations, violations }
}

function hostOf(service: ResolvedService): Host {
  return new Map(
    service.spec.ports.map(({ port, targetPort, protocol }) => [
      port,
      { service, port, targetPort, protocol: spokenProtocol(protocol, port, targetPort) },
    ]),
  )
}

function qualifiedNames({ name, namespace }: Metadata): readonly string[] {
  return [`${name}.${namespace}`, `${name}.${namespace}.svc`, `${name}.${namespace}.svc.cluster.local`]
}

function order(a: Metadata, ownNamespace: string, b: Metadata): number {
  if (a.namespace !== b.namespace) {
    if (a.namespace === ownNamespace) return -1
    if (b.namespace === ownNamespace) return 1
    return a.namespace < b.namespace ? -1 : 1
  }
  return a.name < b.name ? -1 : a.name > b.name ? 1 : 0
}
