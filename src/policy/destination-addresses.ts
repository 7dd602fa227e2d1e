import { formatAddress } from '../lib/address.ts'
import { canonicalIp } from '../lib/ip.ts'
import type { Destination, Destinations } from './destinations.ts'
import { type Metadata, nameOf, type ResolvedService, type ResourceViolation } from './model.ts'

/** What a captured connection is for. */
export interface LocatedDestination {
  readonly destination: Destination
  /** `host:port` of the one inbound listener that was meant, when the address is that of an endpoint and not of the service. */
  readonly endpoint?: string
}

export interface DestinationAddresses {
  /** By original address and port, as `formatAddress` writes them with a canonical IP address. */
  readonly byAddress: ReadonlyMap<string, LocatedDestination>
  /** Addresses of services: whatever else such an address is asked for belongs to the mesh, and has no destination. */
  readonly known: ReadonlySet<string>
  /** Ports on which services may be told apart by the name that a client sends: those that are not `tcp`, and 443. */
  readonly named: ReadonlySet<number>
}

/** Where clients of TLS send a name, whatever is inside it. */
const HTTPS = 443

export const noAddresses: DestinationAddresses = { byAddress: new Map(), known: new Set(), named: new Set() }

/**
 * Where services are: by their own addresses and ports, and by the addresses of their endpoints and the ports of the
 * applications there. An address and port belong to one service; two services that claim the same one get neither, because a
 * guess would send what is for one to the other.
 */
export function locateDestinations(
  services: readonly ResolvedService[],
  destinations: Destinations,
): { addresses: DestinationAddresses; violations: readonly ResourceViolation[] } {
  const byAddress = new Map<string, LocatedDestination>()
  const owners = new Map<string, Metadata>()
  const known = new Set<string>()
  const named = new Set<number>()
  const violations: ResourceViolation[] = []
  const ordered = services.toSorted((a, b) => (orderOf(a) < orderOf(b) ? -1 : 1))
  const located = ordered.flatMap((service) => {
    const { name, namespace } = service.metadata
    const host = destinations.get(`${name}.${namespace}`)
    return host === undefined ? [] : [{ service, all: [...host.values()] }]
  })
  for (const { service, all } of located) {
    for (const { port, protocol } of all) if (protocol !== 'tcp' || port === HTTPS) named.add(port)
    for (const [index, address] of (service.spec.addresses ?? []).entries()) {
      known.add(address)
      for (const destination of all) {
        const key = formatAddress({ host: address, port: destination.port })
        const owner = owners.get(key)
        if (owner === undefined) {
          owners.set(key, service.metadata)
          byAddress.set(key, { destination })
          continue
        }
        byAddress.delete(key)
        violations.push({
          resource: nameOf(service),
          field: `spec.addresses[${index}]`,
          code: 'address-conflict',
          message: `${key} belongs to the service ${owner.namespace}/${owner.name} already: nobody gets it`,
        })
      }
    }
  }
  // After them: an address that a service claims for itself is no endpoint of another one.
  for (const { service, all } of located) {
    for (const { address, port, appPort } of service.spec.endpoints) {
      const host = canonicalIp(address)
      const destination = all.find(({ targetPort }) => targetPort === appPort)
      if (host === undefined || destination === undefined) continue
      const key = formatAddress({ host, port: appPort })
      // Several services may have one workload behind them: any of them leads to it, and the first one by name is taken.
      if (!owners.has(key) && !byAddress.has(key)) {
        byAddress.set(key, { destination, endpoint: formatAddress({ host: address, port }) })
      }
    }
  }
  return { addresses: { byAddress, known, named }, violations }
}

function orderOf({ metadata: { namespace, name } }: ResolvedService): string {
  return `${namespace}/${name}`
}
